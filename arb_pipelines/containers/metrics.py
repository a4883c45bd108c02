"""What one container's run came to, counted and measured; nothing is estimated."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from itertools import pairwise

from arb_pipelines.clock import NS_PER_DAY, NS_PER_S
from arb_pipelines.containers.bus import EventBus
from arb_pipelines.errors import InvariantBroken
from arb_pipelines.trading.events import Order, OrderFill
from arb_pipelines.trading.performance import sharpe


@dataclass(frozen=True, slots=True)
class ContainerMetrics:
    """Counts and figures of one run; None where nobody told or measured.

    ``final_value`` and ``max_drawdown`` are in the currency of the marks,
    ``sharpe`` is annual, of the marks' daily returns. ``peak_memory_bytes`` is the
    most resident memory the process had above what it had before: known where the
    process runs one container at a time (SINGLE_THREADED, PROCESS_PARALLEL) on a
    system that tells (Linux), else None.
    """

    events: int
    orders: int
    fills: int
    final_value: float | None
    max_drawdown: float | None
    sharpe: float | None
    wall_s: float
    peak_memory_bytes: int | None = None


class Meter:
    """Counts what a container's bus hears, and follows the value that it is told.

    A fast engine that publishes no single event adds its counts with ``count``.
    """

    def __init__(self) -> None:
        self._begun_ns = time.perf_counter_ns()
        self._events = self._orders = self._fills = 0
        self._first = self._last = self._highest = math.nan
        self._drawdown = 0.0
        self._by_day: dict[int, float] = {}

    def listen(self, bus: EventBus) -> None:
        """Count what is published from now on."""
        bus.subscribe(object, self._hear)

    def count(self, *, events: int = 0, orders: int = 0, fills: int = 0) -> None:
        """Add what happened without being published."""
        self._events += events
        self._orders += orders
        self._fills += fills

    def mark(self, ts: int, value: float) -> None:
        """Note what all in hand is worth at a time, in one currency; in order of time.

        Raises:
            InvariantBroken: the value is not a number.
        """
        if not math.isfinite(value):
            raise InvariantBroken(f"a container is worth {value} at {ts}")
        if not self._by_day:
            self._first = self._highest = value
        self._last = value
        self._highest = max(self._highest, value)
        self._drawdown = max(self._drawdown, self._highest - value)
        self._by_day[ts // NS_PER_DAY] = value

    def read(self, peak_memory_bytes: int | None = None) -> ContainerMetrics:
        """Give the figures as they stand."""
        marked = bool(self._by_day)
        return ContainerMetrics(
            self._events,
            self._orders,
            self._fills,
            self._last if marked else None,
            self._drawdown if marked else None,
            sharpe(self._daily_returns()),
            (time.perf_counter_ns() - self._begun_ns) / NS_PER_S,
            peak_memory_bytes,
        )

    def _daily_returns(self) -> list[float]:
        values = [self._first, *self._by_day.values()]
        if not all(value > 0.0 for value in values):
            return []  # nothing or a debt has no return
        return [after / before - 1.0 for before, after in pairwise(values)]

    def _hear(self, event: object) -> None:
        self._events += 1
        self._orders += isinstance(event, Order)
        self._fills += isinstance(event, OrderFill)
