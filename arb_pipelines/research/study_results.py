"""What a search came to: its best trial, in and out of sample, and how lucky it may be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import polars as pl

from arb_pipelines.errors import DataError
from arb_pipelines.lake.schemas import OPTIMIZATION_BEST
from arb_pipelines.optimize.objectives import values_of
from arb_pipelines.optimize.overfit import backtest_overfitting, deflated_best
from arb_pipelines.optimize.samplers.base import TrialState
from arb_pipelines.optimize.scores import Scores, score
from arb_pipelines.optimize.search import Told
from arb_pipelines.optimize.stability import plateau
from arb_pipelines.optimize.study import Study
from arb_pipelines.optimize.targets.base import PeriodResult
from arb_pipelines.optimize.windows import Window
from arb_pipelines.research.study_tables import params_json

#: Objectives that are a mean of returns: what overfits them is chosen by the mean, too.
_MEANS = ("net_profit", "return_pct")


def best_rows(
    columns: Mapping[str, object],
    study: Study,
    window: Window,
    told: Sequence[Told],
    best: int | None,
    tested: Sequence[PeriodResult],
) -> pl.DataFrame:
    """Give the row of ``optimization_best``.

    ``best`` is the number of the best trial, ``tested`` what its test days came to;
    ``columns`` are those that this does not work out.
    """
    states = Counter(one.trial.state for one in told)
    unknown: list[str] = []
    row: dict[str, object] = {
        **columns,
        "train_first": window.train[0],
        "train_last": window.train[-1],
        "test_first": window.test[0] if window.test else None,
        "test_last": window.test[-1] if window.test else None,
        "trials": len(told),
        **{state.value: states[state] for state in TrialState},
    }
    if best is None:
        unknown.append("best: " + _without_best(states))
    else:
        chosen = told[best]
        assert chosen.scores is not None  # a best trial is complete
        assert chosen.values is not None
        row |= {
            "trial_no": best,
            "params": params_json(chosen.trial.params),
            "value": chosen.values[0],
            **_figures(chosen.scores, ""),
        }
        for name, (figure, reason) in _luck(study, told, chosen.scores).items():
            row[name] = figure
            if figure is None:
                unknown.append(f"{name}: {reason}")
    if tested:
        scores = score(tested, study.scoring)
        row |= {"test_returns": list(scores.returns), **_figures(scores, "test_")}
        try:
            row["test_value"] = values_of([study.first_objective], scores.metrics)[0]
        except DataError as error:  # it has no value there, such as a mean over nothing
            unknown.append(f"test_value: {error}")
    elif best is not None:
        unknown.append("test: the window holds no days back")
    row["unknown"] = "; ".join(unknown) or None
    return OPTIMIZATION_BEST.frame([row])


def _without_best(states: Counter[TrialState]) -> str:
    if states[TrialState.COMPLETE]:
        return "no complete trial keeps every constraint"
    return "no trial is complete"


def _figures(scores: Scores, prefix: str) -> dict[str, object]:
    return {
        f"{prefix}net_profit": scores.metrics["net_profit"],
        f"{prefix}sharpe": scores.sharpe,
        f"{prefix}max_drawdown": scores.metrics["max_drawdown"],
        f"{prefix}trades": int(scores.metrics["trades"]),
    }


def _luck(study: Study, told: Sequence[Told], best: Scores) -> dict[str, tuple[float | None, str]]:
    """Say what is left of the best once it is known as the best of so many.

    Each figure comes with what it takes, the reason if it is None. Pruned trials were
    tried as well and count as such; only complete ones have the returns that the
    statistics compare.
    """
    complete = [
        (one.trial.params, one.gains[0], one.scores.returns)
        for one in told
        if one.gains is not None and one.scores is not None
    ]
    sets, gains, returns = zip(*complete, strict=True)
    tried = sum(one.trial.state is not TrialState.FAILED for one in told)
    by_mean = study.first_objective.metric in _MEANS
    overfitting = backtest_overfitting(returns, by="mean" if by_mean else "sharpe")
    return {
        "deflated_sharpe": (
            deflated_best(best.returns, returns, tried),
            "the best's block returns do not deviate from each other",
        ),
        "pbo": (
            None if overfitting is None else overfitting.probability,
            "it takes two complete trials that differ, and 8 blocks in which one of them "
            "gains or loses",
        ),
        "stability": (
            plateau(study.parameters, sets, gains),
            "it takes six complete trials",
        ),
    }
