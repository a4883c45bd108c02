"""Which files of recorded books to get, and getting them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from arb_pipelines.errors import ConfigError
from arb_pipelines.lake.markets import load_markets
from arb_pipelines.lake.readers.tardis_csv import TYPES
from arb_pipelines.lake.store import Lake
from arb_pipelines.venues.tardis.files import DataFile


def plan_downloads(
    exchange: str, data_type: str, symbols: Sequence[str], days: Sequence[date]
) -> list[DataFile]:
    """List the files of ``symbols`` on ``days``, day by day, each once.

    Raises:
        ConfigError: a data type that no reader reads, or nothing to download.
    """
    if data_type not in TYPES:
        raise ConfigError(f"unknown type {data_type!r}; known are {', '.join(TYPES)}")
    if not exchange or not symbols:
        raise ConfigError("nothing to download: name an exchange and at least one symbol")
    files = [DataFile(exchange, data_type, day, symbol) for day in days for symbol in symbols]
    return list({file.name: file for file in files}.values())


def universe_symbols(lake: Lake, venue: str, day: date) -> list[str]:
    """The venue's own names of its markets, as valid on ``day`` or else on the newest list.

    A list is often younger than the days one wants; what was not traded then is
    told by the source.

    Raises:
        ConfigError: the lake has no markets of the venue.
    """
    markets = load_markets(lake, venue, day) or load_markets(lake, venue, date.max)
    if not markets:
        raise ConfigError(
            f"the lake has no markets of {venue}; give --symbols, or store a symbol list with "
            f"arb universe --venue {venue} --symbols FILE --day {day}"
        )
    return [market.venue_symbol for market in markets]
