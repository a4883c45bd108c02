"""Orders of ours that the venue knows and the state does not: found, and written down.

Each order's client id begins with the state's own six digits. Where the file's last page was
torn, an order is in the venue's lists alone, its cycle with it; an order that was taken for
lost may have traded since. What the venue says is what happened.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Context, Decimal, localcontext
from itertools import islice

import structlog

from arb_pipelines.clock import NS_PER_S
from arb_pipelines.errors import ProtocolViolation, Rejected, Transient
from arb_pipelines.execution.orders.amounts import Booked
from arb_pipelines.execution.orders.client_ids import cycle_of
from arb_pipelines.execution.recovery.values import UNKNOWN, Engine
from arb_pipelines.execution.state.values import (
    CycleState,
    NewCycle,
    OrderStatus,
    Purpose,
    StoredOrder,
)
from arb_pipelines.trading.events import OrderKind, currencies
from arb_pipelines.venues.base import NewOrder, OrderReport, OwnFill
from arb_pipelines.venues.retry import Patience, retrying

_log = structlog.get_logger()
#: ``<engine><start>-<cycle>-<order>``: the desk's n, its re-priced n_k, recovery's rn, a sale's pn.
_OURS = re.compile(r"[0-9a-f]{12}-\d+-(?P<maker>[rp]?)(?P<number>\d+)(_\d+)?")
#: By so much the state's clock and the venue's may differ, and fees be confirmed late.
_MARGIN_NS = 300 * NS_PER_S
#: How far back a state that knows of no cycle asks.
_FIRST_NS = 3_600 * NS_PER_S
#: A venue that does not answer is asked again for some seconds.
_PATIENCE = Patience(attempts=5, first_wait_s=0.1, longest_wait_s=2.0)
#: Symbols that are asked about, at two points of the rate budget each, and how many of the
#: cycles that ended last name some of them.
_MOST_SYMBOLS, _LAST_CYCLES = 100, 200
_ZERO = Decimal(0)
#: Wide enough for every sum of amounts.
_EXACT = Context(prec=120)


@dataclass(frozen=True, slots=True)
class Adopted:
    """Cycles that the venue's lists have changed; ``fills`` are all that it listed, by order."""

    cycles: list[str]
    fills: Mapping[str, list[OwnFill]]


async def adopt(engine: Engine) -> Adopted:
    """Write down what the venue tells of orders of ours that the state has not, or has otherwise.

    An order that is open, and that the state takes for over, is taken back. A venue that does
    not tell its lists, or of an order nothing that can be read, is warned of; the next start asks
    for the same time again.

    Raises:
        Fatal: the venue turns us away.
    """
    symbols, since_ns = _symbols(engine), _since_ns(engine)
    try:
        async for attempt in retrying(_PATIENCE):
            with attempt:
                open_orders = await engine.account.open_orders(symbols)
                fills = await engine.account.fills(since_ns, symbols)
    except (Transient, Rejected, ProtocolViolation) as untold:
        _log.warning("recovery.lists_not_told", reason=str(untold))
        engine.store.lists_untold(since_ns)
        return Adopted([], {})
    is_open = {order.client_id for order in open_orders}
    listed: dict[str, list[OwnFill]] = {client_id: [] for client_id in is_open}
    for fill in fills:
        listed.setdefault(fill.client_id, []).append(fill)
    symbol_of = {order.client_id: order.symbol for order in open_orders}
    symbol_of |= {fill.client_id: fill.symbol for fill in fills}
    new: list[tuple[StoredOrder | None, OrderReport]] = []
    unread = False
    for client_id in sorted(listed, key=_place):
        if not _is_ours(client_id, engine.store.engine_id):
            continue
        known, fills = _known(engine, client_id), listed[client_id]
        if known is not None and known.status in (OrderStatus.INTENDED, OrderStatus.ACCEPTED):
            continue  # it is settled with its cycle
        if known is None or client_id in is_open or _says_more(fills, known):
            try:
                report = await engine.runner.resolve(client_id, symbol_of[client_id])
            except ProtocolViolation as error:  # it keeps nothing else from its end
                _log.warning("recovery.order_not_told", client_id=client_id, error=str(error))
                unread = True
                continue
            report = report or report_of_fills(fills)
            if report is not None and report.size > 0:
                new.append((known, report))
        elif (corrected := _other_fee(fills, known)) is not None:
            new.append((known, corrected))
    with engine.store.together():  # at once: what the state knows last says where the next looks
        changed = [report.client_id for known, report in new if _take(engine, known, report)]
        if unread:
            engine.store.lists_untold(since_ns)
        else:
            engine.store.lists_told()
    return Adopted(list(dict.fromkeys(cycle_of(client_id) for client_id in changed)), listed)


