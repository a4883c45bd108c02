"""The `arb allocate` command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from arb_pipelines.commands.output import JsonFlag, print_facts, print_json, remarks


def register(app: typer.Typer) -> None:
    """Add this topic's commands to ``app``."""

    @app.command()
    def allocate(
        file: Annotated[Path, typer.Option(help="Allocation file (YAML).")],
        days: Annotated[str, typer.Option(help="UTC day D, or inclusive range D..D.")],
        venue: Annotated[
            str | None, typer.Option(help="Trade this venue's bars instead of the file's.")
        ] = None,
        snapshot: Annotated[
            int | None,
            typer.Option(help="Read the lake as of this snapshot: repeats an earlier run."),
        ] = None,
        json: JsonFlag = False,
    ) -> None:
        """Backtest strategies whose resting buys share one capital, by work stealing.

        Runs over bars in the lake and replaces the allocation's rows in allocation_events:
        who entered, who stole from whom at which distances, who waited and why. The digest is
        equal for equal bars and file. What a file may say is in docs/allocation.md.

        Example: arb allocate --file allocations/resting_dips.yaml --days 2018-01-01..2018-12-31
        """
        from arb_pipelines.clock import parse_days
        from arb_pipelines.lake.store import Lake
        from arb_pipelines.research.allocated import (
            describe,
            load_allocated,
            run_allocated_backtest,
        )
        from arb_pipelines.settings import load_settings

        chosen = load_allocated(file)
        if venue is not None:
            chosen = chosen.model_copy(update={"venue": venue})
        wanted = parse_days(days)
        with remarks.status(f"allocating {days} ..."):
            report = run_allocated_backtest(
                Lake(load_settings()), chosen, wanted, snapshot=snapshot
            )
        document = describe(report)
        if json:
            print_json(document)
        else:
            print_facts({name: _text(value) for name, value in document.items()})


def _text(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {count:,}" for name, count in value.items()) or "none"
    if isinstance(value, float):
        return f"{value:,.6g}"
    if isinstance(value, int):
        return f"{value:,}"
    return "none" if value is None else str(value)
