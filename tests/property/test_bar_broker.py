"""Promises of the bar broker that hold for any orders on any bars."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from arb_pipelines.backtest.bars.arrays import NS_PER_HOUR
from arb_pipelines.backtest.bars.execution import BarExecution, Path
from arb_pipelines.backtest.brokers.bars import BarBroker
from arb_pipelines.market.graph import BUY, SELL
from arb_pipelines.trading.events import (
    Bar,
    BrokerEvent,
    Cancelled,
    Order,
    OrderFill,
    OrderKind,
    TimeInForce,
)
from arb_pipelines.trading.lifecycle import Validated, apply, received
from tests.fakes.bar_worlds import SYMBOL, random_bars

seeds = st.integers(0, 2**32 - 1)


def random_orders(rng: np.random.Generator, bars: list[Bar], count: int) -> list[Order]:
    """Draw orders of every kind, sent at closes, at prices near the market's, by time."""
    orders = []
    for number in range(count):
        sent = bars[rng.integers(len(bars))]
        side = int(rng.choice([BUY, SELL]))
        kind = OrderKind(rng.choice(list(OrderKind)))
        near = float(np.round(sent.close * rng.uniform(0.96, 1.04), 1))
        size = float(np.round(rng.uniform(0.1, 30.0), 1))
        by_funds = side == BUY and rng.random() < 0.3
        orders.append(
            Order(
                client_id=str(number),
                ts=sent.ts_close,
                strategy="s",
                symbol=SYMBOL,
                side=side,
                kind=kind,
                time_in_force=TimeInForce(rng.choice(list(TimeInForce), p=[0.8, 0.1, 0.1])),
                size=None if by_funds else size,
                funds=size * sent.close if by_funds else None,
                limit_px=near if kind is OrderKind.LIMIT else None,
                stop_px=near if kind is OrderKind.STOP else None,
                reserve=1e12,
                expires=sent.ts_close + int(rng.integers(0, 20)) * NS_PER_HOUR
                if rng.random() < 0.3
                else None,
                oco=str(rng.integers(3)) if rng.random() < 0.3 else None,
            )
        )
    return sorted(orders, key=lambda order: order.ts)


def play(
    orders: list[Order], bars: list[Bar], execution: BarExecution
) -> list[tuple[Bar | None, BrokerEvent]]:
    """Send each order at its time; give what happened with the bar that brought it."""
    broker = BarBroker(execution)
    waiting = list(orders)
    told: list[tuple[Bar | None, BrokerEvent]] = []
    for bar in bars:
        told += [(bar, event) for event in broker.on_market(bar)]
        while waiting and waiting[0].ts <= bar.ts_close:
            broker.submit(waiting.pop(0))
    return told + [(None, event) for event in broker.close()]


@settings(max_examples=120, deadline=None)
@given(seed=seeds)
def test_promises(seed: int) -> None:
    """Lives are lawful; bar, limit, volume and expiry are kept; of a group one order fills."""
    rng = np.random.default_rng(seed)
    bars = list(random_bars(seed, 60))
    orders = {order.client_id: order for order in random_orders(rng, bars, 25)}
    share = None if rng.random() < 0.5 else float(rng.choice([0.05, 1.0]))
    execution = BarExecution(path=Path(rng.choice(list(Path))), volume_share=share)
    states = {
        name: apply(received(order), Validated(name, order.ts)) for name, order in orders.items()
    }
    filled: defaultdict[int, float] = defaultdict(float)
    beaten: set[str] = set()  # by another order of their group
    for bar, event in play(list(orders.values()), bars, execution):
        order = orders[event.client_id]
        states[event.client_id] = apply(states[event.client_id], event)
        if not isinstance(event, OrderFill):
            continue
        assert bar is not None
        price = event.funds / event.size
        assert bar.ts_open >= order.ts
        assert bar.low * (1 - 1e-12) <= price <= bar.high * (1 + 1e-12)
        assert order.expires is None or bar.ts_close <= order.expires
        if order.limit_px is not None:
            better = price <= order.limit_px if order.side == BUY else price >= order.limit_px
            assert better or np.isclose(price, order.limit_px, rtol=1e-12)
        filled[bar.ts_open] += event.size
        assert share is None or filled[bar.ts_open] <= share * bar.volume * (1 + 1e-12)
        assert order.client_id not in beaten
        if order.oco is not None:
            beaten |= {
                name
                for name, other in orders.items()
                if other.oco == order.oco and other.ts < bar.ts_close and other is not order
            }
        if order.time_in_force is TimeInForce.FOK:
            assert event.final
    assert not any(state.open for state in states.values())


def expected_price(order: Order, bars: list[Bar]) -> float | None:
    """Say from the definitions alone where a single GTC order fills, without volume limits."""
    for bar in bars:
        if bar.ts_open < order.ts:
            continue
        if order.kind is OrderKind.MARKET:
            return bar.open
        level = order.limit_px if order.kind is OrderKind.LIMIT else order.stop_px
        assert level is not None
        from_below = (order.side == SELL) == (order.kind is OrderKind.LIMIT)
        if from_below and bar.high >= level:
            return max(bar.open, level)
        if not from_below and bar.low <= level:
            return min(bar.open, level)
    return None


@settings(max_examples=100, deadline=None)
@given(seed=seeds)
def test_single_orders_fill_where_the_definitions_say(seed: int) -> None:
    """Alone and without limits on volume, an order fills where a plain search finds it to."""
    rng = np.random.default_rng(seed)
    bars = list(random_bars(seed, 40))
    for order in random_orders(rng, bars, 10):
        if order.time_in_force is not TimeInForce.GTC or order.expires is not None:
            continue
        fills = [e for _, e in play([order], bars, BarExecution()) if isinstance(e, OrderFill)]
        expected = expected_price(order, bars)
        assert len(fills) == (expected is not None)
        for fill in fills:
            assert np.isclose(fill.funds / fill.size, expected or 0.0, rtol=1e-12)
            assert fill.final


@settings(max_examples=60, deadline=None)
@given(seed=seeds, cut=st.integers(1, 59))
def test_later_bars_do_not_change_earlier_events(seed: int, cut: int) -> None:
    """What the broker tells with a bar depends on no bar after it."""
    rng = np.random.default_rng(seed)
    bars = list(random_bars(seed, 60))
    orders = random_orders(rng, bars, 25)
    execution = BarExecution(volume_share=0.2)
    whole = [told for told in play(orders, bars, execution) if told[0] is not None]
    part = [told for told in play(orders, bars[:cut], execution) if told[0] is not None]
    assert part == whole[: len(part)]
    assert all(bar.ts_open >= bars[cut].ts_open for bar, _ in whole[len(part) :] if bar)


def test_every_ending_happens() -> None:
    """The drawn orders do fill, in parts too, expire, and end for each reason there is."""
    reasons: defaultdict[str, int] = defaultdict(int)
    for seed in range(60):
        rng = np.random.default_rng(seed)
        bars = list(random_bars(seed, 60))
        for _, event in play(random_orders(rng, bars, 25), bars, BarExecution(volume_share=0.2)):
            if isinstance(event, Cancelled):
                reasons[event.reason if "filled" not in event.reason else "oco"] += 1
            elif isinstance(event, OrderFill):
                reasons["final" if event.final else "partial"] += 1
    assert set(reasons) == {
        "final",
        "partial",
        "oco",
        "its time is over",
        "the data is over",
        "the open is beyond its limit",
        "the bar has no volume for it",
        "the bar has no volume for the rest",
    }
    assert min(reasons.values()) > 10, dict(reasons)
