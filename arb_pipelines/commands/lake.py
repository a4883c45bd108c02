"""The `arb lake` commands: what the lake holds, and its upkeep."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from arb_pipelines.commands.output import JsonFlag, print_facts, print_json, print_rows


def register(app: typer.Typer) -> None:
    """Add this topic's commands to ``app``."""
    lake = typer.Typer(no_args_is_help=True, help="What the lake holds, and its upkeep.")
    lake.command()(info)
    lake.command()(maintain)
    app.add_typer(lake, name="lake")


def info(json: JsonFlag = False) -> None:
    """Show tables, rows, files, bytes and the newest snapshot.

    Example: arb lake info --json
    """
    from arb_pipelines.lake.maintenance import sizes
    from arb_pipelines.lake.store import Lake
    from arb_pipelines.settings import load_settings

    lake = Lake(load_settings(), read_only=True)
    snapshot, tables = lake.snapshot(), sizes(lake)
    if json:
        print_json({"snapshot": snapshot, "tables": [asdict(table) for table in tables]})
        return
    print_rows(
        ("table", "rows", "files", "bytes"),
        ((t.table, f"{t.rows:,}", t.files, f"{t.bytes:,}") for t in tables),
        title=f"snapshot {snapshot}",
    )


def maintain(
    keep_days: Annotated[
        int,
        typer.Option(
            min=1,
            help="Days a snapshot is kept, and days a run can be repeated on the snapshot it read.",
        ),
    ] = 30,
    json: JsonFlag = False,
) -> None:
    """Flush small appends, merge small files, expire old snapshots, delete unused files.

    Safe beside running writers and readers.

    Example: arb lake maintain --keep-days 90
    """
    from arb_pipelines.lake.maintenance import maintain as run_maintenance
    from arb_pipelines.lake.store import Lake
    from arb_pipelines.settings import load_settings

    lake = Lake(load_settings())
    done = asdict(run_maintenance(lake, keep_days=keep_days))
    if json:
        print_json(done)
    else:
        print_facts(done, title="maintenance")
