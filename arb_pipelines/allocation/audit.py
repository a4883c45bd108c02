"""The account of an allocation: every decision as a row, counts, and an alert.

A fold over what the allocator decided; nothing here decides anything.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass

from arb_pipelines.allocation.decisions import (
    Block,
    Cancel,
    Decision,
    Enter,
    Fight,
    Outcome,
    Resolved,
    Steal,
)
from arb_pipelines.allocation.orders import RestingOrder
from arb_pipelines.allocation.parameters import AllocationSettings


@dataclass(frozen=True, slots=True)
class Alert:
    """The success rate of the last ``steals`` resolved steals fell below the setting."""

    ts_ns: int
    success_rate: float
    steals: int


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One line of the account; columns as in the table ``allocation_events``.

    A steal from several has one row a victim, with the same ``ts``.
    """

    ts: int
    event: str
    why: str
    order: RestingOrder | None = None
    distance_pct: float | None = None
    cents: int | None = None
    victim: RestingOrder | None = None
    victim_distance_pct: float | None = None
    freed_cents: int | None = None


class Audit:
    """Keeps rows and counts of one allocator's decisions, and watches its success.

    ``keep_rows=False`` counts only, for simulations that need no more.
    """

    __slots__ = (
        "_alerted",
        "_keep_rows",
        "_recent",
        "_settings",
        "alerts",
        "blocks",
        "entries",
        "fights",
        "outcomes",
        "rows",
        "steals",
        "victims",
    )

    def __init__(self, settings: AllocationSettings, *, keep_rows: bool = True) -> None:
        self._settings = settings
        self._keep_rows = keep_rows
        self._recent: deque[bool] = deque(maxlen=settings.alert_window_steals)
        self._alerted = False
        self.rows: list[AuditRow] = []
        self.alerts: list[Alert] = []
        self.entries = self.steals = self.victims = self.fights = 0
        self.blocks: Counter[str] = Counter()
        self.outcomes: Counter[str] = Counter()

    @property
    def success_rate(self) -> float | None:
        """Share of all steals decided whose thief filled; None before the first."""
        return self.outcomes[Outcome.FILLED] / self.steals if self.steals else None

    @property
    def recent_success_rate(self) -> float | None:
        """Share of the last resolved steals whose thief filled; None until the window is full.

        A steal whose thief still rests has neither succeeded nor failed.
        """
        full = len(self._recent) == self._settings.alert_window_steals
        return sum(self._recent) / len(self._recent) if full else None

    def record(self, decisions: Iterable[Decision]) -> list[Alert]:
        """Book decisions in order; give the alerts that they raise.

        An alert is raised once when the rate falls below the setting, and again
        only after it has recovered.
        """
        raised: list[Alert] = []
        for decision in decisions:
            self._count(decision)
            rows = _rows(decision) if self._keep_rows else ()
            self.rows.extend(rows)
            if isinstance(decision, Resolved) and (alert := self._watch(decision)):
                raised.append(alert)
        self.alerts += raised
        return raised

    def _count(self, decision: Decision) -> None:
        match decision:
            case Enter():
                self.entries += 1
            case Steal():
                self.steals += 1
                self.victims += len(decision.victims)
            case Block():
                self.blocks[decision.reason] += 1
            case Fight():
                self.fights += 1
            case Resolved():
                self.outcomes[decision.outcome] += 1
            case Cancel():
                pass

    def _watch(self, resolved: Resolved) -> Alert | None:
        self._recent.append(resolved.outcome is Outcome.FILLED)
        rate = self.recent_success_rate
        low = rate is not None and rate < self._settings.alert_success_rate
        fell, self._alerted = low and not self._alerted, low
        if not fell or rate is None:
            return None
        alert = Alert(resolved.ts_ns, rate, len(self._recent))
        if self._keep_rows:
            why = (
                f"{rate:.1%} of the last {alert.steals} steals filled, "
                f"below {self._settings.alert_success_rate:.1%}"
            )
            self.rows.append(AuditRow(alert.ts_ns, "alert", why))
        return alert


def _rows(decision: Decision) -> Iterable[AuditRow]:
    match decision:
        case Enter(ts, order, cents, distance, forced):
            why = (
                "beyond tolerance, among the nearest out of hours"
                if forced
                else "capacity is there"
            )
            yield AuditRow(ts, "enter", why, order, distance, cents)
        case Steal(ts, thief, distance, needs, free, victims):
            why = f"{needs} cents needed, {free} free; furthest first"
            for loss in victims:
                yield AuditRow(
                    ts,
                    "steal",
                    why,
                    thief,
                    distance,
                    needs,
                    loss.order,
                    loss.distance_pct,
                    loss.frees_cents,
                )
        case Cancel(ts, order):
            yield AuditRow(ts, "cancel", "its strategy's wish", order)
        case Block(ts, order, reason, distance):
            yield AuditRow(ts, "block", reason.value, order, distance)
        case Fight(ts, (one, other), steals, until):
            yield AuditRow(ts, "fight", f"{one} and {other}: {steals} in turn, rest until {until}")
        case Resolved(ts, thief, outcome):
            yield AuditRow(ts, "outcome", outcome.value, thief)
