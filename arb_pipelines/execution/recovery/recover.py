"""Bringing every cycle that a crash cut short to its end, once each.

First what the venue knows and the state does not, then what became of each order, then the
cycle: finished if that is still worth it, sold else. Each step is in the state before the
next, so a crash on the way is recovered as any other, and no order is made twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence

import structlog

from arb_pipelines.clock import NS_PER_S
from arb_pipelines.errors import Fatal, VenueError
from arb_pipelines.execution.recovery.adopting import adopt, report_of_fills
from arb_pipelines.execution.recovery.balances import compare
from arb_pipelines.execution.recovery.finishing import (
    Books,
    can_end_at_home,
    finish,
    rest_of,
    straight_back,
)
from arb_pipelines.execution.recovery.values import Engine, Recovered, Recovery
from arb_pipelines.execution.state.store import StateStore
from arb_pipelines.execution.state.values import (
    Cycle,
    CycleState,
    OrderStatus,
    Outcome,
    Purpose,
    StoredOrder,
)
from arb_pipelines.market.symbols import Status
from arb_pipelines.venues.base import OwnFill
from arb_pipelines.venues.tasks import worst_error

_log = structlog.get_logger()
#: Cycles that are recovered at a time.
_AT_ONCE = 16
#: What the history says of a cycle that recovery finishes; it does so once.
_FINISH = "finish"
#: What the venue listed as filled, by order.
Listed = Mapping[str, Sequence[OwnFill]]


async def recover(engine: Engine) -> Recovery:
    """Bring what the state has open to its end, and compare the balances.

    Nobody trades on the account meanwhile. A cycle of which the venue tells nothing that can
    be read stays as it is, for the next start.

    Raises:
        Fatal: the venue turns us away; what is settled by then is in the state.
        Transient: it does not answer.
    """
    adopted = await adopt(engine)
    left, books = engine.store.open_cycles(), Books(engine.snapshot)
    room = asyncio.Semaphore(_AT_ONCE)

    async def one(cycle: Cycle) -> Recovered:
        async with room:
            return await _recovered(engine, books, cycle, adopted.fills)

    with worst_error():
        async with asyncio.TaskGroup() as tasks:
            recovering = [tasks.create_task(one(cycle)) for cycle in left]
    found = [task.result() for task in recovering]
    open_before = {cycle.id for cycle in left}
    found += [
        told(engine.store, cycle, "an order of it traded later")
        for cycle in adopted.cycles
        if cycle not in open_before
    ]
    known = not any(cycle.unknown for cycle in found)
    return Recovery(found, await compare(engine) if known else None)


def end_tested(store: StateStore) -> list[Recovered]:
    """End the cycles whose orders were only tested: nothing of them is at a venue."""
    found = []
    for cycle in store.open_cycles():
        _note_start(store, cycle)
        why = "its engine died; its orders were only tested"
        _end(store, cycle.id, CycleState.FAILED, Outcome.NOTHING, why)
        found.append(told(store, cycle.id, why))
    return found


def told(store: StateStore, cycle: str, why: str, unknown: Iterable[str] = ()) -> Recovered:
    """Say how a cycle stands."""
    now = store.cycle(cycle)
    return Recovered(
        cycle, now.session, now.start, now.state, now.outcome, now.changes, why, tuple(unknown)
    )


async def _recovered(engine: Engine, books: Books, cycle: Cycle, listed: Listed) -> Recovered:
    store = engine.store
    _note_start(store, cycle)
    unknown = await _settle(engine, cycle.id, listed)
    if unknown:
        return told(store, cycle.id, "the venue tells nothing of its orders", unknown)
    cycle = store.cycle(cycle.id)
    if not any(cycle.changes.values()):
        why = "nothing of it filled"
        _end(store, cycle.id, CycleState.FAILED, Outcome.NOTHING, why)
        return told(store, cycle.id, why)
    try:
        why, over = await _finished(engine, books, cycle)
    except VenueError as untold:
        if isinstance(untold, Fatal):
            raise
        why, over = f"not finished: {untold}", False
    if over:
        return told(store, cycle.id, why)
    if store.cycle(cycle.id).held:
        await engine.seller.sell(cycle.id)
    else:
        _end(store, cycle.id, *verdict(store, cycle.id), why)
    return told(store, cycle.id, why)


def _note_start(store: StateStore, cycle: Cycle) -> None:
    if cycle.state is not CycleState.RECOVERING:
        why = "its engine died before it ended"
        store.move(cycle.id, CycleState.RECOVERING, what="start", why=why)


async def _settle(engine: Engine, cycle: str, listed: Listed) -> list[str]:
    """Find out what became of its orders; give those of which the venue tells nothing."""
    unknown = []
    for order in engine.store.orders(cycle):
        if order.symbol not in engine.markets:
            if order.status in (OrderStatus.INTENDED, OrderStatus.ACCEPTED):
                unknown.append(order.client_id)
            continue
        try:
            settled = await engine.runner.settle(order)
            filled = report_of_fills(listed.get(order.client_id, ()))
            if settled.status is OrderStatus.LOST and filled is not None:
                engine.runner.book(filled)  # it is looked up no more, and its fills are listed
        except Fatal:
            raise
        except VenueError as error:
            _log.warning("recovery.order_not_told", client_id=order.client_id, error=str(error))
            unknown.append(order.client_id)
    return unknown


async def _finished(engine: Engine, books: Books, cycle: Cycle) -> tuple[str, bool]:
    """Finish a cycle if that is worth it; say why or why not, and whether it has ended.

    Raises:
        VenueError: a book is not told, or the venue turns us away.
    """
    store, rules = engine.store, engine.strategy_of(cycle).recovery
    history = store.transitions(cycle.id)
    if any(step.after is CycleState.PANIC_SELLING for step in history):
        return "it was being sold", False
    if cycle.sent_together:
        return _end_together(store, cycle.id)
    if not can_end_at_home(engine, cycle):
        return "its legs do not lead home from what it holds", False
    rest = await rest_of(engine, books, cycle)
    if rest.legs:
        age_s = (engine.wall_ns() - cycle.started_ns) / NS_PER_S
        if any(step.what == _FINISH for step in history):
            return "it was to be finished before, and fell short", False
        if age_s > rules.max_age_s:
            return f"it began {age_s:.0f} s ago, and {rules.max_age_s:g} s is the limit", False
        if rest.refused:
            return rest.refused, False
        symbols = [leg.symbol for leg in rest.legs.values()]
        if halted := [at for at in symbols if engine.markets[at].status is not Status.TRADING]:
            return f"{' and '.join(halted)} takes no orders", False
        straight = await straight_back(engine, books, cycle)
        compared = (
            f"finishing nets {rest.nets:.8g} {cycle.start}, going straight back {straight:.8g}"
        )
        if rest.nets < straight:
            return compared, False
        store.move(cycle.id, CycleState.ACTIVE, what=_FINISH, why=compared)
        await finish(engine, cycle.id, rest)
        rest = await rest_of(engine, books, store.cycle(cycle.id))
        if rest.legs or rest.refused:
            return "finishing it fell short", False
    state, outcome = verdict(store, cycle.id)
    if state is not CycleState.COMPLETED and store.cycle(cycle.id).held:
        return "not all of its legs filled", False
    why = "every leg filled" if state is CycleState.COMPLETED else "it was on its way back"
    _end(store, cycle.id, state, outcome, why)
    return why, True


def _end_together(store: StateStore, cycle: str) -> tuple[str, bool]:
    """End a cycle whose legs were sent together, if all filled; what it holds else is sold."""
    state, outcome = verdict(store, cycle)
    if state is not CycleState.COMPLETED:
        return "its legs were sent together, and not all filled", False
    why = "every leg filled"
    _end(store, cycle, state, outcome, why)
    return why, True


def verdict(store: StateStore, cycle: str) -> tuple[CycleState, Outcome]:
    """How a cycle ended that holds nothing, or no more than increments left over."""
    stored, orders = store.cycle(cycle), store.orders(cycle)
    filled = {order.leg for order in orders if _is_leg(order)}
    brought_back = any(order.purpose is not Purpose.LEG and order.filled for order in orders)
    if filled >= set(range(len(stored.legs))) and not brought_back:
        return CycleState.COMPLETED, Outcome.FILLED
    owes = any(by < 0 for of, by in stored.changes.items() if of != stored.start)
    return CycleState.FAILED, Outcome.RESIDUAL if stored.sent_together and owes else Outcome.UNWOUND


def _is_leg(order: StoredOrder) -> bool:
    return order.purpose is Purpose.LEG and order.filled > 0


def _end(store: StateStore, cycle: str, state: CycleState, outcome: Outcome, why: str) -> None:
    stored = store.cycle(cycle)
    error = None if state is CycleState.COMPLETED else why
    store.end(cycle, state, outcome, profit=stored.gained, what="recovered", why=why, error=error)
