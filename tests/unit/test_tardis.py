"""Tardis's CSV files: every type, and every way in which a file can be wrong."""

from __future__ import annotations

import gzip
from pathlib import Path

import pyarrow as pa
import pytest

from arb_pipelines.errors import DataError
from arb_pipelines.lake.readers.base import BOOK_ROWS, Batch, ReadOptions
from arb_pipelines.lake.readers.tardis import read_tardis

QUOTES = "exchange,symbol,timestamp,local_timestamp,ask_amount,ask_price,bid_price,bid_amount"
LEVEL2 = "exchange,symbol,timestamp,local_timestamp,is_snapshot,side,price,amount"
T = 1_709_251_200_000_000


def write(folder: Path, *lines: str, compress: bool = True) -> Path:
    """Write a CSV of ``lines``, compressed as Tardis does it."""
    path = folder / f"kucoin_any_2024-03-01_BTC-USDT.csv{'.gz' if compress else ''}"
    text = "".join(line + "\n" for line in lines).encode()
    path.write_bytes(gzip.compress(text) if compress else text)
    return path


def read(path: Path, depth: int = 20) -> tuple[list[dict[str, object]], list[Batch]]:
    """All rows of a file, and its batches."""
    batches = list(read_tardis(path, ReadOptions(depth=depth)))
    for batch in batches:
        assert batch.rows.schema == BOOK_ROWS
    return pa.concat_tables([batch.rows for batch in batches]).to_pylist(), batches


def snapshot_header(depth: int) -> str:
    """Header of ``book_snapshot_<depth>``, levels interleaved as Tardis writes them."""
    cells = [
        f"{side}[{level}].{what}"
        for level in range(depth)
        for side in ("asks", "bids")
        for what in ("price", "amount")
    ]
    return ",".join(["exchange,symbol,timestamp,local_timestamp", *cells])


@pytest.mark.parametrize("compress", [True, False])
def test_quotes(tmp_path, compress):
    """A quote is a state with microseconds as ns, and an empty cell an empty side."""
    path = write(
        tmp_path,
        QUOTES,
        f"kucoin,BTC-USDT,{T},{T + 5},0.5,62000.01,62000,1.25",
        f"kucoin,BTC-USDT,{T + 9},{T + 9},,,62000,NaN",
        compress=compress,
    )
    rows, _ = read(path)
    first, second = rows
    assert (first["row"], first["symbol"]) == (0, "BTC-USDT")
    assert (first["ts_event"], first["ts_recv"]) == (T * 1000, (T + 5) * 1000)
    assert (first["bid_px"], first["bid_sz"]) == (62000.0, 1.25)
    assert (first["ask_px"], first["ask_sz"]) == (62000.01, 0.5)
    assert first["bids_px"] is None
    assert second["ts_event"] is None, "equal times: the venue sent none"
    assert (second["ask_px"], second["ask_sz"]) == (None, None)
    assert second["bid_sz"] != second["bid_sz"], "NaN stays NaN for the ingest to refuse"


@pytest.mark.parametrize("depth", [5, 25])
def test_book_snapshots(tmp_path, depth):
    """Levels come best first; absent ones are left out, half ones become NaN."""
    full = [f"{100 + i}.5,{i + 1},{100 - i}.5,{i + 2}" for i in range(depth)]
    thin = ["101,7,,", "102,,,"] + [",,,"] * (depth - 2)
    path = write(
        tmp_path,
        snapshot_header(depth),
        ",".join([f"kucoin,BTC-USDT,{T},{T + 1}", *full]),
        ",".join([f"kucoin,BTC-USDT,{T},{T + 2}", *thin]),
    )
    (first, second), _ = read(path)
    assert first["bids_px"] == [100.5 - i for i in range(depth)]
    assert first["asks_px"] == [100.5 + i for i in range(depth)]
    assert first["bids_sz"] == [float(i + 2) for i in range(depth)]
    assert first["asks_sz"] == [float(i + 1) for i in range(depth)]
    assert (first["bid_px"], first["ask_px"]) == (100.5, 100.5)
    assert (second["bid_px"], second["bids_px"], second["bids_sz"]) == (None, [], [])
    assert second["asks_px"] == [101.0, 102.0]
    assert second["asks_sz"][0] == 7.0
    assert second["asks_sz"][1] != second["asks_sz"][1]