def report_of_fills(fills: Sequence[OwnFill]) -> OrderReport | None:
    """Report an order by its executions alone: a venue need not look it up for as long.

    ``None`` if there are none.
    """
    if not fills:
        return None
    first, fees = fills[0], {fill.fee_currency for fill in fills}
    with localcontext(_EXACT):
        return OrderReport(
            client_id=first.client_id,
            order_id=first.order_id,
            symbol=first.symbol,
            side=first.side,
            active=False,
            cancelled=False,
            size=sum((fill.size for fill in fills), _ZERO),
            funds=sum((fill.funds for fill in fills), _ZERO),
            fee=sum((fill.fee for fill in fills), _ZERO) if len(fees) == 1 else None,
            fee_currency=fees.pop() if len(fees) == 1 else None,
            ts_event=fills[-1].ts_event,
        )


def _take(engine: Engine, known: StoredOrder | None, report: OrderReport) -> bool:
    """Book a report, of an order that was not written down too; whether more of it filled."""
    store, client_id = engine.store, report.client_id
    cycle = cycle_of(client_id)
    if not store.has_cycle(cycle):
        _begin(engine, cycle, report)
    if known is None:
        purpose, leg = _place_of(engine, cycle, report)
        order = NewOrder(client_id, report.symbol, report.side, OrderKind.MARKET, size=report.size)
        store.intend(cycle, order, purpose, leg)
    engine.runner.book(report)
    if known is not None and known.status is OrderStatus.DONE and known.filled == report.size:
        return False
    what = f"{client_id}: the venue tells of {report.size:f} that the state did not know"
    store.remark(cycle, what)
    _log.warning("recovery.adopted", client_id=client_id, cycle=cycle, size=f"{report.size:f}")
    return True


def _begin(engine: Engine, cycle: str, first: OrderReport) -> None:
    """Write a cycle down of which nothing is known but its first order."""
    store, market = engine.store, engine.markets[first.symbol]
    start, _ = currencies(first)
    spent = Booked.of(first, engine.fees[first.symbol], market).spent  # its fee, too
    legs, metadata = ((first.symbol, first.side),), {"adopted": True}
    new = NewCycle(cycle, UNKNOWN, UNKNOWN, start, legs, spent, metadata)
    lived = [(s, "adopt", first.client_id) for s in (CycleState.VALIDATING, CycleState.ACTIVE)]
    store.begin(new, "found at the venue", *lived)


def _place_of(engine: Engine, cycle: str, report: OrderReport) -> tuple[Purpose, int | None]:
    """Say what an order was for, by its name and the legs of its cycle."""
    named = _OURS.fullmatch(report.client_id)
    assert named is not None, "only what is ours is adopted"
    if named["maker"] == "p":
        return Purpose.PANIC, None
    legs = engine.store.cycle(cycle).legs
    wanted = (report.symbol, report.side)
    return (Purpose.LEG, legs.index(wanted)) if wanted in legs else (Purpose.UNWIND, None)


def _symbols(engine: Engine) -> list[str]:
    """Choose what to ask about: what cycles traded last, then whatever else there is room for."""
    cycles = [*engine.store.open_cycles(), *engine.store.ended_cycles(_LAST_CYCLES)]
    traded = dict.fromkeys(symbol for cycle in cycles for symbol, _ in cycle.legs)
    chosen = [symbol for symbol in traded if symbol in engine.markets]
    others = (symbol for symbol in engine.markets if symbol not in traded)
    return chosen + list(islice(others, max(_MOST_SYMBOLS - len(chosen), 0)))


def _since_ns(engine: Engine) -> int:
    """The last time that the state knows of, or that was to be asked for: what it lost came after.

    A clock that was ahead, and was set back, knows of a time that has not come.
    """
    cycles, now = [*engine.store.open_cycles(), *engine.store.ended_cycles(1)], engine.wall_ns()
    newest = max((cycle.updated_ns for cycle in cycles), default=now - _FIRST_NS)
    since_ns, untold_ns = min(newest, now) - _MARGIN_NS, engine.store.untold_since_ns
    return since_ns if untold_ns is None else min(since_ns, untold_ns)


def _known(engine: Engine, client_id: str) -> StoredOrder | None:
    orders = engine.store.orders(cycle_of(client_id))
    return next((order for order in orders if order.client_id == client_id), None)


def _says_more(listed: Sequence[OwnFill], known: StoredOrder) -> bool:
    """Whether the venue lists more of an order than the state has, which takes it for ended."""
    return sum((fill.size for fill in listed), _ZERO) > known.filled


def _other_fee(listed: Sequence[OwnFill], known: StoredOrder) -> OrderReport | None:
    """Report an order with the fee that the venue took, where the state has what was assumed."""
    told = report_of_fills(listed)
    if told is None or told.fee is None or told.size != known.filled:
        return None
    if known.status is not OrderStatus.DONE or (told.fee, told.fee_currency) == (
        known.fee, known.fee_currency,
    ):  # fmt: skip
        return None
    return replace(told, funds=known.funds_filled)


def _is_ours(client_id: str, engine_id: str) -> bool:
    return client_id.startswith(engine_id) and _OURS.fullmatch(client_id) is not None


def _place(client_id: str) -> tuple[str, int, str]:
    """Order names as their orders were made: the first of a cycle comes first."""
    head, _, tail = client_id.rpartition("-")
    number = re.sub(r"\D.*", "", tail)
    return head, int(number) if number else len(tail) + 1_000, tail
