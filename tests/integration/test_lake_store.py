"""The store against a real lake: replacement, staging, evolution, failures."""

from __future__ import annotations

import pickle
import resource
import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import date
from decimal import Decimal
from pathlib import Path
from threading import Event

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from arb_pipelines.errors import ArbError, ConfigError, DataError
from arb_pipelines.lake.attachment import attach_statements
from arb_pipelines.lake.schemas import BOOK_GAPS, BOOK_TOPS, MARKETS, TABLES, Column, Table
from arb_pipelines.lake.store import STAGED_ROWS, Lake
from arb_pipelines.lake.transaction import Transaction
from arb_pipelines.settings import Settings, load_settings

DAY = date(2025, 8, 31)
KEYS = {"venue": "v", "day": DAY}


def gaps(count: int, venue: str = "v", **changed: object) -> pl.DataFrame:
    """Rows of ``book_gaps``, numbered in ts_recv."""
    return pl.DataFrame(
        {
            "venue": [venue] * count,
            "day": [DAY] * count,
            "source": ["s"] * count,
            "symbol": ["A-B"] * count,
            "ts_recv": range(count),
            "expected": [1] * count,
            "got": [2] * count,
            "resynced_ts": [None] * count,
            **changed,
        },
        schema=BOOK_GAPS.polars,
    )


def counts(lake: Lake) -> list[tuple[str, int, int]]:
    """Rows and highest ts_recv of each venue in ``book_gaps``."""
    sql = "SELECT venue, count(*), max(ts_recv) FROM book_gaps GROUP BY venue ORDER BY venue"
    return lake.query(sql).rows()


@pytest.mark.parametrize("count", [3, STAGED_ROWS + 3])
def test_a_partition_written_twice_is_the_same_as_once(any_home: Settings, count: int) -> None:
    """Replacing is by partition, for rows inserted and for rows staged, and touches no other."""
    lake = Lake(any_home)
    lake.replace({"venue": "w", "day": DAY}, {BOOK_GAPS: gaps(1, "w")})
    for _ in range(2):
        assert lake.replace(KEYS, {BOOK_GAPS: gaps(count)}) == {"book_gaps": count}
    assert counts(lake) == [("v", count, count - 1), ("w", 1, 0)]
    lake.replace(KEYS, {BOOK_GAPS: gaps(0)})
    assert counts(lake) == [("w", 1, 0)]


