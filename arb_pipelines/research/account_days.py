"""Reconciling a day: asks state file and venue, compares them, and writes the lines to the lake.

What is compared with what is decided in ``reconciliation``. Beside an engine that trades the
venue is asked little: the symbols of its orders, and those that may explain what is left over.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

from arb_pipelines.clock import NS_PER_DAY, NS_PER_S, day_of, day_start_ns, now_ns
from arb_pipelines.errors import DataError
from arb_pipelines.execution.state.reader import StateReader
from arb_pipelines.execution.state.rows import order_of
from arb_pipelines.execution.state.values import BalanceSeen, StoredOrder
from arb_pipelines.lake.schemas import RECONCILIATIONS
from arb_pipelines.lake.store import Lake
from arb_pipelines.lake.transaction import Transaction
from arb_pipelines.market.symbols import Market
from arb_pipelines.research.reconciliation import (
    Line,
    Moment,
    changes_of_fills,
    compare_balances,
    compare_orders,
    summed,
)
from arb_pipelines.research.state_files import StateFile, account_state, reading_state
from arb_pipelines.venues.base import OwnFill
from arb_pipelines.venues.opening import open_venue

#: An execution is looked for from so long before on: an order rests no longer, clocks differ.
_MARGIN_NS = 20 * 60 * NS_PER_S
#: Longest time that a venue's answers may take together.
_LONGEST_S = 900.0


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What a day's reconciliation came to: lines by verdict, and those a person has to look at."""

    account: str
    lines: int
    verdicts: Mapping[str, int]
    unexplained: Sequence[str]


@dataclass(frozen=True, slots=True)
class _Stored:
    """What the state has of an account's day: orders from a little before on, quiet balances."""

    file: StateFile
    engine_id: str
    first_ns: int
    last_ns: int
    orders: Sequence[StoredOrder]
    before: Moment | None
    after: Moment | None
    quiet: bool

    @property
    def since_ns(self) -> int:
        """From when on the venue's executions matter."""
        return _since_ns(self.first_ns, self.before)


def reconcile_day(lake: Lake, venue: str, day: date) -> Reconciled:
    """Reconcile the day of the account that the settings have keys of, up to now if it is today.

    Doing it again replaces what was found before.

    Raises:
        ConfigError: keys or addresses are missing, or the state's key.
        DataError: no engine has traded on the account, or the day was cleaned up from its state.
        VenueError: the venue does not answer, or turns the key away.
    """
    stored, lines = asyncio.run(_reconciled(lake, venue, day))
    rows = RECONCILIATIONS.frame([_row(stored, venue, day, line) for line in lines])

    def write(transaction: Transaction) -> None:
        transaction.connection.execute(
            "DELETE FROM reconciliations WHERE venue = ? AND day = ? AND account = ?",
            [venue, day, stored.file.account],
        )
        transaction.append(RECONCILIATIONS, rows)

    lake.commit(write)
    return Reconciled(
        stored.file.account,
        len(lines),
        dict(Counter(str(line.verdict) for line in lines)),
        [
            f"{line.item}: {line.difference:f} {line.currency}, {line.verdict}: {line.why}"
            for line in lines
            if not line.verdict.explained
        ],
    )


async def _reconciled(lake: Lake, venue: str, day: date) -> tuple[_Stored, list[Line]]:
    settings = lake.settings
    async with asyncio.timeout(_LONGEST_S), open_venue(venue, settings) as connection:
        file = account_state(settings, venue, connection.account_id, tested=False)
        stored = _read(file, day)
        _refuse_cleaned(lake, stored)
        if stored.quiet:  # nothing of ours moves a balance while the venue is asked
            now = Moment(now_ns(), dict(await connection.account.balances()))
            again = _read(file, day)
            if again.quiet and again.orders == stored.orders:
                stored = replace(stored, after=now)
        ours = {order.symbol for order in stored.orders}
        fills = await connection.account.fills(stored.since_ns, ours)
        lines = _compared(stored, fills)
        if more := _may_explain(lines, connection.markets) - ours:
            fills += await connection.account.fills(stored.since_ns, more)
            lines = _compared(stored, fills)
        return stored, lines


def _read(file: StateFile, day: date) -> _Stored:
    first_ns = day_start_ns(day)
    last_ns = min(first_ns + NS_PER_DAY, now_ns())
    with reading_state(file) as connection:
        state = StateReader(connection)
        seen = state.balances_seen()
        before = _moment(seen, first_ns) or _first_moment(seen, last_ns)
        rows = connection.execute(
            "SELECT * FROM orders WHERE intended_ns >= ? ORDER BY intended_ns, client_id",
            (_since_ns(first_ns, before) - _MARGIN_NS,),
        )
        return _Stored(
            file,
            state.engine_id,
            first_ns,
            last_ns,
            [order_of(row) for row in rows],
            before,
            _moment(seen, last_ns),
            quiet=last_ns < first_ns + NS_PER_DAY and not state.open_cycles(),
        )


