"""Symbol lists from the landing folder into the lake.

A list lies in ``landing/<venue>/symbols_<shape>/<YYYY-MM-DD>.json``, plain or
gzip: ``shape`` names the venue whose JSON it is, which for a renamed or
generated venue is another one; the day is that of the list, and it holds until
there is a newer one. Which list a day was given is in ``runs``, so that a list
which comes after the books, or changes, is noticed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from arb_pipelines.clock import parse_day
from arb_pipelines.errors import ConfigError, DataError
from arb_pipelines.lake.intake import digest
from arb_pipelines.lake.markets import load_markets, store_markets
from arb_pipelines.lake.runs import recorded_run
from arb_pipelines.lake.store import Lake
from arb_pipelines.venues.symbol_lists import read_symbol_list

_FOLDER = "symbols_"
_TASK = "markets"


@dataclass(frozen=True, slots=True)
class ListReport:
    """Markets a day stands on: how many, and the file they came from, None if from the lake."""

    symbols: int
    source: Path | None


def store_listed_markets(
    lake: Lake, venue: str, day: date, *, run_id: str | None = None
) -> ListReport:
    """Store the newest landed list of ``venue`` that is not later than ``day``.

    Without one the lake stays as it is: an earlier day's list holds, or the
    ingest infers the symbols it meets.

    Raises:
        DataError: the list cannot be read, or its name is no day.
        ConfigError: its folder names no known shape.
    """
    list_day, file = _holding(_lists(lake.settings.landing / venue), day)
    if file is None:
        return ListReport(len(load_markets(lake, venue, day)), None)
    params = {"list": str(file), "sha256": digest([file])}
    with recorded_run(lake, _TASK, f"{venue}|{day}", params, run_id=run_id):
        shape = file.parent.name.removeprefix(_FOLDER)
        markets = [replace(market, venue=venue) for market in read_symbol_list(file, shape)]
        store_markets(lake, venue, day, markets, list_day=list_day)
    return ListReport(len(markets), file)


def due_lists(lake: Lake, venue_days: Iterable[tuple[str, date]]) -> dict[tuple[str, date], str]:
    """Digests of the landed lists that hold for ``venue_days`` and were not stored there, by those.

    A venue with a file that is no list has none here: its next run names the file.
    """
    wanted = sorted(set(venue_days))
    lists = {venue: _lists_or_none(lake.settings.landing / venue) for venue, _ in wanted}
    if not any(lists.values()):
        return {}
    stored = dict(
        lake.query(
            "SELECT partition, arg_max(params ->> 'sha256', ts_ended) FROM runs "
            "WHERE task = ? GROUP BY partition",
            [_TASK],
        ).iter_rows()
    )
    due = {}
    for venue, day in wanted:
        _, file = _holding(lists[venue], day)
        if file is not None and stored.get(f"{venue}|{day}") != (sha256 := digest([file])):
            due[venue, day] = sha256
    return due


def _lists(folder: Path) -> dict[date, Path]:
    return {_day_of(file): file for file in _files(folder)}


def _lists_or_none(folder: Path) -> dict[date, Path]:
    try:
        return _lists(folder)
    except DataError:
        return {}


def _holding(lists: Mapping[date, Path], day: date) -> tuple[date, Path | None]:
    """The newest list that is not later than ``day``, with its own day."""
    list_day = max((listed for listed in lists if listed <= day), default=day)
    return list_day, lists.get(list_day)


def _files(folder: Path) -> list[Path]:
    found = folder.glob(f"{_FOLDER}*/*.json*")
    return sorted(file for file in found if file.name.endswith((".json", ".json.gz")))


def _day_of(file: Path) -> date:
    try:
        return parse_day(file.name.partition(".")[0])
    except ConfigError:
        raise DataError(
            "a symbol list is named after its day: YYYY-MM-DD.json", source=str(file)
        ) from None
