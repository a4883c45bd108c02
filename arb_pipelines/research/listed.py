"""Symbol lists from the landing folder into the lake.

A list lies in ``landing/<venue>/symbols_<shape>/<YYYY-MM-DD>.json``, plain or
gzip: ``shape`` names the venue whose JSON it is, which for a renamed or
generated venue is another one; the day is that of the list, and it holds until
there is a newer one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from arb_pipelines.clock import parse_day
from arb_pipelines.errors import ConfigError, DataError
from arb_pipelines.lake.markets import load_markets, store_markets
from arb_pipelines.lake.store import Lake
from arb_pipelines.venues.symbol_lists import read_symbol_list

_FOLDER = "symbols_"


@dataclass(frozen=True, slots=True)
class ListReport:
    """Markets a day stands on: how many, and the file they came from, None if from the lake."""

    symbols: int
    source: Path | None


def store_listed_markets(lake: Lake, venue: str, day: date) -> ListReport:
    """Store the newest landed list of ``venue`` that is not later than ``day``.

    Without one the lake stays as it is: an earlier day's list holds, or the
    ingest infers the symbols it meets.

    Raises:
        DataError: the list cannot be read, or its name is no day.
        ConfigError: its folder names no known shape.
    """
    lists = {_day_of(file): file for file in _files(lake.settings.landing / venue)}
    known = [listed for listed in lists if listed <= day]
    if not known:
        return ListReport(len(load_markets(lake, venue, day)), None)
    file = lists[max(known)]
    shape = file.parent.name.removeprefix(_FOLDER)
    markets = [replace(market, venue=venue) for market in read_symbol_list(file, shape)]
    store_markets(lake, venue, day, markets, list_day=max(known))
    return ListReport(len(markets), file)


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