def _refuse_cleaned(lake: Lake, stored: _Stored) -> None:
    """Refuse a day of which the lake has orders that the state no longer has."""
    file = stored.file
    try:
        rows = lake.query(
            "SELECT client_id FROM strategy_orders "
            "WHERE venue = ? AND day >= ? AND account = ? AND ts_intended BETWEEN ? AND ?",
            [file.venue, day_of(stored.first_ns), file.account, stored.first_ns, stored.last_ns],
        )
    except DataError:  # no lake yet
        return
    if gone := {*rows["client_id"]} - {order.client_id for order in stored.orders}:
        raise DataError(
            f"{len(gone)} orders of {day_of(stored.first_ns)} were cleaned up from it, so the day "
            "cannot be reconciled any more; what was found before stands in `reconciliations`",
            source=str(file.database.path),
        )


def _compared(stored: _Stored, fills: Sequence[OwnFill]) -> list[Line]:
    known = {order.client_id for order in stored.orders}
    known |= {order.order_id for order in stored.orders if order.order_id}
    others = [fill for fill in fills if not known & {fill.client_id, fill.order_id}]
    of_day = [order for order in stored.orders if _within(stored, order.intended_ns)]
    theirs = {name for order in of_day for name in (order.client_id, order.order_id)}
    wanted = [fill for fill in fills if theirs & {fill.client_id, fill.order_id}]
    wanted += [fill for fill in others if _within(stored, fill.ts_event)]
    lines = compare_orders(of_day, wanted, stored.engine_id)
    before, after = stored.before, stored.after
    if before is None or after is None or after.ts_ns <= before.ts_ns:
        return lines
    return lines + compare_balances(before, after, _executed(stored, fills, others, before, after))


def _executed(
    stored: _Stored,
    fills: Sequence[OwnFill],
    others: Sequence[OwnFill],
    before: Moment,
    after: Moment,
) -> Mapping[str, Decimal]:
    """What all executions between two quiet moments did: ours by when they were booked."""
    told = defaultdict[str, list[OwnFill]](list)
    for fill in fills:
        told[fill.order_id].append(fill)
    changes: list[Mapping[str, Decimal]] = [
        changes_of_fills([fill for fill in others if before.ts_ns < fill.ts_event <= after.ts_ns])
    ]
    for order in stored.orders:
        if before.ts_ns < (order.ended_ns or 0) <= after.ts_ns:
            theirs = told.get(order.order_id or "")
            changes.append(changes_of_fills(theirs) if theirs else order.changes)
    return summed(changes)


def _may_explain(lines: Iterable[Line], markets: Iterable[Market]) -> set[str]:
    """Symbols on which somebody else's trade would move the balances that are left over."""
    moved = {line.currency for line in lines if line.kind == "balance" and line.difference}
    return {market.symbol for market in markets if {market.base, market.quote} <= moved}


def _within(stored: _Stored, ts_ns: int) -> bool:
    return stored.first_ns <= ts_ns < stored.last_ns


def _moment(seen: Iterable[BalanceSeen], by_ns: int) -> Moment | None:
    """What was free as last seen by a time: a balance is noted when it has changed."""
    told = [one for one in seen if one.ts_ns <= by_ns]
    if not told:
        return None
    return Moment(told[-1].ts_ns, {one.currency: one.available for one in told})


def _first_moment(seen: Sequence[BalanceSeen], by_ns: int) -> Moment | None:
    return _moment(seen, seen[0].ts_ns) if seen and seen[0].ts_ns <= by_ns else None


def _since_ns(first_ns: int, before: Moment | None) -> int:
    return (first_ns if before is None else min(first_ns, before.ts_ns)) - _MARGIN_NS


def _row(stored: _Stored, venue: str, day: date, line: Line) -> dict[str, object]:
    start, end = stored.first_ns, stored.last_ns
    if line.kind == "balance" and stored.before is not None and stored.after is not None:
        start, end = stored.before.ts_ns, stored.after.ts_ns
    return {
        "venue": venue,
        "day": day,
        "account": stored.file.account,
        "kind": line.kind,
        "item": line.item,
        "symbol": line.symbol,
        "currency": line.currency,
        "ours": float(line.ours),
        "theirs": float(line.theirs),
        "difference": float(line.difference),
        "verdict": line.verdict,
        "explained": line.verdict.explained,
        "why": line.why,
        "ts_from": start,
        "ts_to": end,
    }