def test_incremental(tmp_path):
    """Lines of one time are one state; a snapshot begins anew; amount 0 removes."""
    path = write(
        tmp_path,
        LEVEL2,
        f"kucoin,BTC-USDT,{T},{T},true,bid,100,1",
        f"kucoin,BTC-USDT,{T},{T},true,bid,99,2",
        f"kucoin,BTC-USDT,{T},{T},true,ask,101,3",
        f"kucoin,BTC-USDT,{T},{T + 7},false,bid,100,0",
        f"kucoin,BTC-USDT,{T},{T + 7},false,ask,101,4",
        f"kucoin,BTC-USDT,{T},{T + 8},true,ask,105,1",
    )
    rows, batches = read(path, depth=1)
    assert [row["row"] for row in rows] == [2, 4, 5]
    assert [row["bid_px"] for row in rows] == [100.0, 99.0, None]
    assert [row["ask_px"] for row in rows] == [101.0, 101.0, 105.0]
    assert [row["asks_sz"] for row in rows] == [[3.0], [4.0], [1.0]]
    assert [row["ts_event"] for row in rows] == [None, T * 1000, T * 1000]
    assert sum(batch.silent for batch in batches) == 3


def test_incremental_after_a_bad_level(tmp_path):
    """A book that missed a change is no book: its rows are refused until the next snapshot."""
    path = write(
        tmp_path,
        LEVEL2,
        f"kucoin,BTC-USDT,{T},{T},false,bid,100,1",
        f"kucoin,BTC-USDT,{T},{T + 1},true,bid,100,1",
        f"kucoin,BTC-USDT,{T},{T + 2},false,bid,100,-1",
        f"kucoin,ETH-USDT,{T},{T + 2},true,bid,7,1",
        f"kucoin,BTC-USDT,{T},{T + 3},false,bid,99,1",
        f"kucoin,BTC-USDT,{T},{T + 4},true,bid,98,1",
        f"kucoin,BTC-USDT,{T},{T + 5},false,bid,98,",
    )
    rows, batches = read(path)
    assert [(row["symbol"], row["row"]) for row in rows] == [
        ("BTC-USDT", 1),
        ("ETH-USDT", 3),
        ("BTC-USDT", 5),
    ]
    assert [(r.row, r.reason) for batch in batches for r in batch.rejected] == [
        (0, "no snapshot"),
        (2, "bad level"),
        (4, "book lost to a bad level"),
        (6, "bad level"),
    ]


@pytest.mark.parametrize(
    ("lines", "row", "reason"),
    [
        ([QUOTES.replace("ask_price", "offer"), "x"], None, "columns of none"),
        ([QUOTES, f"k,B,{T},{T},1,2,1,1", f"k,B,{T},{T},1,two,1,1"], 1, "ask_price is 'two'"),
        ([QUOTES, f"k,B,{T},yesterday,1,2,1,1"], 0, "local_timestamp is 'yesterday'"),
        ([QUOTES, f"k,B,{T},{T},1,2,1,1", f"k,B,{T},{T},1,2"], 1, "has 6 cells, not 8"),
        ([LEVEL2, f"k,B,{T},{T},true,buy,1,1"], 0, "side is 'buy'"),
        ([LEVEL2, f"k,B,{T},{T},perhaps,bid,1,1"], 0, "is_snapshot is 'perhaps'"),
        ([LEVEL2, f"k,B,{T},,true,bid,1,1"], 0, "local_timestamp is missing"),
        ([], None, "is empty"),
    ],
)
def test_a_wrong_file_is_named(tmp_path, lines, row, reason):
    """The error names the file, the row where one is at fault, and the reason."""
    path = write(tmp_path, *lines)
    with pytest.raises(DataError) as caught:
        read(path)
    assert reason in caught.value.reason
    assert (caught.value.source, caught.value.row) == (str(path), row)


@pytest.mark.parametrize("keep", [0, 5, 12, -1, -9, -200])
def test_a_cut_file_is_refused(tmp_path, keep):
    """A gzip cut anywhere, even within its last checksum, is an error and never a shorter day."""
    lines = [f"k,BTC-USDT,{T},{T + i},1,{100 + i * 7919 % 977}.1,99,1" for i in range(4000)]
    path = write(tmp_path, QUOTES, *lines)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DataError, match=r"cut off|is empty"):
        read(path)


def test_a_damaged_file_is_refused(tmp_path):
    """A gzip with a byte turned over is an error."""
    lines = [f"k,BTC-USDT,{T},{T + i},1,{100 + i * 7919 % 977}.1,99,1" for i in range(4000)]
    path = write(tmp_path, QUOTES, *lines)
    raw = bytearray(path.read_bytes())
    raw[-6] ^= 0xFF
    path.write_bytes(raw)
    with pytest.raises(DataError):
        read(path)


def test_a_file_of_only_a_header_has_no_rows(tmp_path):
    """A header without rows is a day without changes, not an error."""
    assert list(read_tardis(write(tmp_path, QUOTES), ReadOptions())) == []
