"""Runs one backtest: market data in order of time, the desk's decisions, a simulated broker.

What is decided, and in which order, is the desk's (``containers.desk``); how orders
fill is the broker's. The coordinator brings the two together, ends what is open
when the data ends, and tears down whatever happened.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass

from arb_pipelines.containers.desk import Desk, hand_over
from arb_pipelines.containers.protocols import Broker, Portfolio
from arb_pipelines.errors import DataError, InvariantBroken
from arb_pipelines.trading.events import Bar, BrokerEvent, MarketEvent
from arb_pipelines.trading.lifecycle import OrderStatus


class EventClock:
    """The time of the newest event, ns since the epoch; it never runs back."""

    def __init__(self) -> None:
        self._now_ns = 0

    def now_ns(self) -> int:
        """Give the time of the newest event."""
        return self._now_ns

    def advance(self, ts: int) -> None:
        """Note an event; one that is told late leaves the time as it is."""
        self._now_ns = max(self._now_ns, ts)


@dataclass(frozen=True, slots=True)
class RunResult:
    """What a run came to.

    ``updates`` counts bars and books, ``refused`` signals by the check that
    stopped them, ``orders`` by how they ended; ``balances`` are all that is in
    hand at the end, by currency, and ``last_ts`` is the time of the last event.
    """

    updates: int
    signals: int
    refused: Mapping[str, int]
    orders: Mapping[OrderStatus, int]
    fills: int
    balances: Mapping[str, float]
    last_ts: int


class BacktestCoordinator:
    """One backtest: a desk, a simulated broker, and the loop between them.

    ``teardown`` is called at the end of ``run``, the last first, each whatever the
    others did, and whatever ended the run.
    """

    def __init__(
        self,
        desk: Desk,
        broker: Broker,
        portfolio: Portfolio,
        *,
        clock: EventClock | None = None,
        teardown: Iterable[Callable[[], object]] = (),
    ) -> None:
        self._desk, self._broker, self._portfolio = desk, broker, portfolio
        self._clock = clock or EventClock()
        self._teardown = tuple(teardown)
        self._updates = 0
        self._newest = 0

    def run(self, market: Iterable[MarketEvent]) -> RunResult:
        """Play the market data, which must be in order of time, to its end.

        Raises:
            DataError: the data runs back in time.
            InvariantBroken: the broker leaves an order open, or fills what was
                not ordered.
        """
        with ExitStack() as stack:
            for call in self._teardown:
                stack.callback(call)
            for event in market:
                self._play(event)
            self._settle(self._broker.close())
            hand_over(self._desk.close(self._clock.now_ns()), self._broker)
            self._settle(self._broker.close())
            return self._collect()

    def _play(self, event: MarketEvent) -> None:
        ts = event.ts_close if isinstance(event, Bar) else event.ts_recv
        if self._updates and ts < self._newest:
            raise DataError(f"{event} comes after one of {self._newest}; sort by time")
        self._newest = ts
        self._updates += 1
        self._settle(self._broker.on_market(event))
        self._clock.advance(ts)
        hand_over(self._desk.on_market(event), self._broker)

    def _settle(self, events: Iterable[BrokerEvent]) -> None:
        """Tell the desk, one by one; its answers leave before the next is asked for."""
        for event in events:
            self._clock.advance(event.ts)
            hand_over(self._desk.on_broker(event), self._broker)

    def _collect(self) -> RunResult:
        if self._desk.open_orders:
            raise InvariantBroken(f"the broker closed and left open {self._desk.open_orders}")
        tally = self._desk.tally
        return RunResult(
            self._updates,
            tally.signals,
            dict(tally.refused),
            dict(tally.orders),
            tally.fills,
            self._portfolio.balances(),
            self._clock.now_ns(),
        )
