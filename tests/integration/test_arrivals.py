"""What came into the landing folder: recordings and symbol lists, in whatever order."""

from __future__ import annotations

import json
import os
from datetime import timedelta
from pathlib import Path

import pytest

from arb_pipelines.errors import DataError
from arb_pipelines.generator.symbols import make_listing
from arb_pipelines.lake.landing import ingest_landing
from arb_pipelines.lake.store import Lake
from arb_pipelines.research.arrivals import arrivals
from arb_pipelines.research.listed import store_listed_markets
from tests.fakes.book_files import DAY, l1_file

VENUE = "demo"


def land_books(lake: Lake) -> None:
    """Land a recording of one symbol, written a while ago."""
    path = lake.settings.landing / VENUE / "l1" / "a.parquet"
    l1_file(path, [(0, "BTCUSDT", 1.0, 2.0, 1)])
    os.utime(path, (0, 0))


def land_list(lake: Lake, name: str, symbols: int) -> Path:
    """Land a symbol list."""
    file = lake.settings.landing / VENUE / "symbols_kucoin" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(make_listing(symbols, 3).document()))
    return file


def run(lake: Lake) -> None:
    """Do what a research run does first."""
    store_listed_markets(lake, VENUE, DAY)
    ingest_landing(lake, VENUE, DAY)


def test_a_list_that_comes_after_its_books_asks_for_their_days_once(lake: Lake) -> None:
    """A list of an earlier day holds for them, a later one does not; a changed one asks anew."""
    land_books(lake)
    (books,) = arrivals(lake)
    run(lake)
    assert arrivals(lake) == ()
    land_list(lake, f"{DAY + timedelta(days=1)}.json", 6)
    assert arrivals(lake) == ()
    land_list(lake, f"{DAY - timedelta(days=30)}.json", 6)
    (late,) = arrivals(lake)
    assert (late.venue, late.day) == (VENUE, DAY)
    assert arrivals(lake) == (late,), "the same digest until it is taken: the run is made once"
    run(lake)
    assert arrivals(lake) == ()
    land_list(lake, f"{DAY - timedelta(days=30)}.json", 9)
    (changed,) = arrivals(lake)
    assert len({books.digest, late.digest, changed.digest}) == 3


def test_a_list_alone_asks_for_nothing(lake: Lake) -> None:
    """It is taken with the first books, whose run stands on both."""
    land_list(lake, f"{DAY}.json", 6)
    assert arrivals(lake) == ()
    land_books(lake)
    (both,) = arrivals(lake)
    assert both.digest.count("|") == 1
    run(lake)
    assert arrivals(lake) == ()


def test_a_file_that_is_no_list_does_not_keep_books_out(lake: Lake) -> None:
    """The run that is asked for names the file."""
    land_books(lake)
    land_list(lake, "newest.json", 6)
    assert [part.day for part in arrivals(lake)] == [DAY]
    with pytest.raises(DataError, match=r"newest\.json: a symbol list is named after its day"):
        run(lake)
