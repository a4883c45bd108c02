"""Every refusal of the order validator: which field, why, and what would do."""

from __future__ import annotations

import math
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from arb_pipelines.market.graph import BUY, SELL
from arb_pipelines.market.symbols import Market, Status
from arb_pipelines.trading.events import OrderKind, TimeInForce
from arb_pipelines.trading.portfolio import Portfolio
from arb_pipelines.trading.validation import OrderValidator
from tests.fakes.orders import an_order

BTC = Market(
    "demo",
    "BTC-USDT",
    "BTC",
    "USDT",
    "BTCUSDT",
    base_increment=Decimal("0.0001"),
    quote_increment=Decimal("0.01"),
    price_increment=Decimal("0.1"),
    base_min_size=Decimal("0.001"),
    base_max_size=Decimal("10"),
    min_funds=Decimal("5"),
)
MARKETS = {
    "BTC-USDT": BTC,
    "ETH-USDT": replace(BTC, symbol="ETH-USDT", base="ETH", status=Status.HALTED),
}
LIMIT: dict[str, Any] = {"kind": OrderKind.LIMIT, "limit_px": 100_000.0}


@pytest.mark.parametrize(
    ("side", "changes", "message"),
    [
        (BUY, {"client_id": ""}, "client_id: it is empty; give one that no other order has"),
        (2, {}, "side: 2 is none; 0 buys and 1 sells"),
        (BUY, {"funds": math.nan}, "funds: nan is no finite number; give a number above zero"),
        (BUY, {"reserve": math.inf}, "reserve: inf is no finite number; give a number above zero"),
        (SELL, {"size": -1.0}, "size: -1.0 is not above zero; give a number above zero"),
        (
            BUY,
            {"kind": OrderKind.LIMIT, "limit_px": 0.0},
            "limit_px: 0.0 is not above zero; give a number above zero",
        ),
        (BUY, {"size": 0.01}, "funds: size is given too; give one of the two"),
        (BUY, {"funds": None}, "size: neither size nor funds is given; give one of the two"),
        (
            SELL,
            {"size": None, "funds": 100.0},
            "funds: only a buy carries funds; give a sell its size in base currency",
        ),
        (
            BUY,
            {"kind": OrderKind.LIMIT},
            "limit_px: a limit order has none; give it, or make it a market order",
        ),
        (
            BUY,
            {"limit_px": 1.0},
            "limit_px: a market order has one; leave it out, or make it limit",
        ),
        (
            SELL,
            {"kind": OrderKind.STOP},
            "stop_px: a stop order has none; give the price that sets it off",
        ),
        (
            SELL,
            LIMIT | {"stop_px": 1.0},
            "stop_px: a limit order has one; leave it out, or make it a stop",
        ),
        (
            SELL,
            {"kind": OrderKind.STOP, "stop_px": 1.0, "time_in_force": TimeInForce.FOK},
            "time_in_force: a stop rests until it is touched, and fok may not rest; gtc would do",
        ),
        (
            SELL,
            {"kind": OrderKind.STOP, "stop_px": 1.0, "time_in_force": TimeInForce.IOC},
            "time_in_force: a stop rests until it is touched, and ioc may not rest; gtc would do",
        ),
        (BUY, {"expires": 0}, "expires: 0 is not after 0; give a later time, or none"),
        (
            BUY,
            {"symbol": "BTC-EUR"},
            "symbol: 'BTC-EUR' is not in the venue's list; one of BTC-USDT, ETH-USDT would do",
        ),
        (
            BUY,
            {"symbol": "ETH-USDT"},
            "symbol: ETH-USDT is halted; wait until the venue trades it",
        ),
        (
            BUY,
            LIMIT | {"limit_px": 100_000.05},
            "limit_px: 100000.05 is no multiple of 0.1; 100000 would do",
        ),
        (
            SELL,
            LIMIT | {"limit_px": 100_000.05},
            "limit_px: 100000.05 is no multiple of 0.1; 100000.1 would do",
        ),
        (
            SELL,
            {"kind": OrderKind.STOP, "stop_px": 0.05},
            "stop_px: 0.05 is no multiple of 0.1; 0.1 would do",
        ),
        (SELL, {"size": 0.00105}, "size: 0.00105 is no multiple of 0.0001; 0.001 would do"),
        (SELL, {"size": 0.00005}, "size: 0.00005 is no multiple of 0.0001; 0.001 would do"),
        (
            SELL,
            {"size": 0.0009},
            "size: 0.0009 BTC are less than the venue's minimum; at least 0.001 would do",
        ),
        (
            SELL,
            {"size": 10.5, "reserve": 10.5},
            "size: 10.5 BTC are more than the venue's maximum; at most 10 would do",
        ),
        (
            SELL,
            LIMIT | {"limit_px": 400.0},
            "size: 0.01 at 400.0 is worth 4 USDT; at least 5 USDT would do",
        ),
        (BUY, {"funds": 10.005}, "funds: 10.005 is no multiple of 0.01; 10 would do"),
        (
            BUY,
            {"funds": 4.99},
            "funds: 4.99 USDT are less than the venue's minimum; at least 5 would do",
        ),
        (
            BUY,
            {"reserve": 99.0},
            "reserve: 99.0 is less than the 100.0 USDT ordered; set aside at least 100.0",
        ),
        (
            BUY,
            {"reserve": 1_500.0},
            "reserve: 1500.0 USDT are more than the 1000.0 at hand; at most 1000.0 would do",
        ),
        (
            SELL,
            {"reserve": 0.5},
            "reserve: 0.5 BTC are more than the 0.25 at hand; at most 0.25 would do",
        ),
    ],
)
def test_a_refusal_names_field_reason_and_remedy(
    side: int, changes: dict[str, Any], message: str
) -> None:
    """One wrong thing, one message."""
    portfolio = Portfolio({"USDT": 1_000.0, "BTC": 0.25})
    validator = OrderValidator(MARKETS, portfolio.available)
    order = replace(an_order("a", side if side in (BUY, SELL) else BUY), **changes)
    wrong = validator(replace(order, side=side))
    assert wrong is not None
    assert str(wrong) == message


@pytest.mark.parametrize(
    ("side", "changes"),
    [
        (BUY, {}),
        (SELL, {}),
        (SELL, LIMIT | {"time_in_force": TimeInForce.FOK}),
        (BUY, LIMIT | {"funds": None, "size": 0.001, "limit_px": 7.1 * 1_000, "expires": 1}),
        (SELL, {"kind": OrderKind.STOP, "stop_px": 0.1 * 3}),
    ],
)
def test_sound_orders_pass(side: int, changes: dict[str, Any]) -> None:
    """Orders that keep every rule pass, and a price computed onto its tick counts as on it."""
    markets = MARKETS | {"BTC-USDT": replace(BTC, min_funds=None)}
    assert OrderValidator(markets)(an_order("a", side, **changes)) is None


def test_silence_of_the_venue_is_no_rule() -> None:
    """A symbol inferred from a recording has no increments or limits to break."""
    bare = {"BTC-USDT": Market("demo", "BTC-USDT", "BTC", "USDT", "BTCUSDT", inferred=True)}
    assert OrderValidator(bare)(an_order("a", SELL, size=1e-17)) is None


def test_a_long_list_of_symbols_is_cut_short() -> None:
    """The remedy names some symbols, not a thousand."""
    many = {f"C{i}-USDT": BTC for i in range(1_000)}
    assert str(OrderValidator(many)(an_order())).endswith(
        "one of C0-USDT, C1-USDT, C10-USDT, C100-USDT, C101-USDT, … would do"
    )
