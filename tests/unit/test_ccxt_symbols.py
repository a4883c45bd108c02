"""ccxt's numbers and lists of markets as exact values."""

from __future__ import annotations

from decimal import Decimal

import pytest

from arb_pipelines.errors import (
    DataError,
    ProtocolViolation,
)
from arb_pipelines.market.symbols import FeeSide, Status
from arb_pipelines.venues.ccxt_any.numbers import exact
from arb_pipelines.venues.ccxt_any.symbols import parse_symbols


def test_numbers_are_exact() -> None:
    """Text and decimals digit by digit; a float as the shortest decimal that names it."""
    assert exact("0.10000000000000000000000001") == Decimal("0.10000000000000000000000001")
    assert exact(0.1) == Decimal("0.1")
    assert exact(7) == 7
    for value in (None, "abc", float("nan"), True, Decimal("Infinity"), [1]):
        with pytest.raises(ProtocolViolation):
            exact(value)


def listing(mode: str, **fields: object) -> dict[str, object]:
    """A document of one symbol."""
    entry: dict[str, object] = {
        "symbol": "BTC/USDT", "id": "btcusdt", "base": "BTC", "quote": "USDT", "active": True,
        "base_step": "0.001", "price_step": "0.5", "funds_step": None, "min_size": "0.01",
        "max_size": None, "min_funds": "5", "taker": "0.0015", "maker": "0", "fee_side": "get",
    }  # fmt: skip
    return {"exchange": "some", "precision_mode": mode, "markets": [entry | fields]}


@pytest.mark.parametrize(
    ("mode", "given", "base", "price"),
    [
        ("tick_size", ("0.001", "0.5"), Decimal("0.001"), Decimal("0.5")),
        ("decimal_places", ("8", "0"), Decimal("0.00000001"), Decimal(1)),
        ("significant_digits", ("8", "5"), None, None),
    ],
)
def test_precisions_become_increments(
    mode: str, given: tuple[str, str], base: Decimal | None, price: Decimal | None
) -> None:
    """In each of ccxt's three ways to give them; significant digits are none."""
    steps = {"base_step": given[0], "price_step": given[1]}
    (market,) = parse_symbols(listing(mode, **steps), "list")
    assert (market.base_increment, market.price_increment) == (base, price)
    assert (market.quote_increment, market.min_funds) == (None, 5)
    assert (market.taker_fee_bps, market.maker_fee_bps) == (15.0, 0.0)
    assert (market.fee_side, market.status) == (FeeSide.RECEIVED, Status.TRADING)


def test_a_fee_in_another_currency_is_no_market_of_ours() -> None:
    """The quote and what is received are what decisions can reckon with."""
    assert parse_symbols(listing("tick_size", fee_side="give"), "list") == []
    (market,) = parse_symbols(listing("tick_size", fee_side="quote", active=False), "list")
    assert (market.fee_side, market.status) == (FeeSide.QUOTE, Status.HALTED)


@pytest.mark.parametrize(
    "document",
    [[], {"code": "400"}, listing("fathoms"), listing("tick_size", min_size="many")],
)
def test_what_is_no_list_is_refused(document: object) -> None:
    """With what it is instead."""
    with pytest.raises(DataError):
        parse_symbols(document, "list")
