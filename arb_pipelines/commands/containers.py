"""The `arb run` command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from arb_pipelines.commands.interrupts import ended_by_signals
from arb_pipelines.commands.output import JsonFlag, print_json, print_rows, remarks


def register(app: typer.Typer) -> None:
    """Add this topic's commands to ``app``."""

    @app.command()
    def run(
        file: Annotated[Path, typer.Argument(help="Container file (YAML).")],
        days: Annotated[
            str | None, typer.Option(help="UTC day D, or inclusive range D..D, of recorded data.")
        ] = None,
        venue: Annotated[
            str | None, typer.Option(help="Venue of the bars; of the books instead of the file's.")
        ] = None,
        interval: Annotated[str, typer.Option(help="Length of the bars: 5m, 1h, 1d.")] = "1h",
        catalogue: Annotated[
            list[Path] | None, typer.Option(help="Further catalogue of components (YAML).")
        ] = None,
        snapshot: Annotated[
            int | None,
            typer.Option(help="Read the lake as of this snapshot: repeats an earlier run."),
        ] = None,
        json: JsonFlag = False,
    ) -> None:
        """Run a container file by its mode and thread model, and print what it came to.

        A container on bars runs once over all days, one on books once a day. Stores nothing.
        Exit code 1 if a container failed. What a file may say is in docs/containers.md.

        Example: arb run docs/examples/triangles_container.yaml --days 2025-01-01 --venue kucoin
        """
        from arb_pipelines.clock import parse_days
        from arb_pipelines.containers.registry import ComponentRegistry
        from arb_pipelines.lake.store import Lake
        from arb_pipelines.research.container_runs import DataChoice, describe, run_plan
        from arb_pipelines.settings import load_settings

        plan = ComponentRegistry.load(*catalogue or ()).read_plan(file)
        wanted = tuple(parse_days(days)) if days is not None else ()
        lake = Lake(load_settings())
        seen = lake.snapshot() if snapshot is None else snapshot
        choice = DataChoice(venue, wanted, interval, seen)
        with ended_by_signals(), remarks.status(f"running {plan.spec.name} ..."):
            document = describe(plan, choice, run_plan(lake, plan, choice))
        if json:
            print_json(document)
        else:
            _print(document)
        if document["failed"]:
            raise typer.Exit(1)


def _print(document: dict[str, Any]) -> None:
    reports = document["reports"]
    names = next((list(report["metrics"]) for report in reports if report["metrics"]), [])
    print_rows(
        ("name", *(name.replace("_", " ") for name in names)),
        (
            [report["name"], *(_text((report["metrics"] or {}).get(name)) for name in names)]
            for report in reports
        ),
    )
    for report in reports:
        for line in filter(None, (report["error"], *report["teardown"])):
            remarks.print(f"{report['name']}: {line}", style="red", markup=False)


def _text(value: float | None) -> str:
    return "" if value is None else f"{value:,.6g}" if isinstance(value, float) else f"{value:,}"
