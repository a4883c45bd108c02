"""What stealing is compared with: first come first served, and ranking by forecast profit.

Both keep the allocator's manners (``submit``, ``tick``, ``on_fill`` …), so that
the readable simulator treats all three alike. A displaced order is at once out of
the market: there is nobody else's acknowledgement to wait for in a simulation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol

from arb_pipelines.allocation.cash import CashLedger
from arb_pipelines.allocation.decisions import Decision, Enter, Loss, Steal
from arb_pipelines.allocation.orders import RestingOrder


class Allocation(Protocol):
    """What the simulator needs of whoever gives out capacity; see ``Allocator``."""

    cash: CashLedger

    def submit(self, order: RestingOrder) -> None:
        """Let an order wait for capacity."""
        ...

    def cancel(self, now_ns: int, order_id: str) -> list[Decision]:
        """End an order."""
        ...

    def on_fill(
        self, now_ns: int, order_id: str, spent_cents: int, *, final: bool
    ) -> list[Decision]:
        """Book a fill."""
        ...

    def on_cancelled(self, now_ns: int, order_id: str) -> list[Decision]:
        """Book that a cancel took effect."""
        ...

    def tick(self, now_ns: int, prices: Mapping[str, float] | None = None) -> list[Decision]:
        """Take new prices and decide."""
        ...


class FirstCome:
    """Give free capacity in order of submission, and keep it there until the order ends.

    The first that does not fit makes all behind it wait; one whose symbol has no
    price is passed over.
    """

    def __init__(self, capacity_cents: int) -> None:
        self.cash = CashLedger(capacity_cents)
        self._waiting: dict[str, RestingOrder] = {}
        self._entered: dict[str, RestingOrder] = {}
        self._prices: dict[str, float] = {}

    def submit(self, order: RestingOrder) -> None:
        """Let an order wait behind all others."""
        self._waiting[order.order_id] = order

    def cancel(self, now_ns: int, order_id: str) -> list[Decision]:
        """End an order at once."""
        self._waiting.pop(order_id, None)
        order = self._entered.pop(order_id, None)
        if order is not None:
            self.cash.release(order.capacity_cents)
        return []

    def on_fill(
        self, now_ns: int, order_id: str, spent_cents: int, *, final: bool
    ) -> list[Decision]:
        """Book the fill of the whole order."""
        order = self._entered.pop(order_id)
        self.cash.fill(spent_cents)
        self.cash.release(order.capacity_cents - spent_cents)
        return []

    def on_cancelled(self, now_ns: int, order_id: str) -> list[Decision]:
        """Do nothing: a cancel took effect when it was decided."""
        return []

    def tick(self, now_ns: int, prices: Mapping[str, float] | None = None) -> list[Decision]:
        """Enter, in turn, whoever fits."""
        self._prices.update(prices or {})
        decisions: list[Decision] = []
        for order in self._queue():
            if not self._prices.get(order.symbol, 0.0) > 0.0:
                continue
            if order.capacity_cents > self.cash.free:
                made = list(self._make_room(now_ns, order))
                if not made:
                    break
                decisions += made
            decisions.append(self._enter(now_ns, order))
        return decisions

    def _queue(self) -> list[RestingOrder]:
        """Give who waits, the next first."""
        return list(self._waiting.values())

    def _make_room(self, now_ns: int, order: RestingOrder) -> Iterator[Decision]:
        """Take nothing from anybody."""
        return iter(())

    def _enter(self, now_ns: int, order: RestingOrder) -> Enter:
        self.cash.reserve(order.capacity_cents)
        self._entered[order.order_id] = self._waiting.pop(order.order_id)
        return Enter(now_ns, order, order.capacity_cents, None)


class Ranked(FirstCome):
    """Give capacity to the highest forecast profit, displacing the lowest.

    Ties go to whoever was submitted first. A displaced order waits again, from
    the next tick on. A forecast below zero is no bar: every policy fills what
    capacity there is.
    """

    def __init__(self, capacity_cents: int) -> None:
        super().__init__(capacity_cents)
        self._numbers: dict[str, int] = {}

    def submit(self, order: RestingOrder) -> None:
        """Let an order wait, in the place of its forecast."""
        self._numbers[order.order_id] = len(self._numbers)
        super().submit(order)

    def _rank(self, order: RestingOrder) -> tuple[int, int]:
        return -order.forecast_profit_cents, self._numbers[order.order_id]

    def _queue(self) -> list[RestingOrder]:
        return sorted(self._waiting.values(), key=self._rank)

    def _make_room(self, now_ns: int, order: RestingOrder) -> Iterator[Decision]:
        free = missing = order.capacity_cents - self.cash.free
        victims: list[RestingOrder] = []
        for victim in sorted(self._entered.values(), key=self._rank, reverse=True):
            worth = victim.forecast_profit_cents < order.forecast_profit_cents
            if missing <= 0 or not worth:
                break
            victims.append(victim)
            missing -= victim.capacity_cents
        if missing > 0:
            return
        free = self.cash.free
        for victim in victims:
            self.cash.release(victim.capacity_cents)
            self._waiting[victim.order_id] = self._entered.pop(victim.order_id)
        losses = tuple(
            Loss(victim, float(victim.forecast_profit_cents), victim.capacity_cents)
            for victim in victims
        )
        rank = float(order.forecast_profit_cents)
        yield Steal(now_ns, order, rank, order.capacity_cents, free, losses)
