"""OHLC bars: from files into the lake, joined by key, and out again."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from arb_pipelines.cli import main
from arb_pipelines.errors import ConfigError, DataError
from arb_pipelines.lake.bar_ingest import BarIngestReport, ingest_bars
from arb_pipelines.lake.bars import interval_seconds, read_bars
from arb_pipelines.lake.ingest import ingest_files
from arb_pipelines.lake.store import Lake
from tests.fakes import book_files

HEADER = "time,symbol,open,high,low,close,volume\n"
GOOD = "BTC/USD,10,12,9,11,3.5"
DAY = date(2024, 3, 1)
NS = 1_000_000_000
MIDNIGHT = 1_709_251_200  # 2024-03-01, s


def csv(folder: Path, *lines: str, name: str = "bars.csv", header: str = HEADER) -> Path:
    """A CSV file of bars."""
    path = folder / name
    path.write_text(header + "".join(f"{line}\n" for line in lines))
    return path


def take(lake: Lake, *paths: Path, **options: object) -> BarIngestReport:
    """Ingest files of venue 'v'."""
    return ingest_bars(lake, paths, venue="v", **options)  # type: ignore[arg-type]


def bars(lake: Lake, **options: object) -> list[tuple[object, ...]]:
    """All hourly bars of the day of BTC-USD, by time."""
    return read_bars(lake, "v", ["BTC-USD"], DAY, DAY, **options).rows()  # type: ignore[arg-type]


def rejected(lake: Lake) -> list[tuple[object, ...]]:
    """Refused rows by file and row, with the reason."""
    return lake.query("SELECT source, row, reason FROM rejected_rows ORDER BY source, row").rows()


@pytest.mark.parametrize(
    "time",
    [
        "2024-03-01 00:00:00",
        "2024-03-01T00:00:00Z",
        "2024-03-01T01:30:00.000+01:30",
        "2024-03-01",
        "2024-03-01 00:00",
        f"{MIDNIGHT}",
        f"{MIDNIGHT}000",
        f"{MIDNIGHT}000000",
        f"{MIDNIGHT}000000000",
    ],
)
def test_a_time_is_read_in_every_form(time: str, lake: Lake, tmp_path: Path) -> None:
    """Without a zone it is UTC; an integer's unit is told by its size."""
    report = take(lake, csv(tmp_path, f"{time},{GOOD}"))
    assert report.rows_accepted == 1
    assert bars(lake) == [("BTC-USD", MIDNIGHT * NS, 10.0, 12.0, 9.0, 11.0, 3.5)]


def test_a_zone_less_time_is_read_in_the_zone_that_is_named(lake: Lake, tmp_path: Path) -> None:
    """New York's midnight is five hours later; an hour that happened twice is no time."""
    path = csv(tmp_path, f"2024-03-01,{GOOD}", f"2024-11-03 01:30:00,{GOOD}")
    report = take(lake, path, timezone="America/New_York")
    assert report.reasons == {"no time": 1}
    assert [row[1] for row in bars(lake)] == [(MIDNIGHT + 5 * 3600) * NS]
    with pytest.raises(ConfigError, match="'Mars' is not a time zone"):
        take(lake, path, timezone="Mars")


