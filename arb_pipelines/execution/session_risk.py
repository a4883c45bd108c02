"""The gate of a session: its switches and limits first, then the strategy's own gate and checks."""

from __future__ import annotations

from arb_pipelines.containers.protocols import Risk
from arb_pipelines.execution.controls import Controls
from arb_pipelines.execution.limits import SessionLimits, Spent
from arb_pipelines.execution.risk.keeper import RiskKeeper
from arb_pipelines.trading.events import Approved, Ended, Refused, Signal
from arb_pipelines.trading.risk.guard import RiskGuard
from arb_pipelines.trading.session_rules import SessionRules
from arb_pipelines.venues.status import VenueStatus


class SessionRisk:
    """Refuses while a session is paused, stopping, at a limit or out of slots; else asks ``inner``.

    What ``inner`` approves is held to the strategy's ``guard``. Reasons, in the order in which
    they are asked: ``stopping``, ``paused``, ``maintenance`` (the venue's ``status``), what a
    standing pause was for (``keeper``), ``max_executions``, ``slots``, those of the strategy's
    gate, those of the guard's checks.
    """

    def __init__(
        self,
        inner: Risk,
        controls: Controls,
        limits: SessionLimits | None = None,
        guard: RiskGuard | None = None,
        status: VenueStatus | None = None,
    ) -> None:
        self._status = status
        self._inner, self._controls, self._guard = inner, controls, guard
        self._limits = limits if limits is not None else SessionLimits(SessionRules(), controls)
        self.keeper: RiskKeeper | None = None
        #: By check of the guard, what it said when it last refused.
        self.last_refused: dict[str, str] = {}
        self.in_flight = 0

    def review(self, signal: Signal) -> Approved | Refused:
        """Let a signal pass and take its place, or name the check that stops it."""
        controls = self._controls
        if controls.stopping.is_set():
            return Refused(signal, "stopping")
        if controls.paused is not None:
            return Refused(signal, "paused")
        if self._status is not None and self._status.closed is not None:
            return Refused(signal, "maintenance", self._status.closed)
        pause = None if self.keeper is None else self.keeper.pause
        if pause is not None:
            return Refused(signal, pause.check, pause.why)
        at_limit = self._limits.refusal()
        if at_limit is not None:
            return Refused(signal, at_limit)
        if controls.slots is not None and self.in_flight >= controls.slots:
            return Refused(signal, "slots")
        verdict = self._inner.review(signal)
        if isinstance(verdict, Approved):
            verdict = self._guarded(verdict)
        if isinstance(verdict, Approved):
            self.in_flight += 1
            self._limits.on_begun()
        return verdict

    @property
    def spent(self) -> Spent:
        """What counts against the session's limits so far."""
        return self._limits.spent

    def on_recovered(self, currency: str, profit: float) -> None:
        """Count what an execution brought that an earlier start of the session left."""
        self._limits.on_profit(currency, profit)

    def on_ended(self, ended: Ended) -> None:
        """Give back the place that an approval took."""
        self.in_flight -= 1
        self._limits.on_ended(declined=ended.declined is not None)
        if self._guard is not None:
            self._guard.on_ended(ended)
        self._inner.on_ended(ended)

    def _guarded(self, approved: Approved) -> Approved | Refused:
        """Hold an approval to the guard's checks; one that they stop gives its place back."""
        refused = None if self._guard is None else self._guard.review(approved)
        if refused is None:
            return approved
        self.last_refused[refused.reason] = refused.detail or refused.reason
        self._inner.on_ended(Ended(approved, approved.signal.ts, declined=refused.reason))
        return refused
