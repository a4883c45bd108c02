"""The readable bar broker: fills orders from OHLC bars as the package ``backtest.bars`` tells.

Where in a bar an order's condition is met is ``bars.matching``; here is what it then
fills, what that costs, and how orders end.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from arb_pipelines.backtest.bars.execution import BarExecution, MarketFill
from arb_pipelines.backtest.bars.matching import (
    met_at,
    touched,
    trigger_price,
    turning_points,
    typical_price,
)
from arb_pipelines.backtest.commission import TIER_WINDOW_NS, charge
from arb_pipelines.errors import DataError
from arb_pipelines.market.graph import BUY
from arb_pipelines.trading.events import (
    Bar,
    BrokerEvent,
    Cancelled,
    Ending,
    MarketEvent,
    Order,
    OrderFill,
    OrderKind,
    Routed,
    TimeInForce,
)
from arb_pipelines.trading.lifecycle import NOISE


@dataclass(slots=True)
class _Open:
    """An order that may still fill. ``left`` is in base, or quote for an order by funds.

    ``plain`` is its fees without the minimum, ``charged`` what it paid, ``spent`` all
    that it spent. A stop that was met is ``triggered``; an order that saw a bar ``rests``;
    one that came after the data ``closes`` a position.
    """

    order: Order
    left: float
    spent: float = 0.0
    plain: float = 0.0
    charged: float = 0.0
    triggered: bool = False
    rests: bool = False
    closes: bool = False

    @property
    def at_market(self) -> bool:
        return self.order.kind is OrderKind.MARKET or self.triggered


@dataclass(slots=True)
class _Scene:
    """A bar, and how much base of it our orders may still fill."""

    bar: Bar
    room: float


class BarBroker:
    """A venue that is known by its bars. Fees are in quote currency."""

    def __init__(self, execution: BarExecution) -> None:
        self._execution = execution
        self._unrouted: list[Order] = []
        self._unwanted: list[tuple[str, int]] = []
        self._open: dict[str, _Open] = {}
        self._positions: defaultdict[str, float] = defaultdict(float)
        self._last: dict[str, Bar] = {}
        self._now = 0
        self._over = False
        self._traded: defaultdict[str, float] = defaultdict(float)
        self._trades: defaultdict[str, deque[tuple[int, float]]] = defaultdict(deque)

    def submit(self, order: Order) -> None:
        """Accept an order; it takes part in bars that open at or after its time."""
        left = order.funds if order.size is None else order.size
        self._unrouted.append(order)
        self._open[order.client_id] = _Open(order, left or 0.0, closes=self._over)

    def cancel(self, client_id: str, ts: int) -> None:
        """Take an order back; ``Cancelled`` comes before anything of the next bar."""
        self._unwanted.append((client_id, ts))

    def on_market(self, event: MarketEvent) -> Iterator[BrokerEvent]:
        """Tell what a closed bar did to open orders, in the order of the bar's path.

        Raises:
            DataError: the event is a book.
        """
        if not isinstance(event, Bar):
            raise DataError(f"a broker of bars was given a book of {event.symbol}")
        yield from self._route()
        yield from self._take_back()
        yield from self._expire(event.ts_close)
        active = [
            open_
            for open_ in self._open.values()
            if open_.order.symbol == event.symbol and open_.order.ts <= event.ts_open
        ]
        share = self._execution.volume_share
        scene = _Scene(event, float("inf") if share is None else share * event.volume)
        yield from self._at_open(active, scene)
        yield from self._along_path(active, scene)
        yield from self._at_typical_price(active, scene)
        for open_ in active:
            open_.rests = True
        self._last[event.symbol] = event
        self._now = event.ts_close

    def close(self) -> Iterator[BrokerEvent]:
        """Cancel what is open. Orders submitted after that close positions, at the last close."""
        yield from self._route()
        yield from self._take_back()
        for open_ in tuple(self._open.values()):
            last = self._last.get(open_.order.symbol)
            ts = max(open_.order.ts, self._now)
            if open_.closes and last is not None and open_.at_market:
                yield from self._fill(open_, last.close, ts, _Scene(last, float("inf")))
            else:
                yield self._end(open_, ts, "the data is over")
        self._over = True

    def _route(self) -> Iterator[BrokerEvent]:
        while self._unrouted:
            order = self._unrouted.pop(0)
            yield Routed(order.client_id, order.ts)

    def _take_back(self) -> Iterator[BrokerEvent]:
        while self._unwanted:
            client_id, ts = self._unwanted.pop(0)
            if client_id in self._open:
                open_ = self._open[client_id]
                yield self._end(open_, max(ts, open_.order.ts), "taken back")
                yield from self._route()  # what took its place

    def _expire(self, ts_close: int) -> Iterator[BrokerEvent]:
        for open_ in tuple(self._open.values()):
            expires = open_.order.expires
            if expires is not None and expires < ts_close:
                ts = max(expires, open_.order.ts)
                yield self._end(open_, ts, "its time is over", Ending.EXPIRED)

    def _at_open(self, active: list[_Open], scene: _Scene) -> Iterator[BrokerEvent]:
        bar, vwap = scene.bar, self._execution.market_fill is MarketFill.VWAP
        for open_ in self._still(active):
            kind, may_rest = open_.order.kind, open_.order.time_in_force is TimeInForce.GTC
            if open_.at_market:
                if not vwap:
                    yield from self._fill(open_, bar.open, bar.ts_open, scene)
            elif met_at(open_.order, bar.open):
                open_.triggered = kind is OrderKind.STOP
                makes = kind is OrderKind.LIMIT and open_.rests
                yield from self._fill(open_, bar.open, bar.ts_open, scene, makes=makes)
            elif kind is OrderKind.LIMIT and not may_rest:
                yield self._end(open_, bar.ts_open, "the open is beyond its limit")

    def _along_path(self, active: list[_Open], scene: _Scene) -> Iterator[BrokerEvent]:
        bar = scene.bar
        waiting = [open_.order for open_ in self._still(active) if not open_.at_market]
        if not waiting:
            return
        position = self._positions[bar.symbol]
        points = turning_points(bar, self._execution.path, position, waiting[0])
        for start, end in pairwise(points):
            for order in touched(waiting, start, end):
                open_ = self._open.get(order.client_id)
                if open_ is not None and not open_.triggered:
                    open_.triggered = order.kind is OrderKind.STOP
                    makes = not open_.triggered
                    px = trigger_price(order)
                    yield from self._fill(open_, px, bar.ts_close, scene, makes=makes)

    def _at_typical_price(self, active: list[_Open], scene: _Scene) -> Iterator[BrokerEvent]:
        if self._execution.market_fill is not MarketFill.VWAP:
            return
        for open_ in self._still(active):
            if open_.at_market:
                px = typical_price(scene.bar)
                yield from self._fill(open_, px, scene.bar.ts_close, scene)

    def _still(self, active: list[_Open]) -> Iterator[_Open]:
        """Give those that are open when their turn comes."""
        return (open_ for open_ in active if open_.order.client_id in self._open)

    def _fill(
        self, open_: _Open, px: float, ts: int, scene: _Scene, *, makes: bool = False
    ) -> Iterator[BrokerEvent]:
        """Fill what the bar's volume leaves room for, and end what may not wait for more."""
        order = open_.order
        size, px, whole = self._size(open_, px, scene, makes=makes)
        may_wait = order.time_in_force is TimeInForce.GTC
        if size <= 0.0 or (order.time_in_force is TimeInForce.FOK and not whole):
            if not may_wait:
                yield self._end(open_, ts, "the bar has no volume for it")
            return
        quote = order.symbol.partition("-")[2]
        funds = size * px
        plain = open_.plain + self._execution.commission.of_fill(
            size, funds, maker=makes, traded_30d=self._traded_before(quote, ts)
        )
        fee = charge(plain, open_.charged, self._execution.commission.minimum)
        buys = order.side == BUY
        spent = funds + fee if buys else size
        if open_.spent + spent > order.reserve * (1.0 + NOISE):
            reason = f"would spend {open_.spent + spent} in all; {order.reserve} are set aside"
            yield self._end(open_, ts, reason, Ending.CANCELLED if open_.spent else Ending.REJECTED)
            return
        open_.left -= size if order.size is not None else funds
        open_.spent, open_.plain, open_.charged = open_.spent + spent, plain, open_.charged + fee
        scene.room -= size
        self._positions[order.symbol] += size if buys else -size
        self._traded[quote] += funds
        self._trades[quote].append((ts, funds))
        if whole:
            del self._open[order.client_id]
        received = size if buys else funds - fee
        yield OrderFill(
            client_id=order.client_id,
            ts=ts,
            symbol=order.symbol,
            side=order.side,
            size=size,
            funds=funds,
            spent=spent,
            received=received,
            fee=fee,
            fee_currency=quote,
            final=whole,
        )
        yield from self._cancel_others(order, ts)
        if not whole and not may_wait:
            yield self._end(open_, ts, "the bar has no volume for the rest")

    def _size(
        self, open_: _Open, px: float, scene: _Scene, *, makes: bool
    ) -> tuple[float, float, bool]:
        """Give size and price of the next fill, and whether that is all of the order.

        The price slips by the size that the reference price would give.
        """
        order = open_.order
        by_funds = order.size is None
        size = min(open_.left / px if by_funds else open_.left, scene.room)
        if not makes:
            px = self._execution.slippage.price(order.side, px, size, scene.bar)
            if order.kind is OrderKind.LIMIT:
                limit = trigger_price(order)
                px = min(px, limit) if order.side == BUY else max(px, limit)
        most = open_.left / px if by_funds else open_.left
        return min(most, scene.room), px, most <= scene.room

    def _traded_before(self, quote: str, ts: int) -> float:
        """Give the value traded in the window of the fee's tier."""
        trades = self._trades[quote]
        while trades and trades[0][0] <= ts - TIER_WINDOW_NS:
            self._traded[quote] -= trades.popleft()[1]
        if not trades:
            self._traded[quote] = 0.0
        return self._traded[quote]

    def _cancel_others(self, order: Order, ts: int) -> Iterator[BrokerEvent]:
        for open_ in tuple(self._open.values()):
            other = open_.order
            same = order.oco is not None and other.oco == order.oco
            if same and other is not order and other.strategy == order.strategy:
                yield self._end(open_, max(ts, other.ts), f"{order.client_id} filled")

    def _end(
        self, open_: _Open, ts: int, reason: str, ending: Ending = Ending.CANCELLED
    ) -> Cancelled:
        del self._open[open_.order.client_id]
        return Cancelled(open_.order.client_id, ts, reason, ending)
