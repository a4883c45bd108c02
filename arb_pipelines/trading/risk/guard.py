"""The guard of one strategy: its checks in order, and its place in what is in flight."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from arb_pipelines.trading.cycles.universe import TradedCycles
from arb_pipelines.trading.events import Approved, CycleSignal, Ended, Refused
from arb_pipelines.trading.risk.activity import Commitment, Commitments
from arb_pipelines.trading.risk.checks import Check
from arb_pipelines.trading.risk.views import CycleViews


class RiskGuard:
    """Holds what the strategy's gate has approved to the checks of its ``risk:`` section."""

    def __init__(
        self,
        strategy: str,
        checks: Sequence[Check],
        views: CycleViews,
        traded: TradedCycles,
        commitments: Commitments,
        wall_ns: Callable[[], int],
    ) -> None:
        self._strategy, self._checks, self._views = strategy, tuple(checks), views
        self._traded, self._there, self._wall_ns = traded, commitments, wall_ns
        self._entered: dict[int, Commitment] = {}

    def review(self, approved: Approved) -> Refused | None:
        """Name the first check that stops a cycle; ``None`` lets it begin, and counts it.

        A cycle without a plan passes: the order manager declines it, and says why.
        """
        signal = approved.signal
        assert isinstance(signal, CycleSignal), "a session trades cycles"
        asked = approved.budget
        if self._checks:
            view = self._views.view(signal.cycle, approved.budget, self._wall_ns())
            if view is not None:
                for check in self._checks:
                    detail = check.review(view)
                    if detail is not None:
                        return Refused(signal, check.name, detail)
                asked = view.asked
        self._enter(approved, signal.cycle, asked)
        return None

    def on_ended(self, ended: Ended) -> None:
        """Count a cycle no more."""
        self._there.leave(self._entered.pop(id(ended.approved)))

    def _enter(self, approved: Approved, cycle: int, asked: float) -> None:
        cycles = self._traded.cycles
        commitment = Commitment(
            self._strategy,
            cycles.currencies[self._traded.start(cycle)],
            tuple(cycles.symbols[symbol] for symbol, _ in self._traded.legs[cycle]),
            asked,
        )
        self._entered[id(approved)] = commitment
        self._there.enter(commitment)
