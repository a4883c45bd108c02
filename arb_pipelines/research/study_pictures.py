"""Pictures of a search, out of its rows: what is drawn, by name."""

from __future__ import annotations

import numpy as np
import orjson
import polars as pl

from arb_pipelines.lake.store import Lake
from arb_pipelines.optimize.study import Study
from arb_pipelines.plots import studies as plots
from arb_pipelines.plots.canvas import Floats
from arb_pipelines.research.study_reports import WindowReport

_IN_AND_OUT = """
SELECT window_name,
    net_profit / (train_last - train_first + 1) AS train,
    test_net_profit / (test_last - test_first + 1) AS test
FROM optimization_best WHERE study = ? ORDER BY window_name
"""


def study_pictures(lake: Lake, study: Study, report: WindowReport) -> dict[str, str]:
    """Draw one window's search as markdown by name, and all windows of the study in and out of it.

    The landscape is over the two parameters that the study names, or else the two
    numeric ones that matter most.
    """
    # Optuna takes a quarter of a second, in each process of Dagster, and few of them draw
    from arb_pipelines.optimize.importance import importance

    metric = study.first_objective.metric
    maximise = study.first_objective.direction == "maximise"
    title = f"{report.study}, {report.window}: {report.trials.height:,} trials"
    complete = report.trials.filter(pl.col("state") == "complete")
    value = _first_value(complete)
    params = [orjson.loads(each) for each in complete["params"]]
    shares = importance(study.parameters, params, (value if maximise else -value).tolist()) or {}
    names = sorted(study.parameters.root, key=lambda name: -shares.get(name, 0.0))
    choices = {name: [each.get(name) for each in params] for name in names}
    best = complete["trial_no"].index_of(report.best["trial_no"].item())
    windows = lake.query(_IN_AND_OUT, [study.name])
    several = {"pareto_front": _front(report, complete, title)} if len(study.objectives) > 1 else {}
    return several | {
        "history": plots.history(
            report.trials["trial_no"].to_numpy(),
            np.where(report.trials["state"] == "complete", _first_value(report.trials), np.nan),
            report.trials["feasible"].to_numpy(),
            maximise=maximise,
            metric=metric,
            title=title,
        ),
        "importance": plots.importance(shares, title=title),
        "parallel_coordinates": plots.parallel_coordinates(
            choices, value, best=best, maximise=maximise, metric=metric, title=title
        ),
        "landscape": _landscape(
            {name: choices[name] for name in study.landscape or names}, value, metric, title
        ),
        "in_and_out_of_sample": plots.in_and_out_of_sample(
            windows["window_name"].to_list(),
            windows["train"].to_numpy(),
            windows["test"].to_numpy(),
            metric="net profit a day",
            title=f"{study.name}: the best of each window",
        ),
    }


def _front(report: WindowReport, complete: pl.DataFrame, title: str) -> str:
    first, second, *_ = report.objectives
    return plots.front(
        complete["values"].list.get(0).to_numpy(),
        complete["values"].list.get(1).to_numpy(),
        complete["on_front"].to_numpy(),
        metrics=(first, second),
        title=title,
    )


def _first_value(trials: pl.DataFrame) -> Floats:
    """First objective of each trial, NaN where it has none."""
    return trials["values"].list.first().fill_null(np.nan).to_numpy()


def _landscape(choices: dict[str, list[object]], value: Floats, metric: str, title: str) -> str:
    numeric = {
        name: np.array([np.nan if one is None else one for one in each], np.float64)
        for name, each in choices.items()
        if all(one is None or isinstance(one, int | float) for one in each)
        and not any(isinstance(one, bool) for one in each)
    }
    nothing = ("", np.empty(0))
    (x_name, x), (y_name, y), *_ = [*numeric.items()] if len(numeric) > 1 else [nothing, nothing]
    value = value if len(numeric) > 1 else np.empty(0)
    return plots.landscape(x, y, value, names=(x_name, y_name), metric=metric, title=title)
