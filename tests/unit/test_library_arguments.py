"""What a caller of ``execute_cycle`` may say, and how what he may not is refused."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from arb_pipelines.errors import ConfigError
from arb_pipelines.market.graph import BUY, SELL
from arb_pipelines.market.symbols import Market
from arb_pipelines.research.library.arguments import exact_amount, read_cycle


def listed(*symbols: str) -> dict[str, Market]:
    """Markets of these names."""
    found = {}
    for symbol in symbols:
        base, quote = symbol.split("-")
        found[symbol] = Market("venue", symbol, base, quote, symbol)
    return found


MARKETS = listed("BTC-USDT", "ETH-BTC", "ETH-USDT", "SOL-USDT")
BOUGHT, SOLD = ("BTC/USDT", "buy"), ("ETH/USDT", "sell")
OVER_BTC = (("BTC-USDT", BUY), ("ETH-BTC", BUY), ("ETH-USDT", SELL))


@pytest.mark.parametrize(
    "given",
    [
        ["USDT", "BTC", "ETH"],
        ("USDT", "BTC", "ETH", "USDT"),
        [("BTC/USDT", "buy"), ("ETH/BTC", "buy"), ("ETH/USDT", "sell")],
        [["BTC-USDT", "buy"], ["ETH-BTC", "buy"], ["ETH-USDT", "sell"]],
    ],
)
def test_a_cycle_is_written_in_two_ways(given: Any) -> None:
    """As currencies, the first repeated at the end or not, or as legs with either's dash."""
    assert read_cycle(given, MARKETS) == ("USDT", OVER_BTC)


def test_a_cycle_may_start_anywhere_on_its_way() -> None:
    """It starts with the currency that is named first."""
    start, legs = read_cycle(["ETH", "BTC", "USDT"], MARKETS)
    assert start == "ETH"
    assert legs == (("ETH-BTC", SELL), ("BTC-USDT", SELL), ("ETH-USDT", BUY))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("USDT", "is none of three legs or more; write"),
        (["USDT", "BTC"], "is none of three legs or more; write"),
        (["USDT", "SOL", "ETH"], "no spot market leads from SOL to ETH"),
        (["USDT", "BTC", "USDT", "ETH"], "passes USDT twice"),
        (["USDT", "BTC", "USDT"], "is none of three legs or more; write"),
        (["USDT", "ETH", ("ETH/USDT", "sell")], "'USDT' is no leg"),
        ([BOUGHT, ("ETH/BTC", "long"), SOLD], "is no leg"),
        ([BOUGHT, ("PEPE/BTC", "buy"), SOLD], "no spot market PEPE/BTC is listed"),
        ([BOUGHT, SOLD, ("ETH/BTC", "buy")], "spends ETH, and the leg before brings BTC"),
        ([BOUGHT, ("ETH/BTC", "buy"), ("ETH/BTC", "sell")], "begins with USDT and ends with BTC"),
    ],
)
def test_what_is_no_cycle_is_refused_by_its_reason(given: Any, said: str) -> None:
    """Whoever wrote it reads which part does not fit, and how it is written."""
    with pytest.raises(ConfigError, match=said) as refused:
        read_cycle(given, MARKETS)
    assert refused.value.source == "cycle"


@pytest.mark.parametrize("given", ["0.1", Decimal("0.1")])
def test_an_amount_is_what_was_written(given: Decimal | str) -> None:
    """To the last digit."""
    assert exact_amount(given) == Decimal("0.1")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (0.1, "is a float; write it as text or Decimal"),
        (True, "is a bool"),
        (None, "is a NoneType"),
        ("ten", "no amount above zero"),
        ("NaN", "no amount above zero"),
        (0, "no amount above zero"),
        (Decimal(-1), "no amount above zero"),
    ],
)
def test_what_is_no_exact_amount_is_refused(given: Any, said: str) -> None:
    """A float above all: 0.1 is not the amount that was meant."""
    with pytest.raises(ConfigError, match=said):
        exact_amount(given)
