"""Ingest against a real lake: what goes in, what is refused, and that twice is once."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

from arb_pipelines.clock import NS_PER_DAY
from arb_pipelines.errors import ConfigError, DataError
from arb_pipelines.lake.ingest import IngestReport, ingest_files
from arb_pipelines.lake.markets import load_markets, store_markets
from arb_pipelines.lake.store import Lake
from arb_pipelines.market.symbols import Market
from arb_pipelines.settings import load_settings
from tests.fakes.book_files import DAY, START, contents, depth_file, l1_file

NEXT_DAY = DAY + timedelta(days=1)
GOOD = [(n, "BTCUSDT" if n % 2 else "ETH-BTC", 10.0 + n, 20.0 + n, n) for n in range(6)]


def ingest(lake: Lake, *paths: Path, **options: object) -> IngestReport:
    """Ingest ``l1`` files of Binance."""
    arguments: dict[str, object] = {"venue": "binance", "format": "l1"} | options
    return ingest_files(lake, paths, **arguments)  # type: ignore[arg-type]


def rejected(lake: Lake) -> list[tuple[object, ...]]:
    """Source, row and reason of every refused row."""
    return lake.query("SELECT source, row, reason FROM rejected_rows ORDER BY ALL").rows()


def times(lake: Lake, day: date = DAY) -> list[tuple[object, ...]]:
    """Source and time after START of the accepted rows, by row_no, which has no holes."""
    rows = lake.query(
        "SELECT row_no, source, ts_recv FROM book_tops WHERE day = ? ORDER BY row_no", [day]
    ).rows()
    assert [row[0] for row in rows] == list(range(len(rows)))
    return [(source, ts - START) for _, source, ts in rows]


def test_accepted_rows_carry_canonical_symbols_times_and_origin(lake: Lake, tmp_path: Path) -> None:
    """One file, in order, without a symbol list: markets are inferred and marked so."""
    report = ingest(lake, l1_file(tmp_path / "a.parquet", GOOD))
    assert (report.rows_read, report.rows_accepted, report.rows_rejected) == (6, 6, 0)
    assert report.symbols == ("BTC-USDT", "ETH-BTC")
    assert report.snapshot == lake.snapshot()
    row = lake.query("SELECT * FROM book_tops WHERE row_no = 3").to_dicts()[0]
    assert row == {
        "venue": "binance",
        "day": DAY,
        "row_no": 3,
        "symbol": "BTC-USDT",
        "ts_event": None,
        "ts_recv": START + 3,
        "update_id": 3,
        "bid_px": 13.0,
        "bid_sz": 1.0,
        "ask_px": 23.0,
        "ask_sz": 1.0,
        "source": "a.parquet",
        "source_row": 3,
    }
    markets = load_markets(lake, "binance", DAY)
    assert [(m.symbol, m.venue_symbol, m.inferred) for m in markets] == [
        ("BTC-USDT", "BTCUSDT", True),
        ("ETH-BTC", "ETH-BTC", True),
    ]


def test_rows_out_of_order_are_numbered_by_time(lake: Lake, tmp_path: Path) -> None:
    """Each symbol runs forwards, the file as a whole does not."""
    rows = [(5, "AUSDT", 1.0, 2.0, 1), (1, "BUSDT", 1.0, 2.0, 1), (5, "BUSDT", 1.0, 2.0, 2)]
    ingest(lake, l1_file(tmp_path / "a.parquet", rows))
    assert lake.query("SELECT symbol, source_row FROM book_tops ORDER BY row_no").rows() == [
        ("B-USDT", 1),
        ("A-USDT", 0),
        ("B-USDT", 2),
    ]


def test_bad_rows_are_written_down_with_their_reason(lake: Lake, tmp_path: Path) -> None:
    """Accepted and rejected make up what was read."""
    rows = [
        (5, "BTCUSDT", 1.0, 2.0, 1),
        (5, "BTCUSDT", 1.0, 2.0, 1),
        (6, "BTCUSDT", 3.0, 2.0, 2),
        (None, "BTCUSDT", 1.0, 2.0, 3),
        (4, "BTCUSDT", 1.0, 2.0, 4),
        (7, "WHAT", 1.0, 2.0, 5),
        (8, "BTCUSDT", float("nan"), 2.0, 6),
        (9, "BTCUSDT", None, 2.0, 7),
    ]
    report = ingest(lake, l1_file(tmp_path / "a.parquet", rows))
    assert [row[1:] for row in rejected(lake)] == [
        (1, "duplicate"),
        (2, "crossed"),
        (3, "no time"),
        (4, "time backwards"),
        (5, "unknown symbol"),
        (6, "nan"),
    ]
    assert (report.rows_read, report.rows_accepted, report.rows_rejected) == (8, 2, 6)
    assert sum(report.reasons.values()) == 6
    details = dict(lake.query("SELECT row, detail FROM rejected_rows").rows())
    assert details[2] == f"bid 3 x 1, ask 2 x 1, received {START + 6}, update 2"
    assert lake.query("SELECT bid_px, bid_sz FROM book_tops WHERE row_no = 1").rows() == [
        (None, None)
    ]


def test_time_backwards_on_the_day_before_goes_to_that_day(lake: Lake, tmp_path: Path) -> None:
    """Every row counts in the partition of its own time."""
    rows = [(0, "BTCUSDT", 1.0, 2.0, 1), (-1, "BTCUSDT", 1.0, 2.0, 2)]
    report = ingest(lake, l1_file(tmp_path / "a.parquet", rows))
    assert [(p.day, p.rows_accepted, p.rows_rejected) for p in report.partitions] == [
        (DAY - timedelta(days=1), 0, 1),
        (DAY, 1, 0),
    ]


def test_a_file_over_midnight_fills_both_days(lake: Lake, tmp_path: Path) -> None:
    """Each partition is numbered from 0, and its counts add up."""
    rows = [(n * NS_PER_DAY // 3, "BTCUSDT", 1.0 + n, 9.0 + n, n) for n in range(6)]
    report = ingest(lake, l1_file(tmp_path / "a.parquet", rows))
    assert [(p.day, p.rows_read, p.rows_accepted) for p in report.partitions] == [
        (DAY, 3, 3),
        (NEXT_DAY, 3, 3),
    ]
    assert len(times(lake, DAY)) == len(times(lake, NEXT_DAY)) == 3


def test_a_wanted_day_refuses_the_rows_of_others(lake: Lake, tmp_path: Path) -> None:
    """They are written down under the wanted day, and do not touch their own."""
    rows = [(n * NS_PER_DAY // 2, "BTCUSDT", 1.0 + n, 9.0 + n, n) for n in range(4)]
    report = ingest(lake, l1_file(tmp_path / "a.parquet", rows), day=NEXT_DAY)
    assert [(p.day, p.rows_accepted, p.rows_rejected) for p in report.partitions] == [
        (NEXT_DAY, 2, 2)
    ]
    assert report.reasons == {"other day": 2}
    assert lake.query("SELECT DISTINCT day FROM rejected_rows").rows() == [(NEXT_DAY,)]


def test_with_a_list_other_symbols_are_unknown(lake: Lake, tmp_path: Path) -> None:
    """And nothing is inferred, on later days neither."""
    listed = [Market("binance", "XBT-USDT", "XBT", "USDT", "BTCUSDT")]
    store_markets(lake, "binance", DAY - timedelta(days=3), listed, list_day=DAY)
    report = ingest(lake, l1_file(tmp_path / "a.parquet", GOOD))
    assert report.symbols == ("XBT-USDT",)
    assert report.reasons == {"unknown symbol": 3}
    assert lake.query("SELECT count(*) FROM markets").item() == 1


def test_levels_share_the_row_no_of_their_top(lake: Lake, tmp_path: Path) -> None:
    """A source with depth and one without, in one partition."""
    ingest(lake, l1_file(tmp_path / "a.parquet", GOOD[::2]))
    ingest(lake, depth_file(tmp_path / "b.parquet", GOOD[1::2]), format="depth5")
    rows = lake.query(
        "SELECT t.row_no, t.source, t.bid_px, l.bid_px, l.ask_sz, t.symbol = l.symbol "
        "FROM book_tops t LEFT JOIN book_levels l USING (venue, day, row_no) ORDER BY 1"
    ).rows()
    assert rows == [
        (n, "b.parquet", 10.0 + n, [10.0 + n, 9.0 + n], [1.0, 1.0], True)
        if n % 2
        else (n, "a.parquet", 10.0 + n, None, None, None)
        for n in range(6)
    ]


def test_the_same_file_twice_is_once(lake: Lake, tmp_path: Path) -> None:
    """Also under another name, next to another file, and with refused rows."""
    bad = (6, "BTCUSDT", 9.0, 2.0, 1)
    other = l1_file(tmp_path / "0.parquet", [(n, "BTCUSDT", 1.0, 2.0, n) for n in (1, 3, 9)])
    file = l1_file(tmp_path / "a.parquet", [*GOOD, bad])
    ingest(lake, other, file)
    once = contents(lake)
    ingest(lake, file)
    assert contents(lake) == once
    ingest(lake, file.rename(tmp_path / "renamed.parquet"))
    assert sorted({source for source, _ in times(lake)}) == ["0.parquet", "renamed.parquet"]
    assert len(times(lake)) == 9
    assert len(rejected(lake)) == 1


def test_two_files_of_a_day_make_the_same_partition_in_either_order(
    tmp_path: Path,
) -> None:
    """Rows interleave by time; a state that both have is kept from the first by name."""
    a = l1_file(tmp_path / "a.parquet", [(n, "BTCUSDT", 1.0 + n, 20.0, n) for n in (0, 2, 4, 6)])
    b = l1_file(tmp_path / "b.parquet", [(n, "BTCUSDT", 1.0 + n, 20.0, n) for n in (1, 4, 6, 7)])
    seen = []
    for order in ([[a], [b]], [[b], [a]], [[b, a]]):
        lake = Lake(load_settings(home=tmp_path / f"home-{len(seen)}"))
        for files in order:
            ingest(lake, *files)
        seen.append(contents(lake))
        assert [t for _, t in times(lake)] == [0, 1, 2, 4, 6, 7]
        assert rejected(lake) == [("b.parquet", 1, "duplicate"), ("b.parquet", 2, "duplicate")]
        assert lake.query("SELECT * EXCLUDE (sha256) FROM ingests ORDER BY source").rows() == [
            ("binance", DAY, "a.parquet", "l1", 4, 4, 0, 0),
            ("binance", DAY, "b.parquet", "l1", 4, 2, 2, 0),
        ]
    assert seen[0] == seen[1] == seen[2]


def test_a_duplicate_comes_back_when_its_twin_is_replaced(lake: Lake, tmp_path: Path) -> None:
    """The partition depends on the files as they are now."""
    same, more = (4, "BTCUSDT", 5.0, 20.0, 4), (6, "BTCUSDT", 6.0, 20.0, 6)
    ingest(lake, depth_file(tmp_path / "a.parquet", [same]), format="depth5")
    ingest(lake, depth_file(tmp_path / "b.parquet", [same, more]), format="depth5")
    assert times(lake) == [("a.parquet", 4), ("b.parquet", 6)]
    ingest(lake, depth_file(tmp_path / "a.parquet", [(5, *same[1:])]), format="depth5")
    assert times(lake) == [("b.parquet", 4), ("a.parquet", 5), ("b.parquet", 6)]
    assert rejected(lake) == []
    assert lake.query(
        "SELECT rows_accepted, rows_rejected FROM ingests ORDER BY source"
    ).rows() == [
        (1, 0),
        (2, 0),
    ]
    assert lake.query("SELECT source, bid_px FROM book_levels ORDER BY row_no").rows() == [
        ("b.parquet", [5.0, 4.0]),
        ("a.parquet", [5.0, 4.0]),
        ("b.parquet", [6.0, 5.0]),
    ]


def test_replace_forgets_the_other_files_of_the_day(lake: Lake, tmp_path: Path) -> None:
    """And only of the days that the new file touches."""
    ingest(lake, l1_file(tmp_path / "a.parquet", GOOD))
    ingest(lake, l1_file(tmp_path / "n.parquet", [(NS_PER_DAY, "BTCUSDT", 1.0, 2.0, 1)]))
    ingest(lake, l1_file(tmp_path / "b.parquet", [(0, "BTCUSDT", 1.0, 2.0, 1)]), replace=True)
    assert times(lake) == [("b.parquet", 0)]
    assert times(lake, NEXT_DAY) == [("n.parquet", NS_PER_DAY)]
    assert lake.query("SELECT source FROM ingests ORDER BY 1").rows() == [
        ("b.parquet",),
        ("n.parquet",),
    ]


def test_one_bad_file_of_a_folder_changes_nothing(lake: Lake, tmp_path: Path) -> None:
    """Nothing is written before all files have been read to the end."""
    l1_file(tmp_path / "in" / "a.parquet", GOOD)
    (tmp_path / "in" / "b.parquet").write_bytes(b"PAR1")
    before = lake.snapshot()
    with pytest.raises(DataError, match="not a whole Parquet file"):
        ingest(lake, tmp_path / "in")
    assert lake.snapshot() == before
    assert not list((lake.root / "spool").iterdir())


def test_a_folder_is_searched_for_files_of_the_format(lake: Lake, tmp_path: Path) -> None:
    """Hidden, unfinished and foreign files are left out; names are paths in the folder."""
    for name in ("x/a.parquet", "y/a.parquet", ".hidden.parquet", "b.parquet.part"):
        l1_file(tmp_path / "in" / name, [(len(name), "BTCUSDT", 1.0, 2.0, ord(name[0]))])
    (tmp_path / "in" / "README.md").write_text("not books")
    report = ingest(lake, tmp_path / "in")
    assert report.files == ("x/a.parquet", "y/a.parquet")


@pytest.mark.parametrize(
    ("path", "options", "error", "message"),
    [
        ("nowhere.parquet", {}, DataError, "nowhere.parquet: no such file or folder"),
        ("empty", {}, DataError, "the folder has no .parquet files"),
        ("a.parquet", {"format": "csv"}, DataError, "unknown format 'csv'; the formats are depth5"),
        ("a.parquet", {"format": "depth5"}, DataError, "a.parquet: missing columns bid_px_1"),
        ("a.parquet", {"venue": "../x"}, ConfigError, "'../x' cannot name a venue"),
        ("timeless.parquet", {}, DataError, "no row has a time that can be used"),
    ],
)
def test_what_cannot_be_ingested_is_named(
    lake: Lake,
    tmp_path: Path,
    path: str,
    options: dict[str, str],
    error: type[Exception],
    message: str,
) -> None:
    """And nothing is written."""
    l1_file(tmp_path / "a.parquet", GOOD)
    l1_file(tmp_path / "timeless.parquet", [(None, "BTCUSDT", 1.0, 2.0, 1)] * 3)
    (tmp_path / "empty").mkdir()
    before = lake.snapshot()
    with pytest.raises(error, match=message):
        ingest(lake, tmp_path / path, **options)
    assert lake.snapshot() == before


def test_rows_without_time_belong_to_the_day_of_their_neighbours(
    lake: Lake, tmp_path: Path
) -> None:
    """Of the row before, or at the start of the first that has a time."""
    rows = [
        (None, "BTCUSDT", 1.0, 2.0, 1),
        (0, "BTCUSDT", 1.0, 2.0, 2),
        (None, "BTCUSDT", 1.0, 2.0, 3),
        (NS_PER_DAY, "BTCUSDT", 1.0, 2.0, 4),
        (None, "BTCUSDT", 1.0, 2.0, 5),
    ]
    ingest(lake, l1_file(tmp_path / "a.parquet", rows))
    found = lake.query("SELECT day, row, reason FROM rejected_rows ORDER BY row").rows()
    assert found == [(DAY, 0, "no time"), (DAY, 2, "no time"), (NEXT_DAY, 4, "no time")]


def test_a_lake_that_is_no_folder_gets_the_same_rows(tmp_path: Path) -> None:
    """A data path with a scheme stands for an object store: files cannot be moved there."""
    seen = []
    for data in (str(tmp_path / "plain"), f"file://{tmp_path}/scheme"):
        settings = load_settings(home=tmp_path / f"home-{len(seen)}", lake_data=data)
        lake = Lake(settings)
        bad = (6, "BTCUSDT", 9.0, 2.0, 1)
        ingest(lake, depth_file(tmp_path / "a.parquet", [*GOOD, bad]), format="depth5")
        ingest(lake, l1_file(tmp_path / "b.parquet", GOOD))
        seen.append(contents(lake))
    assert seen[0] == seen[1]
    assert all(seen[1][name] for name in ("book_tops", "book_levels", "rejected_rows", "ingests"))