@pytest.mark.parametrize("symbol", ["BTCUSD", "BTC/USD", "BTC-USD", "btc_usd"])
def test_a_symbol_is_read_in_every_form(symbol: str, lake: Lake, tmp_path: Path) -> None:
    """Whatever the spelling, it is BASE-QUOTE in the lake."""
    take(lake, csv(tmp_path, f"2024-03-01,{symbol},10,12,9,11,3.5"))
    assert len(bars(lake)) == 1


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (f"soon,{GOOD}", "no time"),
        (f"1971-01-01,{GOOD}", "time out of range"),
        ("2024-03-01 01:00:00,XYZ,10,12,9,11,3.5", "unknown symbol"),
        ("2024-03-01 01:00:00,,10,12,9,11,3.5", "unknown symbol"),
        ("2024-03-01 01:00:00,BTCUSD,ten,12,9,11,3.5", "nan"),
        ("2024-03-01 01:00:00,BTCUSD,10,12,9,11,", "nan"),
        ("2024-03-01 01:00:00,BTCUSD,10,inf,9,11,3.5", "nan"),
        ("2024-03-01 01:00:00,BTCUSD,10,12,0,11,3.5", "non-positive price"),
        ("2024-03-01 01:00:00,BTCUSD,10,12,9,11,-1", "negative volume"),
        ("2024-03-01 01:00:00,BTCUSD,10,10.5,9,11,3.5", "high or low inside the bar"),
        ("2024-03-01 01:00:00,BTCUSD,10,12,10.5,11,3.5", "high or low inside the bar"),
        (f"2024-03-01,{GOOD}", "duplicate"),
        ("2024-03-01,BTC/USD,10,12,9,11,4", "two bars of one time"),
        (f"2024-03-02,{GOOD}", "other day"),
    ],
)
def test_a_bad_row_is_refused_with_its_reason(
    line: str, reason: str, lake: Lake, tmp_path: Path
) -> None:
    """It is in rejected_rows with file, row and values; the good row before it is a bar."""
    report = take(lake, csv(tmp_path, f"2024-03-01,{GOOD}", line), day=DAY)
    assert (report.rows_read, report.rows_accepted, report.rows_rejected) == (2, 1, 1)
    assert report.reasons == {reason: 1}
    assert rejected(lake) == [("ohlcv/bars.csv", 1, reason)]
    (row,) = lake.query("SELECT venue, day, detail FROM rejected_rows").rows()
    assert row[:2] == ("v", DAY)
    assert "volume" in row[2]
    assert len(bars(lake)) == 1


def test_the_same_file_twice_is_the_same_as_once(lake: Lake, tmp_path: Path) -> None:
    """Not even a new snapshot."""
    path = csv(tmp_path, f"2024-03-01,{GOOD}", f"soon,{GOOD}")
    first = take(lake, path)
    again = take(lake, path)
    assert (first.changed, again.changed) == (1, 0)
    assert (again.rows_accepted, again.rows_rejected) == (1, 1)
    assert again.snapshot == first.snapshot
    assert len(rejected(lake)) == 1


def test_overlapping_files_join_and_the_later_ingest_wins(lake: Lake, tmp_path: Path) -> None:
    """A corrected bar replaces the old; bars that only one file has all stay."""
    hours = [f"2024-03-01 0{hour}:00:00" for hour in range(4)]
    old = csv(tmp_path, *(f"{hour},{GOOD}" for hour in hours[:3]), name="old.csv")
    new = csv(
        tmp_path,
        f"{hours[2]},BTC/USD,10,12,9,11,5",
        f"{hours[3]},{GOOD}",
        f"{hours[1]},{GOOD}",
        name="new.csv",
    )
    take(lake, old)
    assert take(lake, new).changed == 2
    assert [row[-1] for row in bars(lake)] == [3.5, 3.5, 5.0, 3.5]
    sources = lake.query("SELECT source FROM bars ORDER BY ts_open")["source"].to_list()
    assert sources == [f"ohlcv/{name}.csv" for name in ("old", "old", "new", "new")]
    assert take(lake, old, new).changed == 1, "of several files the last by name wins"
    assert [row[-1] for row in bars(lake)] == [3.5, 3.5, 3.5, 3.5]


def test_a_mended_file_takes_its_refusals_back(lake: Lake, tmp_path: Path) -> None:
    """What a file of this name had refused before is forgotten with its next ingest."""
    take(lake, csv(tmp_path, f"2024-03-01,{GOOD}", f"soon,{GOOD}"))
    take(lake, csv(tmp_path, f"2024-03-01,{GOOD}", f"2024-03-01 01:00:00,{GOOD}"))
    assert rejected(lake) == []
    assert len(bars(lake)) == 2


def test_books_of_the_day_leave_the_refused_bars(lake: Lake, tmp_path: Path) -> None:
    """Both share rejected_rows; an ingest of books replaces its own rows there alone."""
    take(lake, csv(tmp_path, f"{book_files.DAY},{GOOD}", f"soon,{GOOD}"))
    books = book_files.l1_file(tmp_path / "books.parquet", [(0, "BTC-USD", 1.0, 2.0, 1)])
    for _ in range(2):
        ingest_files(lake, [books], venue="v", format="l1")
        assert rejected(lake) == [("ohlcv/bars.csv", 1, "no time")]