def test_an_instance_is_used_up_and_nobody_notices(
    any_home: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What DuckLake remembers goes with its instance; connections to it live on until closed."""
    monkeypatch.setattr(Lake, "uses", 3)
    lake = Lake(any_home)
    lake.replace(KEYS, {BOOK_GAPS: gaps(1)})
    with closing(lake.connect()) as before:
        before.execute("SET GLOBAL default_null_order = 'nulls_first'")
        before.execute("BEGIN")
        held = before.execute("SELECT count(*) FROM book_gaps").fetchone()
        for count in range(2, 12):
            lake.replace(KEYS, {BOOK_GAPS: gaps(count)})
        files = len([*Path("/proc/self/fd").iterdir()])
        for count in range(12, 20):
            lake.replace(KEYS, {BOOK_GAPS: gaps(count)})
            assert counts(lake) == [("v", count, count - 1)]
        assert len([*Path("/proc/self/fd").iterdir()]) <= files + 2
        assert before.execute("SELECT count(*) FROM book_gaps").fetchone() == held == (1,)
    order = lake.query("SELECT current_setting('default_null_order')").item()
    assert order.lower() != "nulls_first"


def test_an_instance_that_cannot_be_renewed_is_used_on(
    home: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Extensions replaced under a running process cost it nothing."""
    monkeypatch.setattr(Lake, "uses", 2)
    lake = Lake(home)
    lake.replace(KEYS, {BOOK_GAPS: gaps(1)})

    def fail(*_given: object) -> None:
        raise ConfigError("the extension is of another version")

    monkeypatch.setattr("arb_pipelines.lake.store.open_engine", fail)
    for count in range(2, 8):
        lake.replace(KEYS, {BOOK_GAPS: gaps(count)})
        assert counts(lake) == [("v", count, count - 1)]
    with pytest.raises(ConfigError, match="another version"):
        Lake(home).snapshot()


@pytest.mark.parametrize("count", [3, STAGED_ROWS])
def test_names_of_any_characters(lake: Lake, count: int) -> None:
    """A partition value with quotes, slashes, spaces and accents is one partition."""
    venue = "a 'b'/c=d%é"
    keys = {"venue": venue, "day": DAY}
    for _ in range(2):
        lake.replace(keys, {BOOK_GAPS: gaps(count, venue)})
    assert counts(lake) == [(venue, count, count - 1)]


def test_every_kind_of_rows_is_taken(lake: Lake) -> None:
    """Arrow tables with dictionaries, readers and DuckDB relations stage as frames do."""
    table = gaps(STAGED_ROWS).to_arrow()
    coded = table.set_column(3, "symbol", table["symbol"].cast(pa.string()).dictionary_encode())
    with lake.reading() as connection:
        for rows in (
            coded,
            pa.RecordBatchReader.from_batches(table.schema, table.to_batches(7_000)),
            connection.from_arrow(table),
        ):
            assert lake.replace(KEYS, {BOOK_GAPS: rows}) == {"book_gaps": STAGED_ROWS}
            assert counts(lake) == [("v", STAGED_ROWS, STAGED_ROWS - 1)]


def test_staging_keeps_decimals_and_lists_exact(lake: Lake) -> None:
    """Eighteen digits after the point survive the way through Parquet."""
    tiny = Decimal("0.000000000000000001")
    count = STAGED_ROWS
    row = dict.fromkeys(MARKETS.names, None) | KEYS
    row |= dict.fromkeys(("symbol", "venue_symbol", "base", "quote", "fee_side", "status"), "x")
    row |= {"inferred": False, "list_day": DAY, "price_increment": tiny}
    lake.replace(KEYS, {MARKETS: pl.DataFrame([row], schema=MARKETS.polars)[[0] * count]})
    assert lake.query("SELECT DISTINCT price_increment FROM markets").item() == tiny


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        (pl.Series("venue", ["v"] * (STAGED_ROWS - 1) + ["w"]), "outside the partition"),
        (pl.Series("got", [None] + [1] * (STAGED_ROWS - 1)), "got is NULL"),
    ],
)
def test_bad_rows_leave_the_old_partition(lake: Lake, changed: pl.Series, reason: str) -> None:
    """A row of another partition or a missing value is refused, and nothing has changed."""
    lake.replace(KEYS, {BOOK_GAPS: gaps(5)})
    with pytest.raises(DataError, match=reason):
        lake.replace(KEYS, {BOOK_GAPS: gaps(STAGED_ROWS).with_columns(changed)})
    with pytest.raises(DataError, match="lack the columns got"):
        lake.replace(KEYS, {BOOK_GAPS: gaps(STAGED_ROWS).drop("got")})
    assert counts(lake) == [("v", 5, 4)]
    assert not list(Path(lake.data).rglob("arb-*.parquet"))


