"""Studies: search a window's train days, measure the best out of sample, keep it all.

The search itself is in ``optimize.search``, its statistics in ``optimize``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from arb_pipelines.lake.store import Lake
from arb_pipelines.optimize.study import Study


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a search is: trials told so far of all, and the best feasible value among them."""

    window: str
    trials: int
    told: int
    pruned: int
    failed: int
    best: float | None


#: Told after each trial.
Progress = Callable[[Standing], None]


@dataclass(frozen=True, slots=True)
class WindowReport:
    """One window of a study: the rows that were written, and what they add up to.

    ``trials`` are the rows of ``optimization_trials``, ``best`` the one row of
    ``optimization_best``. ``digest`` is SHA-256 over all trials' parameters, states
    and values: equal for equal study, seed and snapshot, whatever the workers.
    """

    study: str
    window: str
    trials: pl.DataFrame
    best: pl.DataFrame
    digest: str
    snapshot: int


def run_window(
    lake: Lake,
    study: Study,
    window: str,
    *,
    workers: int,
    seed: int | None = None,
    snapshot: int | None = None,
    fresh: bool = False,
    run_id: str | None = None,
    progress: Progress = lambda _: None,
) -> WindowReport:
    """Search one window and replace its partition of both tables.

    An interrupted search is taken up where it ended, on the snapshot that it read;
    ``fresh`` begins anew. ``seed`` overrides the study's.

    Raises:
        ConfigError: the window or a parameter is unknown; the study has changed
            since it was interrupted.
        DataError: a day has no data.
        ArbError: another run of the same window is under way, or too many trials
            failed one after another.
    """
    raise NotImplementedError
