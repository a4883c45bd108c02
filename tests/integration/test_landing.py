"""The landing folder: what is new, what it touches, and what is left alone."""

from __future__ import annotations

import json
import os
from datetime import timedelta
from pathlib import Path

import pytest

from arb_pipelines.alerts import alerts_path
from arb_pipelines.clock import NS_PER_DAY
from arb_pipelines.lake import landing as landing_module
from arb_pipelines.lake.ingest import ingest_files
from arb_pipelines.lake.landing import ingest_landing, landed, pending, refusals
from arb_pipelines.lake.store import Lake
from tests.fakes.book_files import DAY, contents, l1_file

NEXT_DAY = DAY + timedelta(days=1)


def drop(lake: Lake, name: str, *ts: int) -> Path:
    """Land an ``l1`` file with a row at each of ``ts``, written a while ago."""
    path = lake.settings.landing / "binance" / "l1" / name
    l1_file(path, [(at, "BTCUSDT", 1.0, 2.0, n) for n, at in enumerate(ts)])
    long_ago = path.stat().st_mtime - 3600
    os.utime(path, (long_ago, long_ago))
    return path


def test_an_empty_landing_folder_asks_for_nothing(lake: Lake) -> None:
    """Neither does one that is not there."""
    assert pending(lake) == ()


def test_new_files_ask_for_just_the_days_they_touch_once(lake: Lake) -> None:
    """Ingesting one day leaves the other one asked for; a second file asks for its day anew."""
    drop(lake, "a.parquet", 0, NS_PER_DAY)
    first = pending(lake)
    assert [(p.venue, p.day) for p in first] == [("binance", DAY), ("binance", NEXT_DAY)]
    assert pending(lake) == first
    report = ingest_landing(lake, "binance", DAY)
    assert [(p.day, p.rows_read) for p in report.partitions] == [(DAY, 1)]
    assert [p.day for p in pending(lake)] == [NEXT_DAY]
    ingest_landing(lake, "binance", NEXT_DAY)
    assert pending(lake) == ()
    drop(lake, "sub/b.parquet", 5)
    (again,) = pending(lake)
    assert (again.day, [f.source.name for f in again.files]) == (
        DAY,
        ["l1/a.parquet", "l1/sub/b.parquet"],
    )
    assert again.digest != first[0].digest


def test_day_by_day_from_the_landing_folder_is_the_same_as_all_at_once(
    lake: Lake, tmp_path: Path
) -> None:
    """A file over midnight, with rows refused on both sides of it."""
    ts = (0, 2, 1, NS_PER_DAY, NS_PER_DAY + 2, NS_PER_DAY + 1)
    drop(lake, "a.parquet", *ts)
    ingest_landing(lake, "binance", NEXT_DAY)
    ingest_landing(lake, "binance", DAY)
    by_day = contents(lake)
    ingest_files(lake, [lake.settings.landing / "binance"], venue="binance", format="l1")
    assert {name: _without_source(rows) for name, rows in contents(lake).items()} == {
        name: _without_source(rows) for name, rows in by_day.items()
    }


def _without_source(rows: list[tuple[object, ...]]) -> list[tuple[object, ...]]:
    return [tuple(cell for cell in row if not str(cell).endswith(".parquet")) for row in rows]


def test_a_day_without_landed_files_is_left_as_it_is(lake: Lake, tmp_path: Path) -> None:
    """What came by another way stays."""
    file = l1_file(tmp_path / "a.parquet", [(0, "BTCUSDT", 1.0, 2.0, 1)])
    ingest_files(lake, [file], venue="binance", format="l1")
    before = lake.snapshot()
    assert ingest_landing(lake, "binance", DAY).rows_read == 0
    assert lake.snapshot() == before


def test_unfinished_hidden_and_foreign_files_are_left_alone(lake: Lake) -> None:
    """A partial download, a hidden file, a symbol list, an unknown format."""
    for name in ("a.parquet.part", "a.parquet.tmp", ".a.parquet"):
        drop(lake, name, 0)
    for folder in ("symbols_kucoin", "what"):
        file = lake.settings.landing / "binance" / folder / "x.json"
        file.parent.mkdir(parents=True)
        file.write_text("{}")
    assert landed(lake) == []


def test_a_file_that_still_grows_is_left_alone(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Young files are looked at twice; the writer adds to one of them in between."""
    growing, settled = drop(lake, "a.parquet", 0), drop(lake, "b.parquet", 1)
    for path in (growing, settled):
        os.utime(path)

    def write_on(_: float) -> None:
        growing.write_bytes(growing.read_bytes() + b"more")

    monkeypatch.setattr(landing_module.time, "sleep", write_on)
    assert [file.source.name for file in landed(lake)] == ["l1/b.parquet"]


def test_a_bad_file_touches_nothing_and_tells_why(lake: Lake) -> None:
    """And does not keep the good ones out."""
    drop(lake, "good.parquet", 0)
    drop(lake, "bad.parquet", 0).write_bytes(b"PAR1")
    bad, good = landed(lake)
    assert bad.days == ()
    assert bad.error is not None
    assert "not a whole Parquet file" in bad.error
    assert good.days == (DAY,)
    assert [p.day for p in pending(lake)] == [DAY]
    assert ingest_landing(lake, "binance", DAY).rows_accepted == 1


def test_what_is_left_out_is_told_of_and_alerts_once(lake: Lake) -> None:
    """A bad file and a folder that is no format's, until they are gone."""
    drop(lake, "bad.parquet", 0).write_bytes(b"PAR1")
    folder = lake.settings.landing / "binance" / "level1"
    folder.mkdir()
    pending(lake)
    assert len(refusals(lake)) == 1, "an empty folder is nobody's mistake"
    (folder / "a.parquet").touch()
    for _ in range(2):
        assert pending(lake) == ()
        in_folder, in_file = refusals(lake)
        assert "level1: unknown format 'level1'; the formats are" in in_folder
        assert "bad.parquet: not a whole Parquet file" in in_file
    alerts = [json.loads(line) for line in alerts_path(lake.settings).read_text().splitlines()]
    assert [alert["file"] for alert in alerts] == ["binance/l1/bad.parquet", "binance/level1/"]
    (folder / "a.parquet").unlink()
    (folder.parent / "l1" / "bad.parquet").unlink()
    pending(lake)
    assert refusals(lake) == ()


def test_a_changed_file_asks_for_its_days_again(lake: Lake) -> None:
    """The new content replaces the old."""
    drop(lake, "a.parquet", 0)
    ingest_landing(lake, "binance", DAY)
    drop(lake, "a.parquet", 0, 7)
    assert [p.day for p in pending(lake)] == [DAY]
    assert ingest_landing(lake, "binance", DAY).rows_accepted == 2
    assert lake.query("SELECT count(*) FROM book_tops").item() == 2
