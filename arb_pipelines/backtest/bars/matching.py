"""Where in a bar an order's condition is met: the path of the price, as pure functions.

The rules are told in the package's docstring. What an order then fills, and at
which cost, is ``brokers.bars``.
"""

from __future__ import annotations

from arb_pipelines.backtest.bars.execution import Path
from arb_pipelines.errors import InvariantBroken
from arb_pipelines.market.graph import SELL
from arb_pipelines.trading.events import Bar, Order, OrderKind


def typical_price(bar: Bar) -> float:
    """Give (high + low + close) / 3, which stands for the volume-weighted average price.

    Source: TradingView, Volume Weighted Average Price, whose default source is hlc3.
    """
    return (bar.high + bar.low + bar.close) / 3.0


def trigger_price(order: Order) -> float:
    """Give the limit of a limit order, the stop of a stop order.

    Raises:
        InvariantBroken: the order has none; validation should have stopped it.
    """
    price = order.limit_px if order.kind is OrderKind.LIMIT else order.stop_px
    if price is None:
        raise InvariantBroken(f"{order.kind} order {order.client_id} has no price of its kind")
    return price


def waits_for_rise(order: Order) -> bool:
    """Tell whether the price has to rise to the order's: a sell limit or a buy stop."""
    return (order.kind is OrderKind.LIMIT) == (order.side == SELL)


def met_at(order: Order, px: float) -> bool:
    """Tell whether the order's limit or stop is met at a price; equal is met."""
    trigger = trigger_price(order)
    return px >= trigger if waits_for_rise(order) else px <= trigger


def turning_points(bar: Bar, path: Path, position: float, oldest: Order | None) -> list[float]:
    """Give the open and the two extremes in the order in which the price visits them.

    ``position`` is the net position after the fills at the open; if that is 0, the
    ``oldest`` open order tells which side is to be hurt or helped.
    """
    sells = oldest is not None and oldest.side == SELL
    low_hurts = position > 0.0 or (position == 0.0 and sells)
    low_first = low_hurts == (path is Path.PESSIMISTIC)
    return [bar.open, bar.low, bar.high] if low_first else [bar.open, bar.high, bar.low]


def touched(orders: list[Order], start: float, end: float) -> list[Order]:
    """Give the orders that a move from ``start`` to ``end`` meets, the nearest first."""
    rises = end > start
    met = [order for order in orders if waits_for_rise(order) == rises and met_at(order, end)]
    return sorted(met, key=trigger_price, reverse=not rises)
