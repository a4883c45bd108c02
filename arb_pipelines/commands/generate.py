"""The `arb generate` command."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from arb_pipelines.commands.output import JsonFlag, print_facts, print_json, remarks


def register(app: typer.Typer) -> None:
    """Add this topic's commands to ``app``."""
    app.command()(generate)


def generate(
    out: Annotated[Path, typer.Option(help="Folder to write into; made when missing.")],
    venue: Annotated[str, typer.Option(help="Name the books are recorded under.")] = "demo",
    symbols: Annotated[int, typer.Option(min=3, max=1300, help="Symbols of the list.")] = 60,
    minutes: Annotated[float, typer.Option(help="Market time a day, from midnight UTC.")] = 30.0,
    rate: Annotated[
        float, typer.Option(max=10_000, help="States a second and symbol, on average.")
    ] = 2.0,
    depth: Annotated[int, typer.Option(min=1, max=50, help="Levels a side.")] = 5,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same bytes.")] = 7,
    day: Annotated[str, typer.Option(help="The day, YYYY-MM-DD.")] = "2026-01-05",
    days: Annotated[str | None, typer.Option(help="Several days, A..B, instead of --day.")] = None,
    planted: Annotated[int, typer.Option(min=0, help="Dislocations to plant a day.")] = 0,
    planted_bps: Annotated[float, typer.Option(help="Their gross edge.")] = 40.0,
    planted_ms: Annotated[int, typer.Option(min=1, help="Their life.")] = 500,
    as_json: JsonFlag = False,
) -> None:
    """Write a seeded market: a symbol list, a recording a day, and what was planted in it.

    Example: arb generate --out market --symbols 60 --minutes 30 --planted 20

    Then: arb ingest market --venue demo --format recording
    """
    from rich.progress import Progress

    from arb_pipelines.clock import parse_days
    from arb_pipelines.generator.planted import Planting
    from arb_pipelines.generator.write import generate as write_market

    chosen = parse_days(days or day)
    with Progress(console=remarks, transient=True, disable=not remarks.is_terminal) as progress:
        expected = rate * symbols * minutes * 60 * len(chosen)
        task = progress.add_task("generating", total=expected)
        written = write_market(
            out,
            days=chosen,
            venue=venue,
            symbols=symbols,
            minutes=minutes,
            rate=rate,
            seed=seed,
            depth=depth,
            planting=Planting(planted, planted_bps, planted_ms),
            progress=lambda states: progress.update(task, advance=states),
        )
    if as_json:
        document = asdict(written)
        print_json(_with_text_paths(document))
        return
    print_facts(
        {
            "symbol list": written.symbol_list.path,
            "recordings": ", ".join(str(file.path) for file in written.recordings),
            "truth": written.truth.path,
            "symbols": written.symbols,
            "states": f"{written.states:,}",
            "planted": written.planted,
        }
    )


def _with_text_paths(value: object) -> object:
    if isinstance(value, dict):
        return {name: _with_text_paths(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_with_text_paths(part) for part in value]
    return str(value) if isinstance(value, Path) else value
