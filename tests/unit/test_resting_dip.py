"""The example strategy: rest below the high, sell on the rebound, give up in time."""

from __future__ import annotations

import pytest

from arb_pipelines.clock import NS_PER_S
from arb_pipelines.market.graph import BUY, SELL
from arb_pipelines.trading.events import (
    Bar,
    Cancelled,
    Ending,
    OrderFill,
    OrderKind,
    OrderSignal,
)
from arb_pipelines.trading.resting_dip import RestingDip, RestingDipStrategy

HOUR = 3_600 * NS_PER_S
PARAMS = RestingDip(
    name="dip",
    symbol="A-USD",
    look_back=2,
    dip_pct=10,
    rebound_pct=5,
    rest_hours=3,
    hold_hours=4,
    funds=180,
)


def bar(hour: int, close: float, symbol: str = "A-USD") -> Bar:
    """An hour that ends at ``close``."""
    return Bar(symbol, (hour - 1) * HOUR, hour * HOUR, close, close, close, close, 1.0)


def fill(side: int, size: float, px: float, *, final: bool = True) -> OrderFill:
    """A fill without a fee."""
    spent, received = (size * px, size) if side == BUY else (size, size * px)
    return OrderFill("o", 0, "A-USD", side, size, size * px, spent, received, 0.0, "USD", final)


def only(signals: object) -> OrderSignal:
    """The one signal that was given."""
    (signal,) = signals  # type: ignore[misc]
    assert isinstance(signal, OrderSignal)
    return signal


@pytest.fixture
def resting() -> RestingDipStrategy:
    """A strategy whose buy rests since hour 2."""
    strategy = RestingDipStrategy(PARAMS)
    assert strategy.on_market(bar(1, 100.0)) == ()
    assert strategy.on_market(bar(1, 500.0, "B-USD")) == ()
    signal = only(strategy.on_market(bar(2, 90.0)))
    assert (signal.side, signal.kind, signal.limit_px) == (BUY, OrderKind.LIMIT, 90.0)
    assert (signal.size, signal.expires) == (2.0, 5 * HOUR)
    return strategy


def test_one_order_at_a_time(resting: RestingDipStrategy) -> None:
    """While it rests nothing else is wanted, whatever the price."""
    assert resting.on_market(bar(3, 200.0)) == ()


def test_a_buy_whose_time_is_over_is_priced_anew(resting: RestingDipStrategy) -> None:
    """At the next bar, from the closes of that time."""
    resting.on_market(bar(3, 80.0))
    resting.on_broker(Cancelled("o", 5 * HOUR, "its time is over", Ending.EXPIRED))
    assert only(resting.on_market(bar(4, 70.0))).limit_px == pytest.approx(72.0)


def test_what_was_bought_is_offered_above_its_cost(resting: RestingDipStrategy) -> None:
    """Also what a partial fill brought, when the rest has ended."""
    resting.on_broker(fill(BUY, 1.5, 90.0, final=False))
    assert resting.on_market(bar(3, 80.0)) == ()
    resting.on_broker(Cancelled("o", 5 * HOUR, "its time is over", Ending.EXPIRED))
    signal = only(resting.on_market(bar(5, 80.0)))
    assert (signal.side, signal.size, signal.expires) == (SELL, 1.5, 9 * HOUR)
    assert signal.limit_px == pytest.approx(94.5)


def test_without_a_rebound_it_sells_at_market_and_begins_anew(
    resting: RestingDipStrategy,
) -> None:
    """The rest of a partly filled sale goes at market; then it is idle again."""
    resting.on_broker(fill(BUY, 2.0, 90.0))
    resting.on_market(bar(3, 80.0))
    resting.on_broker(fill(SELL, 0.5, 94.5, final=False))
    resting.on_broker(Cancelled("o", 7 * HOUR, "its time is over", Ending.EXPIRED))
    signal = only(resting.on_market(bar(7, 80.0)))
    assert (signal.side, signal.kind, signal.size) == (SELL, OrderKind.MARKET, 1.5)
    assert (signal.limit_px, signal.expires) == (None, None)
    resting.on_broker(fill(SELL, 1.5, 80.0))
    assert only(resting.on_market(bar(8, 80.0))).side == BUY