def test_a_mixed_file_is_filtered_by_venue(lake: Lake, tmp_path: Path) -> None:
    """The case of the exchange's name does not matter; no row of it is a DataError."""
    header = HEADER.replace("time", "exchange,time")
    lines = [f"{name},2024-03-01,{GOOD}" for name in ("V", "Other", "Third")]
    report = take(lake, csv(tmp_path, *lines, header=header))
    assert (report.rows_read, report.other_venues) == (1, 2)
    with pytest.raises(DataError, match="no bars of w but of Other, Third, V"):
        ingest_bars(lake, [tmp_path / "bars.csv"], venue="w")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not a whole Parquet or CSV"),
        (HEADER, "no rows"),
        ("time,open,high,low,close\n1,1,1,1,1\n", "missing columns symbol, volume or volume_base"),
        (HEADER + f"soon,{GOOD}\n", "no row has a time"),
        (HEADER + f"2024-03-01,{GOOD}\n2024-03-02,{GOOD}\n", "86400 s apart, not 3600"),
    ],
)
def test_a_file_that_is_wrong_as_a_whole_changes_nothing(
    text: str, message: str, lake: Lake, tmp_path: Path
) -> None:
    """Nor does the good file beside it."""
    csv(tmp_path, f"2024-03-01,{GOOD}", name="a.csv")
    (tmp_path / "b.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        take(lake, tmp_path)
    assert bars(lake) == []


def test_bars_are_read_by_symbol_day_and_interval(lake: Lake, tmp_path: Path) -> None:
    """By time, then symbol; both days are included; a snapshot shows what was there."""
    rows = [
        (f"2024-03-0{day} {hour}:00:00", symbol)
        for symbol in ("ETHUSD", "BTCUSD", "LTCUSD")
        for day in (1, 2, 3)
        for hour in (22, 23)
    ]
    table = pl.DataFrame(rows, schema=["time", "symbol"], orient="row").with_columns(
        pl.col("time").str.to_datetime(),
        **dict.fromkeys(("open", "high", "low", "close"), 1),
        volume_base=0,
    )
    path = tmp_path / "bars.parquet"
    table.write_parquet(path)
    before = lake.snapshot()
    take(lake, path)
    read = read_bars(lake, "v", ["ETH-USD", "BTC-USD", "X-Y"], DAY, date(2024, 3, 2))
    assert read.columns == ["symbol", "ts_open", "open", "high", "low", "close", "volume"]
    assert read["symbol"].to_list() == ["BTC-USD", "ETH-USD"] * 4
    assert read["ts_open"].is_sorted()
    assert len(read_bars(lake, "v", ["ETH-USD"], DAY, DAY, interval_s=60)) == 0
    assert len(read_bars(lake, "v", ["ETH-USD"], DAY, DAY, snapshot=before)) == 0


def test_the_length_of_a_bar_is_read() -> None:
    """Seconds to days; anything else says what to write."""
    assert [interval_seconds(text) for text in ("30s", "5m", "1h", "1d")] == [30, 300, 3600, 86400]
    for text in ("", "h", "0h", "1w", "-1h", "1h30m"):
        with pytest.raises(ConfigError, match="write 30s, 5m, 1h or 1d"):
            interval_seconds(text)


def run(*arguments: str) -> object:
    """Exit code of the command."""
    with pytest.raises(SystemExit) as ended:
        main(["ingest", *arguments, "--venue", "v", "--format", "ohlcv"])
    return ended.value.code


def test_the_command_prints_one_document_or_says_what_is_wrong(
    lake: Lake, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """JSON on stdout; options that bars do not know end with code 2 and one line."""
    path = str(csv(tmp_path, f"2024-03-01,{GOOD}", f"soon,{GOOD}"))
    assert run(path, "--json") == 0
    assert json.loads(capsys.readouterr().out) == {
        "venue": "v",
        "files": ["ohlcv/bars.csv"],
        "rows_read": 2,
        "rows_accepted": 1,
        "rows_rejected": 1,
        "reasons": {"no time": 1},
        "symbols": ["BTC-USD"],
        "days": ["2024-03-01", "2024-03-01"],
        "other_venues": 0,
        "changed": 1,
        "snapshot": lake.snapshot(),
    }
    assert run(path) == 0
    told = capsys.readouterr()
    assert "BTC-USD" in told.out
    assert "rejected 1: no time" in told.err
    for wrong in (["--replace"], ["--interval", "1w"], ["--segment", "spot"]):
        assert run(path, *wrong) == 2
        assert len(capsys.readouterr().err.splitlines()) == 1
