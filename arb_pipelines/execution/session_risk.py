"""The gate of a session: its switches and limits first, then the strategy's own gate."""

from __future__ import annotations

from arb_pipelines.containers.protocols import Risk
from arb_pipelines.execution.controls import Controls
from arb_pipelines.trading.events import Approved, Ended, Refused, Signal


class SessionRisk:
    """Refuses while a session is paused, stopping or out of slots; else asks ``inner``.

    Reasons: ``stopping``, ``paused``, ``slots``, and those of the strategy's gate.
    """

    def __init__(self, inner: Risk, controls: Controls) -> None:
        self._inner, self._controls = inner, controls
        self.in_flight = 0

    def review(self, signal: Signal) -> Approved | Refused:
        """Let a signal pass and take its place, or name the check that stops it."""
        controls = self._controls
        if controls.stopping.is_set():
            return Refused(signal, "stopping")
        if controls.paused is not None:
            return Refused(signal, "paused")
        if controls.slots is not None and self.in_flight >= controls.slots:
            return Refused(signal, "slots")
        verdict = self._inner.review(signal)
        self.in_flight += isinstance(verdict, Approved)
        return verdict

    def on_ended(self, ended: Ended) -> None:
        """Give back the place that an approval took."""
        self.in_flight -= 1
        self._inner.on_ended(ended)
