"""The steps in the life of cycles and their orders, as they are written to a state file.

Each is one transaction, or part of one (``writer``). What a state file says is read in
``reader``; the file is opened in ``opening``.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, localcontext
from itertools import count
from typing import Any

import orjson

from arb_pipelines.errors import InvariantBroken
from arb_pipelines.execution.orders.amounts import EXACT, Booked
from arb_pipelines.execution.records.reserve import Reserve
from arb_pipelines.execution.state.intents import Intent, IntentLog
from arb_pipelines.execution.state.machine import check_step
from arb_pipelines.execution.state.risk import RiskTables
from arb_pipelines.execution.state.rows import order_of
from arb_pipelines.execution.state.values import (
    Cycle,
    CycleState,
    NewCycle,
    OrderStatus,
    Outcome,
    Purpose,
)
from arb_pipelines.execution.state.writer import StateWriter
from arb_pipelines.market.symbols import Market
from arb_pipelines.venues.base import Match, NewOrder

#: Of a cycle's life: the state it comes to, what happened, and why.
Step = tuple[CycleState, str, str]
#: A row of ``transitions``.
_Note = tuple[str, int, CycleState | None, CycleState, str, str]


class StateStore(StateWriter):
    """The state of one account's engine; made by ``open_state``.

    ``risk`` has what is kept of each strategy's results and pauses; ``intents`` is where an order's
    intent may be until it is here, if anywhere.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        wall_ns: Callable[[], int],
        *,
        committed: Callable[[], object] = lambda: None,
        reserve: Reserve | None = None,
    ) -> None:
        super().__init__(connection, wall_ns, committed=committed, reserve=reserve)
        self.risk = RiskTables(connection, self.together, wall_ns)
        self.intents: IntentLog | None = None

    def new_prefix(self, seed: str) -> str:
        """Make what the client ids of one start of a session begin with: 12 hex digits and ``-``.

        The first six tell that an order is this state's, the rest come of ``seed``; no cycle
        of the state has the same.
        """
        for attempt in count():
            of_start = hashlib.sha256(f"{seed} {attempt}".encode()).hexdigest()[:6]
            prefix = f"{self.engine_id}{of_start}-"
            used = "SELECT 1 FROM cycles WHERE id >= ? AND id < ? LIMIT 1"
            if self._db.execute(used, (prefix, prefix + "~")).fetchone() is None:
                return prefix
        raise AssertionError("counting does not end")

    def write_intent(self, intent: Intent) -> None:
        """Write down an order that is about to leave, or just left, and its cycle if it begins.

        Raises:
            InvariantBroken: its cycle is not there, or has ended.
        """
        order, at = intent.order, intent.ts_ns
        with self.together():
            if intent.begins is not None:
                planned = (CycleState.VALIDATING, "plan", "priced and rounded exactly")
                leaving = (CycleState.ACTIVE, "intent", order.client_id)
                self.begin(intent.begins, intent.why, planned, leaving, ts_ns=at)
            elif self.state_of(intent.cycle) is not CycleState.ACTIVE:
                self.move(intent.cycle, CycleState.ACTIVE, what="intent", why=order.client_id)
            purpose = Purpose.UNWIND if intent.leg is None else Purpose.LEG
            self.intend(intent.cycle, order, purpose, intent.leg, ts_ns=at)

    def settle(self, client_id: str) -> None:
        """Forget an intent that was kept elsewhere until it was written here."""
        if self.intents is not None:
            self.intents.settle(client_id)

    def bring_over(self, intent: Intent) -> bool:
        """Write an intent down if it is not there; whether it is now.

        Its cycle may not be there, or have ended, in a file restored from a backup: the venue
        has the order then.
        """
        if any(order.client_id == intent.order.client_id for order in self.orders(intent.cycle)):
            return True
        there = self.has_cycle(intent.cycle)
        fits = there != (intent.begins is not None)
        if not fits or (there and self.state_of(intent.cycle).terminal):
            return False
        self.write_intent(intent)
        return True

    def begin(self, new: NewCycle, why: str, *steps: Step, ts_ns: int | None = None) -> None:
        """Write a cycle down, pending, and the first steps of its life; ``ts_ns`` is now.

        Raises:
            InvariantBroken: its life has no such step.
        """
        now, state = self.wall_ns() if ts_ns is None else ts_ns, CycleState.PENDING
        notes: list[_Note] = [(new.id, now, None, state, "signal", why)]
        for after, what, because in steps:
            check_step(new.id, state, after)
            notes.append((new.id, now, state, after, what, because))
            state = after
        with self.together():
            self._db.execute(
                "INSERT INTO cycles (id, strategy, session, start_currency, legs, initial_amount, "
                "current_currency, current_amount, changes, state, step, started_ns, updated_ns, "
                "metadata) VALUES (?, ?, ?, ?, ?, ?, ?, ?, '{}', ?, 0, ?, ?, ?)",
                (
                    new.id, new.strategy, new.session, new.start, _json(new.legs),
                    f"{new.initial:f}", new.start, f"{new.initial:f}", state, now, now,
                    _json(new.metadata),
                ),
            )  # fmt: skip
            self._note(*notes)

    def move(self, cycle: str, after: CycleState, *, what: str, why: str) -> None:
        """Change a cycle's state, and say what happened and why.

        Raises:
            InvariantBroken: the cycle is not there, or its life has no such step.
        """
        now = self.wall_ns()
        with self.together():
            before = self.state_of(cycle)
            check_step(cycle, before, after)
            self._db.execute(
                "UPDATE cycles SET state = ?, updated_ns = ? WHERE id = ?", (after, now, cycle)
            )
            self._note((cycle, now, before, after, what, why))

    def end(
        self,
        cycle: str,
        after: CycleState,
        outcome: Outcome,
        *,
        profit: Decimal,
        what: str,
        why: str,
        error: str | None = None,
    ) -> None:
        """Bring a cycle to its end; ``profit`` is in its start currency.

        Raises:
            InvariantBroken: ``after`` is no end, or does not follow the cycle's state.
        """
        if not after.terminal:
            raise InvariantBroken(f"cycle {cycle}: {after} is no end")
        now = self.wall_ns()
        with self.together():
            before = self.state_of(cycle)
            check_step(cycle, before, after)
            self._db.execute(
                "UPDATE cycles SET state = ?, outcome = ?, profit = ?, error = ?, ended_ns = ?, "
                "updated_ns = ? WHERE id = ?",
                (after, outcome, f"{profit:f}", error, now, now, cycle),
            )
            self._note((cycle, now, before, after, what, why))
            self.risk.count(self.cycle(cycle))

    def intend(
        self,
        cycle: str,
        order: NewOrder,
        purpose: Purpose,
        leg: int | None,
        *,
        ts_ns: int | None = None,
    ) -> None:
        """Write down an order that is about to leave, or left at ``ts_ns``."""
        amounts = (order.size, order.funds, order.price)
        with self.together():
            self._db.execute(
                "INSERT INTO orders (client_id, cycle, purpose, leg, symbol, side, kind, "
                "time_in_force, size, funds, price, status, intended_ns) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'intended', ?)",
                (
                    order.client_id, cycle, purpose, leg, order.symbol, order.side, order.kind,
                    order.time_in_force,
                    *(None if amount is None else f"{amount:f}" for amount in amounts),
                    self.wall_ns() if ts_ns is None else ts_ns,
                ),
            )  # fmt: skip

    def accepted(self, client_id: str, order_id: str) -> None:
        """Note that the venue took an order."""
        with self.together():
            self._db.execute(
                "UPDATE orders SET order_id = ?, "
                "status = CASE status WHEN 'intended' THEN 'accepted' ELSE status END "
                "WHERE client_id = ?",
                (order_id, client_id),
            )

    def unfilled(self, client_id: str, status: OrderStatus, reason: str) -> None:
        """Note that nothing came of an order, as far as is known, and why.

        Of one that is booked more is known: somebody else asked for it, and later.
        """
        with self.together():
            self._db.execute(
                "UPDATE orders SET status = ?, reason = ?, ended_ns = ? "
                "WHERE client_id = ? AND status != 'done'",
                (status, reason, self.wall_ns(), client_id),
            )

    def remark(self, cycle: str, error: str) -> None:
        """Add to what is told to be wrong with a cycle, ended or not."""
        with self.together():
            self._db.execute(
                "UPDATE cycles SET error = coalesce(error || '; ', '') || ?, updated_ns = ? "
                "WHERE id = ?",
                (error, self.wall_ns(), cycle),
            )

    def match(self, match: Match) -> None:
        """Note one execution of an order; told twice, or of an unknown one, it is not."""
        with self.together():
            self._db.execute(
                "INSERT OR IGNORE INTO fills SELECT client_id, ?, ?, ?, ? FROM orders "
                "WHERE client_id = ?",
                (
                    match.trade_id, f"{match.size:f}", f"{match.price:f}", match.ts_event,
                    match.client_id,
                ),
            )  # fmt: skip

    def book(self, client_id: str, booked: Booked, market: Market, reason: str | None) -> None:
        """Book what an order that has ended came to, in its own row and its cycle's.

        Booked again, say with the fee that was really taken, it replaces what was booked.

        Raises:
            InvariantBroken: nobody wrote that order down.
        """
        now = self.wall_ns()
        with self.together():
            row = self._db.execute(
                "SELECT * FROM orders WHERE client_id = ?", (client_id,)
            ).fetchone()
            if row is None:
                raise InvariantBroken(f"order {client_id} is booked, and was never written down")
            earlier = order_of(row)
            cycle = self.cycle(earlier.cycle)
            changes = dict(cycle.changes)
            with localcontext(EXACT):
                if earlier.status is OrderStatus.DONE:
                    _add(changes, {of: -by for of, by in earlier.changes.items()})
                _add(changes, booked.changes(market))
            self._db.execute(
                "UPDATE orders SET status = 'done', filled = ?, funds_filled = ?, spent = ?, "
                "received = ?, fee = ?, fee_currency = ?, reason = coalesce(?, reason), "
                "ended_ns = coalesce(ended_ns, ?) WHERE client_id = ?",
                (
                    f"{booked.size:f}", f"{booked.funds:f}", f"{booked.spent:f}",
                    f"{booked.received:f}", f"{booked.fee:f}", booked.fee_currency, reason, now,
                    client_id,
                ),
            )  # fmt: skip
            step = max(cycle.step, 0 if earlier.leg is None else earlier.leg + 1)
            self._set_changes(cycle, changes, step, now)
            if cycle.profit is not None:  # it has ended, and what is told late counts
                home = changes.get(cycle.start, Decimal(0))
                self.risk.correct(cycle.strategy, cycle.start, home - cycle.profit)

    # -- inside ------------------------------------------------------------------------

    def _note(self, *notes: _Note) -> None:
        self._db.executemany(
            "INSERT INTO transitions (cycle, ts_ns, before, after, what, why) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            notes,
        )

    def _set_changes(
        self, cycle: Cycle, changes: Mapping[str, Decimal], step: int, now: int
    ) -> None:
        held = [(name, by) for name, by in changes.items() if by > 0 and name != cycle.start]
        home = cycle.start, cycle.initial + changes.get(cycle.start, Decimal(0))
        currency, amount = held[0] if held else home
        self._db.execute(
            "UPDATE cycles SET changes = ?, current_currency = ?, current_amount = ?, step = ?, "
            "updated_ns = ?, profit = iif(ended_ns IS NULL, profit, ?) WHERE id = ?",
            (
                _json({name: f"{by:f}" for name, by in changes.items() if by}),
                currency, f"{amount:f}", step, now,
                f"{changes.get(cycle.start, Decimal(0)):f}", cycle.id,
            ),
        )  # fmt: skip


def _json(value: Mapping[str, Any] | Sequence[Any]) -> str:
    return orjson.dumps(value).decode()


def _add(changes: dict[str, Decimal], more: Mapping[str, Decimal]) -> None:
    for currency, by in more.items():
        changes[currency] = changes.get(currency, Decimal(0)) + by