def test_a_full_disk_leaves_the_old_partition(lake: Lake) -> None:
    """A write that fails in the middle is one clear error, and the lake is as before."""
    lake.replace(KEYS, {BOOK_GAPS: gaps(5)})
    noise = np.random.default_rng(1).integers(0, 2**62, STAGED_ROWS)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(ArbError, match="could not be written"):
            lake.replace(KEYS, {BOOK_GAPS: gaps(STAGED_ROWS, ts_recv=noise)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert counts(lake) == [("v", 5, 4)]
    assert not list(Path(lake.data).rglob("arb-*.parquet"))
    lake.replace(KEYS, {BOOK_GAPS: gaps(6)})
    assert counts(lake) == [("v", 6, 5)]


def test_a_failing_commit_changes_nothing(any_home: Settings) -> None:
    """An error after the first table's rows are in takes them out again."""
    lake = Lake(any_home)
    lake.replace(KEYS, {BOOK_GAPS: gaps(5)})

    def work(transaction: Transaction) -> None:
        transaction.replace(BOOK_GAPS, KEYS, gaps(7))
        raise ValueError("half way")

    with pytest.raises(ValueError, match="half way"):
        lake.commit(work)
    assert counts(lake) == [("v", 5, 4)]


def test_a_snapshot_reads_what_it_saw(any_home: Settings) -> None:
    """An older snapshot gives its own rows; one that never was is an error with advice."""
    lake = Lake(any_home)
    lake.replace(KEYS, {BOOK_GAPS: gaps(5)})
    seen = lake.snapshot()
    lake.replace(KEYS, {BOOK_GAPS: gaps(STAGED_ROWS)})
    assert lake.query("SELECT count(*) FROM book_gaps", snapshot=seen).item() == 5
    assert lake.query(f"SELECT count(*) FROM book_gaps AT (VERSION => {seen})").item() == 5
    with pytest.raises(DataError, match="never was"):
        lake.query("SELECT 1", snapshot=999)


def test_two_writers_of_one_empty_partition_leave_one(any_home: Settings) -> None:
    """The second begins when the first has ended; DuckLake alone lets both in, and doubles rows."""
    first, second = Lake(any_home), Lake(any_home)
    first.snapshot()
    second.snapshot()
    inside, overtaken = Event(), Event()

    def work(transaction: Transaction) -> None:
        transaction.replace(BOOK_GAPS, KEYS, gaps(5))
        inside.set()
        assert not overtaken.wait(0.3), "two commits at once"

    def overtake(transaction: Transaction) -> None:
        overtaken.set()
        transaction.replace(BOOK_GAPS, KEYS, gaps(5))

    with ThreadPoolExecutor(2) as pool:
        slow = pool.submit(first.commit, work)
        assert inside.wait(60)
        quick = pool.submit(second.commit, overtake)
        slow.result()
        quick.result()
    assert counts(first) == [("v", 5, 4)]


def test_a_home_may_move_and_have_any_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Quotes and spaces in the path work, and a moved folder is still the same lake."""
    monkeypatch.setenv("ARB_HOME", str(tmp_path / "it's a home"))
    Lake(load_settings()).replace(KEYS, {BOOK_GAPS: gaps(STAGED_ROWS)})
    shutil.move(tmp_path / "it's a home", tmp_path / "moved")
    monkeypatch.setenv("ARB_HOME", str(tmp_path / "moved"))
    moved = Lake(load_settings())
    moved.replace({"venue": "w", "day": DAY}, {BOOK_GAPS: gaps(2, "w")})
    assert counts(moved) == [("v", STAGED_ROWS, STAGED_ROWS - 1), ("w", 2, 1)]


def test_no_lake_yet(home: Settings) -> None:
    """Reading where nothing was written says what to do, and creates nothing."""
    with pytest.raises(DataError, match="make demo"):
        Lake(home, read_only=True).query("SELECT 1")
    assert not home.root.exists()


def test_a_lake_half_created_is_completed(home: Settings) -> None:
    """An empty catalog file, left by a process that died, becomes a lake."""
    home.root.mkdir(parents=True)
    (home.root / "catalog.sqlite").touch()
    assert Lake(home).query("SELECT count(*) FROM runs").item() == 0


def test_a_newer_version_adds_what_is_missing(
    home: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """New tables and nullable columns appear in an older lake; its rows stay."""
    Lake(home).replace(KEYS, {BOOK_GAPS: gaps(2)})
    wider = Table(
        BOOK_GAPS.name,
        BOOK_GAPS.grain,
        (*BOOK_GAPS.columns, Column("note", "VARCHAR", "", nullable=True)),
        BOOK_GAPS.partition_by,
    )
    monkeypatch.setitem(TABLES, "book_gaps", wider)
    monkeypatch.setitem(TABLES, "brand_new", Table("brand_new", "", (Column("x", "BIGINT", ""),)))
    lake = Lake(home)
    assert lake.query("SELECT note, ts_recv FROM book_gaps ORDER BY 2").rows() == [
        (None, 0),
        (None, 1),
    ]
    noted = gaps(STAGED_ROWS).with_columns(note=pl.lit("n"))
    lake.replace({"venue": "w", "day": DAY}, {wider: noted.with_columns(venue=pl.lit("w"))})
    assert lake.query("SELECT note, count(*) FROM book_gaps GROUP BY 1 ORDER BY 1").rows() == [
        ("n", STAGED_ROWS),
        (None, 2),
    ]
    assert lake.query("SELECT count(*) FROM brand_new").item() == 0


@pytest.mark.parametrize(
    ("column", "reason"),
    [(Column("note", "VARCHAR", ""), "lacks note"), (Column("got", "DOUBLE", ""), "is BIGINT")],
)
def test_a_change_that_cannot_be_made_is_named(
    home: Settings, monkeypatch: pytest.MonkeyPatch, column: Column, reason: str
) -> None:
    """A column that may not be NULL, or has another type, names the table and the way out."""
    Lake(home).snapshot()
    kept = tuple(c for c in BOOK_GAPS.columns if c.name != column.name)
    changed = Table("book_gaps", "", (*kept, column), BOOK_GAPS.partition_by)
    monkeypatch.setitem(TABLES, "book_gaps", changed)
    with pytest.raises(ConfigError, match=f"{reason}.*new ARB_HOME"):
        Lake(home).snapshot()


@pytest.mark.parametrize(
    "catalog",
    [
        "postgres:dbname=x host=127.0.0.1 port=1 user=arb password=s3cret",
        "postgres:dbname=x host=127.0.0.1 port=1 user=arb password='s3cret s3cret'",
        "postgres:postgresql://arb:s3cret@127.0.0.1:1/x",
        "postgres:postgresql://127.0.0.1:1/x?user=arb&password=s3cret",
    ],
)
def test_a_password_is_never_shown(
    home: Settings, monkeypatch: pytest.MonkeyPatch, catalog: str
) -> None:
    """A catalog out of reach is an error that names the host and hides the password."""
    monkeypatch.setenv("ARB_LAKE_CATALOG", catalog)
    lake = Lake(load_settings())
    with pytest.raises(ArbError, match=r"127\.0\.0\.1") as caught:
        lake.snapshot()
    assert "s3cret" not in f"{caught.value} {attach_statements(lake.settings)} {lake.settings}"


def test_a_lake_travels_to_another_process(lake: Lake) -> None:
    """A pickled lake opens its own connection."""
    lake.replace(KEYS, {BOOK_GAPS: gaps(2)})
    assert counts(pickle.loads(pickle.dumps(lake))) == [("v", 2, 1)]


def test_a_read_only_lake_refuses_to_write(lake: Lake) -> None:
    """Whoever only reads cannot write by mistake."""
    lake.snapshot()
    reader = Lake(lake.settings, read_only=True)
    with pytest.raises(ConfigError, match="read-only"):
        reader.replace(KEYS, {BOOK_GAPS: gaps(2)})
    with pytest.raises(ConfigError, match="read-only"):
        reader.commit(lambda transaction: transaction.append(BOOK_TOPS, BOOK_TOPS.frame()))


@pytest.mark.parametrize("lost", ["missing", "empty"])
def test_data_without_its_catalog_is_not_overwritten(home: Settings, lost: str) -> None:
    """No new lake begins over the data of one whose catalog is lost."""
    data = home.root / "lake" / "main"
    data.mkdir(parents=True)
    (data / "old.parquet").write_bytes(b"PAR1")
    if lost == "empty":
        (home.root / "catalog.sqlite").touch()
    with pytest.raises(ConfigError, match=r"restore the catalog from a backup, or move"):
        Lake(home).commit(lambda tx: None)
    assert (data / "old.parquet").exists()
