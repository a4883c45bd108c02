"""Parquet books: what each shape of file becomes, and how a bad file is named."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from arb_pipelines.errors import ConfigError, DataError
from arb_pipelines.lake.readers.base import BOOK_ROWS, Batch, ReadOptions
from arb_pipelines.lake.readers.parquet_books import read_depth, read_l1

L1: dict[str, list[Any]] = {
    "symbol": ["BTCUSDT", "ETHUSDT"],
    "recv_ns": [1_700_000_000_000_000_000, 1_700_000_000_000_000_001],
    "bid": [10.0, 20.0],
    "bid_sz": [1.0, 2.0],
    "ask": [11.0, 21.0],
    "ask_sz": [3.0, 4.0],
}


def depth(levels: int) -> dict[str, list[Any]]:
    """Wide columns of one row with ``levels`` levels a side."""
    columns: dict[str, list[Any]] = {"symbol": ["BTCUSDT"], "recv_ns": [1_700_000_000_000_000_000]}
    for k in range(1, levels + 1):
        columns |= {f"bid_px_{k}": [100.0 - k], f"bid_sz_{k}": [float(k)]}
        columns |= {f"ask_px_{k}": [100.0 + k], f"ask_sz_{k}": [2.0 * k]}
    return columns


def write(path: Path, columns: dict[str, Any]) -> Path:
    """Write columns as a Parquet file."""
    pq.write_table(pa.table(columns), path)
    return path


def read_one(reader: Callable[..., Any], path: Path, options: ReadOptions | None = None) -> Batch:
    """Read a file of one batch."""
    (batch,) = reader(path, options or ReadOptions())
    assert batch.rows.schema == BOOK_ROWS
    return batch  # type: ignore[no-any-return]


def test_l1_rows_keep_order_names_and_values(tmp_path: Path) -> None:
    """The plain shape: symbol, recv_ns, prices; what the file lacks is null."""
    extra = {"event_ms": [1_700_000_000_001, None], "update_id": [7, 8], "colour": ["red", "blue"]}
    rows = read_one(read_l1, write(tmp_path / "a.parquet", L1 | extra)).rows
    assert rows["row"].to_pylist() == [0, 1]
    assert rows["symbol"].to_pylist() == L1["symbol"]
    assert rows["ts_recv"].to_pylist() == L1["recv_ns"]
    assert rows["ts_event"].to_pylist() == [1_700_000_000_001_000_000, None]
    assert rows["update_id"].to_pylist() == [7, 8]
    assert rows["bid_px"].to_pylist() == [10.0, 20.0]
    assert rows["ask_sz"].to_pylist() == [3.0, 4.0]
    assert rows["base"].null_count == rows["bids_px"].null_count == 2


def test_base_and_quote_make_the_symbol_and_a_text_sequence_the_update_id(tmp_path: Path) -> None:
    """KuCoin's shape."""
    columns = {k: v for k, v in L1.items() if k != "symbol"}
    columns |= {"base": ["BTC", "ETH"], "quote": ["USDT", "BTC"], "sequence": ["12", "13"]}
    rows = read_one(read_l1, write(tmp_path / "a.parquet", columns)).rows
    assert rows["symbol"].to_pylist() == ["BTC-USDT", "ETH-BTC"]
    assert rows["quote"].to_pylist() == ["USDT", "BTC"]
    assert rows["update_id"].to_pylist() == [12, 13]


@pytest.mark.parametrize(
    ("timezone", "hour"), [("UTC", 12), ("America/New_York", 17), ("Asia/Tokyo", 3)]
)
def test_a_zone_less_time_is_read_in_the_zone_that_was_named(
    tmp_path: Path, timezone: str, hour: int
) -> None:
    """And stands for both times."""
    columns = {k: v for k, v in L1.items() if k != "recv_ns"}
    columns["time"] = [datetime(2022, 2, 28, 12)] * 2  # noqa: DTZ001
    path = write(tmp_path / "a.parquet", columns)
    rows = read_one(read_l1, path, ReadOptions(timezone=timezone)).rows
    wanted = int(datetime.fromisoformat(f"2022-02-28T{hour:02}:00:00Z").timestamp()) * 10**9
    assert rows["ts_recv"].to_pylist() == rows["ts_event"].to_pylist() == [wanted] * 2


def test_a_wall_clock_time_that_happened_twice_or_never_is_no_time(tmp_path: Path) -> None:
    """Guessing would be wrong by an hour."""
    columns = {k: v for k, v in L1.items() if k != "recv_ns"}
    columns["time"] = [datetime(2022, 11, 6, 1, 30), datetime(2022, 3, 13, 2, 30)]  # noqa: DTZ001
    path = write(tmp_path / "a.parquet", columns)
    rows = read_one(read_l1, path, ReadOptions(timezone="America/New_York")).rows
    assert rows["ts_recv"].to_pylist() == [None, None]


def test_an_unknown_zone_is_named(tmp_path: Path) -> None:
    """Before anything is read into the lake."""
    columns = {k: v for k, v in L1.items() if k != "recv_ns"}
    columns["time"] = [datetime(2022, 11, 6)] * 2  # noqa: DTZ001
    path = write(tmp_path / "a.parquet", columns)
    with pytest.raises(ConfigError, match="'Mars/Base' is not a time zone"):
        read_one(read_l1, path, ReadOptions(timezone="Mars/Base"))


