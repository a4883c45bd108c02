"""How a cycle ended that its desk brought to its end."""

from __future__ import annotations

from typing import assert_never

from arb_pipelines.execution.records.values import ExecutionStatus, execution_status
from arb_pipelines.execution.state.values import CycleState, Outcome
from arb_pipelines.trading.reports import CycleReport


def verdict(report: CycleReport) -> tuple[CycleState, Outcome, str]:
    """Give the state and outcome of a cycle that has ended, and why, in words.

    What increments leave over of a cycle whose legs all filled stands in its ``changes``.
    """
    legs = f"{report.legs_filled} of {report.legs} legs filled"
    back = f"{legs}, {report.unwind_orders} orders to bring it back"
    status = execution_status(report)
    match status:
        case ExecutionStatus.FILLED:
            return CycleState.COMPLETED, Outcome.FILLED, legs
        case ExecutionStatus.FAILED:
            return CycleState.FAILED, Outcome.NOTHING, "nothing filled"
        case ExecutionStatus.ABORTED:
            nothing = not (report.spent or report.returned)
            outcome = Outcome.NOTHING if nothing else Outcome.UNWOUND
            return CycleState.FAILED, outcome, f"taken back by a person: {back}"
        case ExecutionStatus.UNWOUND:
            return CycleState.FAILED, Outcome.UNWOUND, back
        case ExecutionStatus.RESIDUAL:
            return CycleState.FAILED, Outcome.RESIDUAL, f"{back}; some of it is left"
        case _:
            assert_never(status)
