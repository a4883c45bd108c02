"""Which state of a cycle may follow which; everything else is a defect, and told as one."""

from __future__ import annotations

from collections.abc import Mapping

from arb_pipelines.errors import InvariantBroken
from arb_pipelines.execution.state.values import CycleState

_S = CycleState
#: What may follow. A crash can find a cycle in any state that is not terminal.
FOLLOWS: Mapping[CycleState | None, frozenset[CycleState]] = {
    None: frozenset({_S.PENDING}),
    _S.PENDING: frozenset({_S.VALIDATING, _S.FAILED, _S.RECOVERING}),
    _S.VALIDATING: frozenset({_S.ACTIVE, _S.FAILED, _S.RECOVERING}),
    _S.ACTIVE: frozenset(
        {_S.PARTIALLY_FILLED, _S.COMPLETED, _S.FAILED, _S.RECOVERING, _S.PANIC_SELLING}
    ),
    _S.PARTIALLY_FILLED: frozenset(
        {_S.ACTIVE, _S.COMPLETED, _S.FAILED, _S.RECOVERING, _S.PANIC_SELLING}
    ),
    _S.RECOVERING: frozenset({_S.ACTIVE, _S.COMPLETED, _S.FAILED, _S.PANIC_SELLING}),
    _S.PANIC_SELLING: frozenset({_S.COMPLETED, _S.FAILED, _S.RECOVERING}),
    _S.COMPLETED: frozenset(),
    _S.FAILED: frozenset(),
}


def check_step(cycle: str, before: CycleState | None, after: CycleState) -> None:
    """Refuse a change of state that no cycle makes.

    Raises:
        InvariantBroken: ``after`` does not follow ``before``.
    """
    if after not in FOLLOWS[before]:
        raise InvariantBroken(f"cycle {cycle}: {after} does not follow {before or 'nothing'}")
