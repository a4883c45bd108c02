"""Removing old cycles from the state files: those that have ended and are in the lake.

An engine that trades on the account goes on: a few cycles go at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from arb_pipelines.clock import NS_PER_DAY
from arb_pipelines.execution.state.upkeep import clean_up
from arb_pipelines.lake.store import Lake
from arb_pipelines.research.state_files import StateFile
from arb_pipelines.research.state_tables import ended_before


@dataclass(frozen=True, slots=True)
class Cleanup:
    """What would go from a state file: ids of cycles the lake has; ``stay`` are not in it."""

    file: StateFile
    before_ns: int
    go: Sequence[str]
    stay: Sequence[str]


def plan_cleanup(lake: Lake, files: Sequence[StateFile], days: float, now_ns: int) -> list[Cleanup]:
    """Find what may go: cycles that ended more than ``days`` ago, as the lake has them.

    Raises:
        DataError: a state file cannot be read.
    """
    before_ns = now_ns - int(days * NS_PER_DAY)
    return [Cleanup(file, before_ns, *ended_before(lake, file, before_ns)) for file in files]


def carry_out(plan: Cleanup) -> int:
    """Remove what may go, with its orders and history; return how many cycles went.

    Raises:
        ConfigError: the key does not open the file.
        DataError: it cannot be written.
    """
    return clean_up(plan.file.database, plan.before_ns, {*plan.go}) if plan.go else 0
