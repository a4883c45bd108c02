"""The allocator: gives capacity to the orders nearest their limits, stealing from the furthest.

It has no clock, no I/O and no randomness: equal calls give equal decisions, so a
backtest and a live session use the same object. What it decides is told, not done;
what was done is told back (``on_fill``, ``on_cancelled``). The settings are in
``parameters``, the rules in prose in ``docs/allocation.md``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from arb_pipelines.allocation.cash import CashLedger
from arb_pipelines.allocation.decisions import (
    Block,
    Cancel,
    Decision,
    Enter,
    Fight,
    Loss,
    Outcome,
    Reason,
    Resolved,
    Steal,
)
from arb_pipelines.allocation.hours import Hours
from arb_pipelines.allocation.orders import MarketKind, RestingOrder, State, distance_pct
from arb_pipelines.allocation.parameters import AllocationSettings
from arb_pipelines.allocation.rests import Rests
from arb_pipelines.allocation.rules import OpenOrder, barred, may_steal, spared
from arb_pipelines.errors import DataError, InvariantBroken


class Allocator:
    """Shares one ledger of cash among the resting orders of any number of strategies.

    ``cash`` may be settled, deposited to and withdrawn from between calls; only
    the allocator reserves, releases and fills. A time is ns; a call with an
    earlier one than the last only makes cool-downs last longer.
    """

    __slots__ = ("_hours", "_next", "_open", "_prices", "_rests", "cash", "settings")

    def __init__(self, settings: AllocationSettings, capacity_cents: int, hours: Hours) -> None:
        self.settings = settings
        self.cash = CashLedger(capacity_cents)
        self._hours = hours
        self._rests = Rests(settings)
        self._open: dict[str, OpenOrder] = {}
        self._prices: dict[str, float] = {}
        self._next = 0

    def state(self, order_id: str) -> State | None:
        """Tell where an order stands; None if it is unknown or has ended."""
        entry = self._open.get(order_id)
        return entry.state if entry else None

    def orders(self, *states: State) -> tuple[RestingOrder, ...]:
        """Give the open orders in these states (default all), in order of submission."""
        return tuple(e.order for e in self._open.values() if not states or e.state in states)

    def held_cents(self, order_id: str) -> int:
        """Capacity reserved for an order; 0 if it is unknown or has ended."""
        entry = self._open.get(order_id)
        return entry.held if entry else 0

    def submit(self, order: RestingOrder) -> None:
        """Let an order wait for capacity; the next tick considers it.

        Raises:
            DataError: an open order has the same id.
        """
        if order.order_id in self._open:
            raise DataError("an open order has this id already", source=order.order_id)
        self._open[order.order_id] = OpenOrder(order, self._next, order.capacity_cents)
        self._next += 1

    def reprice(self, order_id: str, limit_px: float) -> None:
        """Note that an open order stands at another limit now; what it binds does not change.

        Raises:
            DataError: the limit is not above 0.
        """
        entry = self._open.get(order_id)
        if entry is not None:
            entry.order = replace(entry.order, limit_px=limit_px)

    def cancel(self, now_ns: int, order_id: str) -> list[Decision]:
        """End an order as its strategy wishes.

        One that is not at the venue ends at once; one that is, when its cancel is
        acknowledged. An order that has ended already is left in peace.
        """
        entry = self._open.get(order_id)
        if entry is None:
            return []
        if entry.state in (State.WAITING, State.FUNDING):
            return self._end(now_ns, entry, Outcome.CANCELLED)
        entry.leaves = True
        if entry.state is State.CANCELLING:
            return []
        entry.state = State.CANCELLING
        return [Cancel(now_ns, entry.order)]

    def on_fill(
        self, now_ns: int, order_id: str, spent_cents: int, *, final: bool
    ) -> list[Decision]:
        """Book a fill, also of an order whose cancel is under way.

        What a better price saved stays reserved until the ``final`` fill frees it.

        Raises:
            InvariantBroken: the order is not at the venue, or spent more than it held.
        """
        entry = self._open.get(order_id)
        if entry is None or entry.state not in (State.ENTERED, State.CANCELLING):
            raise InvariantBroken(f"order {order_id} filled, but it is not at the venue")
        if spent_cents > entry.held:
            raise InvariantBroken(
                f"order {order_id} spent {spent_cents} cents of {entry.held} reserved"
            )
        self.cash.fill(spent_cents)
        entry.held -= spent_cents
        entry.needs -= spent_cents
        return self._end(now_ns, entry, Outcome.FILLED) if final else []

    def on_cancelled(self, now_ns: int, order_id: str) -> list[Decision]:
        """Book that nothing more of an order will fill: only now is its capacity freed.

        A stolen order waits again with what it has left, and its thief is entered
        when this was the last cancel it waited for. Any other order has ended. An
        order that is not at the venue (it filled first) is left in peace.
        """
        entry = self._open.get(order_id)
        if entry is None or entry.state not in (State.ENTERED, State.CANCELLING):
            return []
        if entry.state is State.ENTERED or entry.leaves:
            return self._end(now_ns, entry, Outcome.CANCELLED)
        decisions = self._resolve(now_ns, entry, Outcome.STOLEN)
        thief, entry.thief = entry.thief, None
        self._free(entry)
        entry.state, entry.moved_ns = State.WAITING, now_ns
        return decisions + self._fund(now_ns, thief, entry)

    def tick(self, now_ns: int, prices: Mapping[str, float] | None = None) -> list[Decision]:
        """Take new prices, and decide who enters and who steals, nearest first.

        ``prices`` are by symbol; a symbol that is left out keeps its last one, and
        one that is not above zero (NaN included) has none from now on. Ties go to
        the order submitted first.
        """
        self._prices.update(prices or {})
        is_open = self._hours.is_open(now_ns)
        forced = self._forced() if not is_open else frozenset()
        decisions: list[Decision] = []
        for entry, distance in self._nearest_first(State.WAITING):
            if entry.moved_ns == now_ns:  # stolen from in this very tick
                continue
            refusal = barred(self.settings, entry.order.market, distance, is_open)
            force = refusal is Reason.TOLERANCE and entry.order.order_id in forced
            refusal = None if force else refusal
            if refusal is None and entry.needs <= self.cash.free:
                decisions.append(self._enter(now_ns, entry, distance, force))
                continue
            if refusal is None:
                steal = self._steal(now_ns, entry, distance)
                if not isinstance(steal, Reason):
                    decisions += steal
                    continue
                refusal = steal
            if refusal is not entry.blocked:
                entry.blocked = refusal
                known = None if math.isinf(distance) else distance
                decisions.append(Block(now_ns, entry.order, refusal, known))
        return decisions

    # --- who may enter

    def _distance(self, entry: OpenOrder) -> float:
        """Distance to the limit in percent; infinite without a price."""
        price = self._prices.get(entry.order.symbol, 0.0)
        if not price > 0.0:
            return math.inf
        return distance_pct(entry.order.side, entry.order.limit_px, price)

    def _nearest_first(self, *states: State) -> list[tuple[OpenOrder, float]]:
        found = [(e, self._distance(e)) for e in self._open.values() if e.state in states]
        return sorted(found, key=lambda pair: (pair[1], pair[0].number))

    def _forced(self) -> frozenset[str]:
        """Ids of the crypto orders nearest their limits, whether they wait or rest."""
        crypto = [
            entry.order.order_id
            for entry, distance in self._nearest_first(*State)
            if entry.order.market is MarketKind.CRYPTO and not math.isinf(distance)
        ]
        return frozenset(crypto[: self.settings.force_immediate_count])

    def _enter(self, now_ns: int, entry: OpenOrder, distance: float, force: bool) -> Enter:
        self._hold(entry, entry.needs)
        entry.state, entry.entered_ns, entry.moved_ns = State.ENTERED, now_ns, now_ns
        entry.blocked = None
        known = None if math.isinf(distance) else distance
        return Enter(now_ns, entry.order, entry.held, known, force)

    # --- who may steal

    def _steal(self, now_ns: int, thief: OpenOrder, distance: float) -> list[Decision] | Reason:
        """Choose victims for an order that needs more than is free: enough of them, or none."""
        symbol = thief.order.symbol
        refusal = may_steal(self.settings, self._rests, symbol, distance, now_ns)
        if refusal is not None:
            return refusal
        missing = thief.needs - self.cash.free
        victims: list[tuple[OpenOrder, Loss]] = []
        first_spared: Reason | None = None
        for victim, far in self._further_than(distance):
            if missing <= 0:
                break
            why = spared(self.settings, self._rests, symbol, victim, far, now_ns)
            if why is None:
                victims.append((victim, Loss(victim.order, far, victim.held)))
                missing -= victim.held
            else:
                first_spared = first_spared or why
        if missing > 0:
            return first_spared or Reason.CAPACITY
        return list(self._take(now_ns, thief, distance, victims))

    def _further_than(self, distance: float) -> Iterable[tuple[OpenOrder, float]]:
        """Orders that hold capacity further from their limits: furthest, then youngest, first."""
        entered = self._nearest_first(State.ENTERED)
        return [(e, far) for e, far in reversed(entered) if e.held and distance < far < math.inf]

    def _take(
        self, now_ns: int, thief: OpenOrder, distance: float, victims: list[tuple[OpenOrder, Loss]]
    ) -> Iterator[Decision]:
        free = self.cash.free
        self._hold(thief, free)
        thief.state, thief.moved_ns, thief.stole = State.FUNDING, now_ns, True
        thief.blocked = None
        for victim, _ in victims:
            victim.state, victim.moved_ns, victim.thief = State.CANCELLING, now_ns, thief
            thief.victims.add(victim.order.order_id)
        losses = tuple(loss for _, loss in victims)
        yield Steal(now_ns, thief.order, distance, thief.needs, free, losses)
        for loss in losses:
            until = self._rests.note(thief.order.symbol, loss.order.symbol, now_ns)
            if until is not None:
                pair = (thief.order.symbol, loss.order.symbol)
                yield Fight(now_ns, pair, self.settings.fight_threshold, until)

    # --- what becomes of capacity

    def _hold(self, entry: OpenOrder, cents: int) -> None:
        self.cash.reserve(cents)
        entry.held += cents

    def _free(self, entry: OpenOrder) -> None:
        self.cash.release(entry.held)
        entry.held = 0

    def _fund(self, now_ns: int, thief: OpenOrder | None, victim: OpenOrder) -> list[Decision]:
        """Pass what a victim has just freed on to its thief; enter that if it was the last."""
        if thief is None:
            return []
        thief.victims.discard(victim.order.order_id)
        self._hold(thief, min(self.cash.free, thief.needs - thief.held))
        if thief.victims:
            return []
        if thief.held == thief.needs:
            self._free(thief)
            return [self._enter(now_ns, thief, self._distance(thief), False)]
        self._free(thief)
        thief.state = State.WAITING
        return self._resolve(now_ns, thief, Outcome.SHORT)

    def _resolve(self, now_ns: int, entry: OpenOrder, outcome: Outcome) -> list[Decision]:
        if not entry.stole:
            return []
        entry.stole = False
        return [Resolved(now_ns, entry.order, outcome)]

    def _end(self, now_ns: int, entry: OpenOrder, outcome: Outcome) -> list[Decision]:
        """Forget an order, free what it held, and serve whoever waits for that."""
        for order_id in entry.victims:
            self._open[order_id].thief = None
        del self._open[entry.order.order_id]
        self._free(entry)
        return self._resolve(now_ns, entry, outcome) + self._fund(now_ns, entry.thief, entry)
