"""Symbol lists in the landing folder: the newest that is not later than the day holds."""

import gzip
import json
from datetime import date
from pathlib import Path

import pytest

from arb_pipelines.errors import DataError
from arb_pipelines.generator.symbols import make_listing
from arb_pipelines.lake.markets import load_markets
from arb_pipelines.lake.store import Lake
from arb_pipelines.research.listed import store_listed_markets


def land(lake: Lake, name: str, symbols: int) -> Path:
    """Put a generated list of ``symbols`` symbols into the landing folder."""
    file = lake.settings.landing / "demo" / "symbols_kucoin" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(make_listing(symbols, 3).document()).encode()
    file.write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
    return file


def test_the_newest_list_not_later_than_the_day_is_stored(lake: Lake) -> None:
    """Each day stands on the list that was valid then, under the venue's own name."""
    early, late = land(lake, "2026-01-01.json", 6), land(lake, "2026-02-01.json.gz", 9)
    january = store_listed_markets(lake, "demo", date(2026, 1, 15))
    february = store_listed_markets(lake, "demo", date(2026, 2, 15))
    assert (january.symbols, january.source) == (6, early)
    assert (february.symbols, february.source) == (9, late)
    markets = load_markets(lake, "demo", date(2026, 2, 15))
    assert len(markets) == 9
    assert {market.venue for market in markets} == {"demo"}


def test_without_a_list_the_lake_stays_as_it_is(lake: Lake) -> None:
    """A later list is not used for an earlier day; nothing is written."""
    land(lake, "2026-02-01.json", 6)
    report = store_listed_markets(lake, "demo", date(2026, 1, 15))
    assert (report.symbols, report.source) == (0, None)
    assert load_markets(lake, "demo", date(2026, 1, 15)) == ()


def test_a_list_without_a_day_is_refused(lake: Lake) -> None:
    """The name is the only place that tells from when a list holds."""
    land(lake, "newest.json", 6)
    with pytest.raises(DataError, match="named after its day"):
        store_listed_markets(lake, "demo", date(2026, 1, 15))
