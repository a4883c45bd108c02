"""The `arb optimize` command."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from arb_pipelines.commands.output import JsonFlag, print_facts, print_json, print_rows, remarks


def register(app: typer.Typer) -> None:
    """Add this topic's commands to ``app``."""

    @app.command()
    def optimize(
        study: Annotated[Path, typer.Option(help="Study file (YAML).")],
        workers: Annotated[
            int,
            typer.Option(min=1, max=1024, help="Trials run at once. Results do not depend on it."),
        ] = os.cpu_count() or 1,
        seed: Annotated[
            int | None,
            typer.Option(min=0, max=2**32 - 1, help="Seed of the sampler, instead of the study's."),
        ] = None,
        window: Annotated[
            str | None, typer.Option(help="Search this window alone, such as w00; default all.")
        ] = None,
        fresh: Annotated[
            bool, typer.Option("--fresh", help="Begin anew instead of continuing what was begun.")
        ] = False,
        json: JsonFlag = False,
    ) -> None:
        """Search a study's windows for parameters, and measure each window's best out of sample.

        Replaces the windows' rows of optimization_trials and optimization_best; trials are seen
        there while the search goes on. Interrupted, by Ctrl-C or a crash, the same command goes on
        with what was begun and repeats no finished trial. The digest is equal for equal study,
        strategy, data and seed, whatever the workers. docs/optimisation.md says what a study file
        may say. With ARB_CLUSTER set, a Dask cluster runs the trials.

        Example: arb optimize --study studies/demo.yaml --workers 2
        """
        from arb_pipelines.commands.interrupts import ended_by_signals
        from arb_pipelines.lake.store import Lake
        from arb_pipelines.optimize.study import load_study
        from arb_pipelines.research.optimisation import run_study
        from arb_pipelines.research.study_reports import describe
        from arb_pipelines.settings import load_settings

        chosen = load_study(study)
        with ended_by_signals(), remarks.status(f"searching {chosen.name} ...") as status:
            try:
                report = run_study(
                    Lake(load_settings()),
                    chosen,
                    workers=workers,
                    windows=None if window is None else [window],
                    seed=seed,
                    fresh=fresh,
                    progress=lambda now: status.update(str(now)),
                )
            except KeyboardInterrupt:
                remarks.print("interrupted; the same command goes on from here", style="yellow")
                raise
        document = describe(report)
        if json:
            print_json(document)
        else:
            _print(document)


def _print(document: dict[str, Any]) -> None:
    windows = document.pop("windows")
    best = document.pop("best")
    print_facts({name: _cell(value) for name, value in document.items()})
    if best is not None:
        print_facts(best["params"], title=f"Best of {windows[-1]['window']}")
    columns = ("window", "test", "trials", "value", "test_value", "deflated_sharpe", "pbo")
    print_rows(
        (column.replace("_", " ") for column in columns),
        ([_cell(one[column]) for column in columns] for one in windows),
        title="In and out of sample",
    )
    for one in windows:
        if one["unknown"]:
            remarks.print(f"{one['window']}: {one['unknown']}", highlight=False)
    if front := windows[-1]["front"]:
        print_rows(
            ("trial", *(metric.replace("_", " ") for metric in front[0]["values"])),
            (map(_cell, (one["trial_no"], *one["values"].values())) for one in front),
            title=f"Pareto front of {windows[-1]['window']}",
        )


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.5g}"
    return "" if value is None else str(value)
