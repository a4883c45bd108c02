"""Fee factors: the two places a taker fee is taken, and fees that are unknown."""

from __future__ import annotations

import pytest

from arb_pipelines.errors import ConfigError
from arb_pipelines.market.fees import fee_factors
from arb_pipelines.market.symbols import FeeSide, Market


def market(symbol: str, side: FeeSide, fee: float | None) -> Market:
    base, quote = symbol.split("-")
    return Market("v", symbol, base, quote, symbol, taker_fee_bps=fee, fee_side=side)


MARKETS = [market("A-B", FeeSide.QUOTE, 25.0), market("C-B", FeeSide.RECEIVED, None)]


def test_a_fee_on_the_quote_makes_a_buy_trade_less() -> None:
    """On the quote side a buy trades 1/(1+f) of its funds and receives all; a sell keeps 1-f."""
    factors = fee_factors(MARKETS, ["A-B"])
    assert factors.on_input.tolist() == [[1 / 1.0025, 1.0]]
    assert factors.on_output.tolist() == [[1.0, 0.9975]]
    assert factors.keep.tolist() == [[1 / 1.0025, 0.9975]]


def test_a_fee_on_what_is_received_is_the_same_both_ways() -> None:
    """What is bought arrives times 1-f, whichever side; a given fee needs no listed one."""
    factors = fee_factors(MARKETS, ["C-B", "A-B"], 10.0)
    assert factors.keep[0].tolist() == [0.999, 0.999]
    assert factors.on_input[0].tolist() == [1.0, 1.0]


@pytest.mark.parametrize(
    ("symbols", "fee_bps", "message"),
    [
        (["C-B"], None, "no taker fee for C-B; give --fee-bps"),
        (["X-Y"], 10.0, "X-Y is not in the day's markets"),
        (["A-B"], -1.0, "not in \\[0, 10000\\)"),
        (["A-B"], float("nan"), "not in \\[0, 10000\\)"),
    ],
)
def test_unusable_fees_are_refused(symbols: list[str], fee_bps: float | None, message: str) -> None:
    """A fee nobody knows, or none at all could pay, is a ConfigError that says what to do."""
    with pytest.raises(ConfigError, match=message):
        fee_factors(MARKETS, symbols, fee_bps)
