"""The `arb ingest` command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from arb_pipelines.commands.output import JsonFlag, print_facts, print_json, print_rows, remarks

if TYPE_CHECKING:
    from datetime import date

    from arb_pipelines.lake.ingest import IngestReport, Progress
    from arb_pipelines.lake.store import Lake


def register(app: typer.Typer) -> None:
    """Add this topic's commands to ``app``."""
    app.command("ingest")(ingest)


def ingest(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Files or folders.")],
    venue: Annotated[str, typer.Option(help="Exchange, lower case, such as kucoin.")],
    format: Annotated[
        str,
        typer.Option(
            help="depth5, l1, recording, cryptofeed, tardis (told by its columns), tardis_quotes, "
            "tardis_book_snapshot_5, tardis_book_snapshot_25, tardis_incremental_book_L2; "
            "ohlcv, bars; or symbols, the venue's own symbol list."
        ),
    ],
    day: Annotated[
        str | None,
        typer.Option(
            help="Take only rows of this UTC day; for symbols, the day the list is valid from "
            "(default today)."
        ),
    ] = None,
    timezone: Annotated[
        str, typer.Option(help="Zone of zone-less times, such as America/New_York.")
    ] = "UTC",
    segment: Annotated[
        str | None,
        typer.Option(help="Which segment to take of files that hold several (default spot)."),
    ] = None,
    interval: Annotated[str, typer.Option(help="Length of ohlcv's bars: 5m, 1h, 1d.")] = "1h",
    replace: Annotated[
        bool, typer.Option("--replace", help="Forget what other files gave to the same days.")
    ] = False,
    json: JsonFlag = False,
) -> None:
    """Read recorded books, OHLC bars, or a venue's symbol list, into the lake.

    Refused rows are in the table rejected_rows, each with its reason; a file that
    is bad as a whole changes nothing. The same file twice is the same as once.

    Example: arb ingest books/ --venue binance --format depth5
    """
    from arb_pipelines.clock import parse_day
    from arb_pipelines.errors import ConfigError
    from arb_pipelines.lake.ingest import ingest_files
    from arb_pipelines.lake.readers.base import ReadOptions
    from arb_pipelines.lake.store import Lake
    from arb_pipelines.settings import load_settings

    lake = Lake(load_settings())
    wanted = parse_day(day) if day else None
    if format == "symbols":
        _ingest_symbols(lake, paths, venue, wanted, json)
        return
    if format == "ohlcv":
        if replace or segment:
            raise ConfigError("ohlcv knows no --replace and no --segment: a later file's bars win")
        _ingest_bars(lake, paths, venue, interval, timezone, wanted, json)
        return
    with _progress() as progress:
        report = ingest_files(
            lake,
            paths,
            venue=venue,
            format=format,
            day=wanted,
            options=ReadOptions(timezone=timezone, segment=segment),
            replace=replace,
            progress=progress,
        )
    if json:
        print_json(_document(report))
    else:
        _print(report)


def _ingest_symbols(
    lake: Lake, paths: list[Path], venue: str, day: date | None, json: bool
) -> None:
    from arb_pipelines.clock import day_of, now_ns
    from arb_pipelines.errors import ConfigError
    from arb_pipelines.lake.markets import store_markets
    from arb_pipelines.venues.symbol_lists import read_symbol_list

    if len(paths) != 1:
        raise ConfigError("give one symbol list at a time", source="PATH")
    on = day or day_of(now_ns())
    markets = read_symbol_list(paths[0], venue)
    stored = store_markets(lake, venue, on, markets, list_day=on)
    facts = {"venue": venue, "day": str(on), "symbols": stored, "snapshot": lake.snapshot()}
    if json:
        print_json(facts)
    else:
        print_facts(facts)


def _ingest_bars(
    lake: Lake,
    paths: list[Path],
    venue: str,
    interval: str,
    timezone: str,
    day: date | None,
    json: bool,
) -> None:
    from dataclasses import asdict

    from arb_pipelines.lake.bar_ingest import ingest_bars
    from arb_pipelines.lake.bars import interval_seconds

    report = ingest_bars(
        lake, paths, venue=venue, interval_s=interval_seconds(interval), timezone=timezone, day=day
    )
    facts = {"venue": venue, "rows_read": report.rows_read, **asdict(report)}
    if json:
        print_json(facts)
        return
    days = " to ".join(map(str, report.days)) if report.days else "none"
    shown = {"files": len(report.files), "symbols": ", ".join(report.symbols), "days": days}
    del facts["reasons"]
    print_facts(facts | shown)
    _print_reasons(report.reasons)


@contextmanager
def _progress() -> Iterator[Progress]:
    """Show the file being read and its rows on stderr, from the first batch on."""
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    quiet = not remarks.is_terminal
    with Progress(*columns, console=remarks, transient=True, disable=quiet) as bar:
        task = bar.add_task("reading ...", total=None)

        def show(name: str, rows: int) -> None:
            bar.update(task, description=f"{name}: {rows:,} rows")

        yield show


def _document(report: IngestReport) -> dict[str, Any]:
    return {
        "files": len(report.files),
        "rows_read": report.rows_read,
        "rows_accepted": report.rows_accepted,
        "rows_rejected": report.rows_rejected,
        "reasons": report.reasons,
        "gaps": report.gaps,
        "symbols": len(report.symbols),
        "partitions": [
            {
                "venue": part.venue,
                "day": str(part.day),
                "rows_read": part.rows_read,
                "rows_accepted": part.rows_accepted,
                "rows_rejected": part.rows_rejected,
                "gaps": part.gaps,
            }
            for part in report.partitions
        ],
        "snapshot": report.snapshot,
    }


def _print(report: IngestReport) -> None:
    print_rows(
        ("venue", "day", "read", "accepted", "rejected", "gaps"),
        [
            (
                part.venue,
                part.day,
                f"{part.rows_read:,}",
                f"{part.rows_accepted:,}",
                f"{part.rows_rejected:,}",
                part.gaps,
            )
            for part in report.partitions
        ],
    )
    _print_reasons(report.reasons)


def _print_reasons(reasons: dict[str, int]) -> None:
    for reason, count in reasons.items():
        hint = " (take them with --segment)" if reason == "other segment" else ""
        remarks.print(f"rejected {count:,}: {reason}{hint}", highlight=False)
