"""The trials of a study in the lake: seen as they are told, whole when the search is over.

How a study is run is in ``optimisation``, what its best is worth in ``study_results``.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Self

import orjson
import polars as pl

from arb_pipelines.lake.schemas import OPTIMIZATION_BEST, OPTIMIZATION_TRIALS
from arb_pipelines.lake.store import Lake
from arb_pipelines.optimize.ranking import pareto_front
from arb_pipelines.optimize.search import Told

#: Trials are committed when so many wait, or some have waited so long: not one by one.
_MOST_WAITING, _LONGEST_WAIT_S = 64, 2.0


@dataclass(frozen=True, slots=True)
class SearchKey:
    """What the rows of one search have in common."""

    study: str
    window: str
    study_digest: str
    seed: int

    @property
    def partition(self) -> dict[str, object]:
        """The partition of the tables that is theirs."""
        return {"study": self.study, "window_name": self.window}

    @property
    def columns(self) -> dict[str, object]:
        """Their columns with one value for all."""
        return {**self.partition, "study_digest": self.study_digest, "seed": self.seed}


def trial_rows(
    key: SearchKey, told: Sequence[Told], front: Collection[int] | None = None
) -> pl.DataFrame:
    """Give the rows of ``optimization_trials``; ``front`` are the numbers of the Pareto front."""
    return OPTIMIZATION_TRIALS.frame([_trial_row(key, one, front) for one in told])


def _trial_row(key: SearchKey, told: Told, front: Collection[int] | None) -> dict[str, object]:
    trial, scores = told.trial, told.scores
    metrics = {} if scores is None else scores.metrics
    return {
        **key.columns,
        "trial_no": trial.number,
        "state": trial.state.value,
        "params": params_json(trial.params),
        "values": None if told.values is None else list(told.values),
        "feasible": told.feasible,
        "on_front": None if front is None else trial.number in front,
        "net_profit": metrics.get("net_profit"),
        "sharpe": None if scores is None else scores.sharpe,
        "max_drawdown": metrics.get("max_drawdown"),
        "trades": None if scores is None else sum(period.trades for period in trial.periods),
        "periods": len(trial.periods),
        "returns": [] if scores is None else list(scores.returns),
        "error": trial.error,
        "ts_started": trial.ts_started,
        "ts_ended": trial.ts_ended,
        "worker": trial.worker,
    }


def params_json(params: object) -> str:
    """Write parameters as JSON, sorted by name."""
    return orjson.dumps(params, option=orjson.OPT_SORT_KEYS).decode()


class TrialTable:
    """Fills a search's partition of ``optimization_trials`` while the search goes on.

    Commits are made in a thread of their own, one at a time, so that no worker
    waits for the lake.
    """

    def __init__(self, lake: Lake, key: SearchKey) -> None:
        self._lake, self._key = lake, key
        self._waiting: list[Told] = []
        self._writer = ThreadPoolExecutor(1, "trials")
        self._began = time.monotonic()
        self._write = self._writer.submit(self._empty)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.shutdown(wait=True)  # the commit that is under way ends

    def add(self, told: Told) -> None:
        """Take a trial, to be seen in the lake soon.

        Raises:
            ArbError: an earlier commit failed.
        """
        self._waiting.append(told)
        late = time.monotonic() - self._began >= _LONGEST_WAIT_S
        if self._write.done() and (late or len(self._waiting) >= _MOST_WAITING):
            self._write.result()
            self._began = time.monotonic()
            self._write = self._writer.submit(self._append, self._waiting)
            self._waiting = []

    def finish(self, told: Sequence[Told], best: pl.DataFrame) -> pl.DataFrame:
        """Replace what was written so far by the whole of it, and the best; give the trials.

        Raises:
            ArbError: a commit failed.
        """
        self._write.result()
        front = pareto_front([one.gains for one in told], [one.violations for one in told])
        rows = trial_rows(self._key, told, set(front))
        tables = {OPTIMIZATION_TRIALS: rows, OPTIMIZATION_BEST: best}
        self._lake.replace(self._key.partition, tables)
        return rows

    def _empty(self) -> None:
        tables = {table: table.frame() for table in (OPTIMIZATION_TRIALS, OPTIMIZATION_BEST)}
        self._lake.replace(self._key.partition, tables)

    def _append(self, told: Sequence[Told]) -> None:
        rows = trial_rows(self._key, told)
        self._lake.commit(lambda transaction: transaction.append(OPTIMIZATION_TRIALS, rows))