@pytest.mark.parametrize(("segment", "other"), [(None, [False, True]), ("usdm", [True, False])])
def test_rows_of_another_segment_are_marked(
    tmp_path: Path, segment: str | None, other: list[bool]
) -> None:
    """Spot is taken unless another segment is asked for."""
    path = write(tmp_path / "a.parquet", L1 | {"venue": ["spot", "usdm"]})
    batch = read_one(read_l1, path, ReadOptions(segment=segment))
    assert batch.other_segment is not None
    assert batch.other_segment.tolist() == other


@pytest.mark.parametrize("levels", [1, 5, 12])
def test_wide_columns_become_lists_of_any_depth(tmp_path: Path, levels: int) -> None:
    """Best level first, and level 1 is the top."""
    rows = read_one(read_depth, write(tmp_path / "a.parquet", depth(levels))).rows
    assert rows["bids_px"].to_pylist() == [[100.0 - k for k in range(1, levels + 1)]]
    assert rows["asks_sz"].to_pylist() == [[2.0 * k for k in range(1, levels + 1)]]
    assert (rows["bid_px"][0].as_py(), rows["ask_sz"][0].as_py()) == (99.0, 2.0)


def test_null_levels_are_left_out_and_half_a_level_is_a_nan(tmp_path: Path) -> None:
    """A book with fewer levels than columns, an empty side, and a price without a size."""
    columns = {k: v * 3 for k, v in depth(2).items()}
    columns |= {"bid_px_2": [98.0, None, 98.0], "bid_sz_2": [2.0, None, None]}
    columns |= {"ask_px_1": [101.0, None, 101.0], "ask_sz_1": [2.0, None, 2.0]}
    columns |= {"ask_px_2": [102.0, None, 102.0], "ask_sz_2": [4.0, None, 4.0]}
    rows = read_one(read_depth, write(tmp_path / "a.parquet", columns)).rows
    assert rows["bids_px"].to_pylist() == [[99.0, 98.0], [99.0], [99.0, 98.0]]
    assert rows["asks_px"].to_pylist()[1] == []
    assert rows["ask_px"].to_pylist() == [101.0, None, 101.0]
    assert str(rows["bids_sz"].to_pylist()[2]) == "[1.0, nan]"


def test_rows_are_numbered_through_all_batches(tmp_path: Path) -> None:
    """A batch holds no more rows than asked for."""
    path = write(tmp_path / "a.parquet", {k: v * 50 for k, v in L1.items()})
    batches = list(read_l1(path, ReadOptions(batch_rows=33)))
    assert max(len(batch.rows) for batch in batches) <= 33
    assert [n for batch in batches for n in batch.rows["row"].to_pylist()] == list(range(100))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bid": None, "ask_sz": None}, "missing columns bid, ask_sz; found symbol, recv_ns"),
        ({"symbol": None}, r"missing columns symbol \(or base and quote\)"),
        ({"recv_ns": None}, r"missing columns recv_ns \(or time\)"),
        ({"bid": ["1", "2"]}, "column bid must be a number, not string"),
        ({"recv_ns": [1.5, 2.5]}, "column recv_ns must be integer nanoseconds, not double"),
        ({"symbol": [1, 2]}, "column symbol must be text, not int64"),
        ({"update_id": [1.5, 2.0]}, "column update_id must be an integer, not double"),
        ({"update_id": ["12", "x"]}, "row 0: cannot be read from here on: .*'x'"),
    ],
)
def test_a_wrong_column_is_named(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    """With the file and what was found instead."""
    columns = {k: v for k, v in (L1 | change).items() if v is not None}
    path = write(tmp_path / "a.parquet", columns)
    with pytest.raises(DataError, match=f"^{re.escape(str(path))}: {message}"):
        list(read_l1(path, ReadOptions()))


def test_a_level_that_is_missing_between_others_is_named(tmp_path: Path) -> None:
    """Depth is the highest level found; all below it must be there."""
    columns = depth(3)
    del columns["ask_px_2"]
    with pytest.raises(DataError, match="missing columns ask_px_2; found"):
        list(read_depth(write(tmp_path / "a.parquet", columns), ReadOptions()))


def test_empty_truncated_and_foreign_files_are_named(tmp_path: Path) -> None:
    """Each with what is wrong about it."""
    whole = write(tmp_path / "whole.parquet", L1).read_bytes()
    cases = {
        "empty": (b"", "the file is empty"),
        "cut": (whole[: len(whole) // 2], "not a whole Parquet file"),
        "text": (b"symbol,bid,ask\nBTC,1,2\n" * 10, "not a whole Parquet file"),
    }
    for name, (content, message) in cases.items():
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(DataError, match=f"^{re.escape(str(path))}: {message}") as caught:
            list(read_l1(path, ReadOptions()))
        assert caught.value.source == str(path)
    none = write(tmp_path / "none.parquet", pa.table(L1).slice(0, 0).to_pydict())
    with pytest.raises(DataError, match="holds no rows"):
        list(read_l1(none, ReadOptions()))


def test_damage_in_the_middle_names_the_row_up_to_which_the_file_is_good(tmp_path: Path) -> None:
    """The footer is whole, a page is not."""
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({k: v * 5000 for k, v in L1.items()}), path, row_group_size=2000)
    group = pq.ParquetFile(path).metadata.row_group(3).column(2)
    content = bytearray(path.read_bytes())
    start = group.dictionary_page_offset or group.data_page_offset
    content[start : start + 40] = b"\xff" * 40
    path.write_bytes(content)
    with pytest.raises(DataError, match="cannot be read from here on") as caught:
        list(read_l1(path, ReadOptions(batch_rows=2000)))
    assert caught.value.row is not None
    assert 0 < caught.value.row <= 6000
