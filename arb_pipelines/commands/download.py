"""The `arb download` command."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from arb_pipelines.commands.output import JsonFlag, print_facts, print_json, print_rows, remarks
from arb_pipelines.errors import ConfigError, VenueError

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from arb_pipelines.settings import Settings
    from arb_pipelines.venues.tardis.download import Outcome
    from arb_pipelines.venues.tardis.files import DataFile


class Source(StrEnum):
    """Where recorded books come from."""

    TARDIS = "tardis"


def register(app: typer.Typer) -> None:
    """Add this topic's commands to ``app``."""

    @app.command()
    def download(
        exchange: Annotated[str, typer.Option(help="Exchange as the source names it.")],
        type: Annotated[
            str,
            typer.Option(help="quotes, book_snapshot_5, book_snapshot_25 or incremental_book_L2."),
        ],
        days: Annotated[str, typer.Option(help="UTC day or range, 2024-03-01..2024-03-03.")],
        symbols: Annotated[
            str | None, typer.Option(help="Symbols as the exchange names them: BTC-USDT,ETH-USDT.")
        ] = None,
        universe: Annotated[
            bool, typer.Option("--universe", help="All symbols of the venue's markets in the lake.")
        ] = False,
        venue: Annotated[
            str | None, typer.Option(help="The lake's name of the exchange, where it differs.")
        ] = None,
        source: Annotated[Source, typer.Option(help="Where to download from.")] = Source.TARDIS,
        out: Annotated[
            Path | None,
            typer.Option(help="Folder; default the landing folder, ARB_HOME/landing/VENUE/tardis."),
        ] = None,
        parallel: Annotated[int, typer.Option(min=1, max=32, help="Files at once.")] = 4,
        json: JsonFlag = False,
    ) -> None:
        """Download recorded books, several files at once, going on where a break left off.

        Tardis serves the first day of every month without a key; for others set
        ARB_TARDIS_API_KEY. A file appears in the folder only when it is whole. Exit code 2 if any
        file failed; the same command again goes on with what is missing.

        Example: arb download --source tardis --exchange kucoin --type book_snapshot_5
        --symbols BTC-USDT,ETH-BTC,ETH-USDT --days 2024-03-01
        """
        from arb_pipelines.clock import parse_days
        from arb_pipelines.lake.store import Lake
        from arb_pipelines.research.download import plan_downloads, universe_symbols
        from arb_pipelines.settings import load_settings

        settings = load_settings()
        wanted_days = parse_days(days)
        venue = venue or exchange
        if universe == (symbols is not None):
            raise ConfigError("give either --symbols A,B or --universe")
        names = (
            universe_symbols(Lake(settings, read_only=True), venue, wanted_days[-1])
            if symbols is None
            else [name.strip() for name in symbols.split(",") if name.strip()]
        )
        files = plan_downloads(exchange, type, names, wanted_days)
        folder = out if out is not None else settings.landing / venue / source.value
        outcomes = _run(files, folder, settings, parallel)
        if json:
            print_json(_document(outcomes, folder))
        else:
            _print_table(outcomes, folder)
        _raise_if_any_failed(outcomes)


def _run(
    files: Sequence[DataFile], folder: Path, settings: Settings, parallel: int
) -> list[Outcome]:
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    from arb_pipelines.venues.tardis.download import download

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TextColumn("{task.fields[files]}"),
    )
    with Progress(*columns, console=remarks) as progress:
        watcher = _Bars(progress, len(files))
        return download(files, folder, settings, parallel=parallel, watcher=watcher)


class _Bars:
    """A bar for all files, and one for each that is under way."""

    def __init__(self, progress: Progress, files: int) -> None:
        self._progress, self._files, self._done = progress, files, 0
        self._all = progress.add_task("all files", total=None, files=f"0 of {files}")
        self._bars: dict[str, TaskID] = {}
        self._there: dict[str, int] = {}

    def received(self, file: DataFile, there: int, whole: int | None) -> None:
        if file.name not in self._bars:
            self._bars[file.name] = self._progress.add_task(file.name, files="")
        self._progress.update(self._bars[file.name], completed=there, total=whole)
        self._there[file.name] = there
        self._progress.update(self._all, completed=sum(self._there.values()))

    def finished(self, outcome: Outcome) -> None:
        self._done += 1
        if outcome.file.name in self._bars:
            self._progress.remove_task(self._bars.pop(outcome.file.name))
        self._progress.update(self._all, files=f"{self._done} of {self._files}")


def _counts(outcomes: Sequence[Outcome]) -> dict[str, int]:
    from arb_pipelines.venues.tardis.download import Status

    return {
        status.value: sum(outcome.status is status for outcome in outcomes) for status in Status
    }


def _document(outcomes: Sequence[Outcome], folder: Path) -> dict[str, object]:
    files = [
        {
            "file": outcome.file.name,
            "day": str(outcome.file.day),
            "symbol": outcome.file.symbol,
            "status": outcome.status.value,
            "bytes": outcome.size,
            "reason": outcome.reason,
        }
        for outcome in outcomes
    ]
    return {**_counts(outcomes), "out": str(folder), "files": files}


def _print_table(outcomes: Sequence[Outcome], folder: Path) -> None:
    print_rows(
        ("file", "status", "bytes", ""),
        (
            (outcome.file.name, outcome.status.value, f"{outcome.size:,}", outcome.reason or "")
            for outcome in outcomes
        ),
    )
    print_facts({**_counts(outcomes), "folder": folder})


def _raise_if_any_failed(outcomes: Sequence[Outcome]) -> None:
    failed = [outcome for outcome in outcomes if outcome.reason is not None]
    if failed:
        named = "; ".join(f"{outcome.file.name}: {outcome.reason}" for outcome in failed[:5])
        more = f"; and {len(failed) - 5} more" if len(failed) > 5 else ""
        raise VenueError(f"{len(failed)} of {len(outcomes)} files failed: {named}{more}")
