"""Reading books out of a real lake: order, subsets, depth, holes, snapshots."""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl
import pytest

from arb_pipelines.errors import DataError
from arb_pipelines.lake.books import read_levels, read_tops
from arb_pipelines.lake.schemas import BOOK_LEVELS, BOOK_TOPS
from arb_pipelines.lake.store import STAGED_ROWS, Lake
from arb_pipelines.settings import load_settings

DAY = date(2025, 8, 31)
KEYS = {"venue": "v", "day": DAY}
SYMBOLS = ("A-B", "B-C", "A-C")
SIDES = ("bid_px", "bid_sz", "ask_px", "ask_sz")


def tops_frame(count: int, *, seed: int = 1) -> pl.DataFrame:
    """Rows of three symbols in random file order, a tenth of the bids missing."""
    draw = np.random.default_rng(seed)
    prices = {side: draw.uniform(1, 2, count).round(4) for side in SIDES}
    no_bid = draw.random(count) < 0.1
    return pl.DataFrame(
        {
            "venue": ["v"] * count,
            "day": [DAY] * count,
            "row_no": draw.permutation(count),
            "symbol": np.array(SYMBOLS)[draw.integers(0, 3, count)],
            "ts_event": [None] * count,
            "ts_recv": draw.integers(0, 10**9, count),
            "update_id": [None] * count,
            **prices,
            "source": ["s"] * count,
            "source_row": range(count),
        },
        schema=BOOK_TOPS.polars,
    ).with_columns(
        pl.when(pl.Series(no_bid)).then(None).otherwise(pl.col(side)).alias(side)
        for side in ("bid_px", "bid_sz")
    )


def levels_frame(tops: pl.DataFrame, symbol: str, depth: int) -> pl.DataFrame:
    """Books of ``depth`` levels for the rows of ``symbol``, falling away from the top."""
    rows = tops.filter(pl.col("symbol") == symbol)
    return rows.with_columns(
        pl.when(pl.col(side).is_null())
        .then(pl.lit([], dtype=pl.List(pl.Float64)))
        .otherwise(pl.concat_list([pl.col(side) * (1 + level) for level in range(depth)]))
        .alias(side)
        for side in SIDES
    ).select(BOOK_LEVELS.names)


@pytest.mark.parametrize("count", [1, 1_000, STAGED_ROWS + 1])
@pytest.mark.parametrize("chosen", [SYMBOLS, ("A-C", "no-such", "A-B"), ("no-such",)])
def test_tops_come_in_order_of_arrival(lake: Lake, count: int, chosen: tuple[str, ...]) -> None:
    """The arrays are what sorting the chosen rows by row_no gives; NULL becomes NaN."""
    frame = tops_frame(count)
    lake.replace(KEYS, {BOOK_TOPS: frame})
    tops = read_tops(lake, "v", DAY, chosen)
    wanted = frame.filter(pl.col("symbol").is_in(chosen)).sort("row_no")
    assert tops.symbols == chosen
    assert [chosen[index] for index in tops.symbol] == wanted["symbol"].to_list()
    np.testing.assert_array_equal(tops.ts_recv, wanted["ts_recv"].to_numpy())
    for side in SIDES:
        np.testing.assert_array_equal(getattr(tops, side), wanted[side].to_numpy())


def test_a_day_without_rows_gives_empty_arrays(lake: Lake) -> None:
    """No partition is no error: the caller decides what it means."""
    assert len(read_tops(lake, "v", DAY, SYMBOLS)) == 0
    levels = read_levels(lake, "v", DAY, SYMBOLS)
    assert (len(levels), levels.depth) == (0, 1)


@pytest.mark.parametrize(("asked", "kept"), [(20, 3), (2, 2), (1, 1)])
def test_levels_widen_where_a_symbol_has_them(lake: Lake, asked: int, kept: int) -> None:
    """A symbol with depth gets its levels, one with tops alone keeps one, in one order."""
    frame = tops_frame(2_000)
    lake.replace(KEYS, {BOOK_TOPS: frame, BOOK_LEVELS: levels_frame(frame, "B-C", 3)})
    levels = read_levels(lake, "v", DAY, SYMBOLS, depth=asked)
    tops = read_tops(lake, "v", DAY, SYMBOLS)
    assert levels.depth == kept
    deep = levels.symbol == 1
    for side in SIDES:
        top, beyond = getattr(tops, side), 0.0 if side.endswith("sz") else np.nan
        expected = np.full((len(tops), kept), beyond)
        expected[:, 0] = top
        for level in range(1, kept):
            expected[deep, level] = top[deep] * (1 + level)
        if side.endswith("sz"):
            expected[np.isnan(expected)] = 0.0
        np.testing.assert_array_equal(getattr(levels, side), expected)


def test_levels_of_symbols_without_depth_are_one_deep(lake: Lake) -> None:
    """Depth is that of the chosen symbols, not of the whole day."""
    frame = tops_frame(500)
    lake.replace(KEYS, {BOOK_TOPS: frame, BOOK_LEVELS: levels_frame(frame, "B-C", 3)})
    assert read_levels(lake, "v", DAY, ("A-B",)).depth == 1
    assert read_levels(lake, "v", DAY, ("B-C",)).depth == 3


def test_an_older_snapshot_gives_its_own_books(lake: Lake) -> None:
    """Reading at a snapshot sees what was there, also after the partition was replaced."""
    lake.replace(KEYS, {BOOK_TOPS: tops_frame(100)})
    seen = lake.snapshot()
    lake.replace(KEYS, {BOOK_TOPS: tops_frame(300, seed=2)})
    assert len(read_tops(lake, "v", DAY, SYMBOLS, snapshot=seen)) == 100
    assert len(read_levels(lake, "v", DAY, SYMBOLS, snapshot=seen)) == 100
    assert len(read_tops(lake, "v", DAY, SYMBOLS)) == 300
    with pytest.raises(DataError, match="never was"):
        read_tops(lake, "v", DAY, SYMBOLS, snapshot=999)


@pytest.mark.parametrize("threads", ["1", "2", "5"])
def test_any_number_of_threads_reads_the_same(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, threads: str
) -> None:
    """The result does not depend on how the partition is cut."""
    frame = tops_frame(1_003)
    lake.replace(KEYS, {BOOK_TOPS: frame})
    monkeypatch.setenv("ARB_LAKE_THREADS", threads)
    tops = read_tops(Lake(load_settings()), "v", DAY, SYMBOLS)
    np.testing.assert_array_equal(tops.ts_recv, frame.sort("row_no")["ts_recv"].to_numpy())


def test_a_row_number_given_twice_is_refused(lake: Lake) -> None:
    """Two rows for one place would leave another place empty: say so rather than guess."""
    frame = tops_frame(10).with_columns(
        row_no=pl.when(pl.col("row_no") == 3).then(4).otherwise(pl.col("row_no"))
    )
    lake.replace(KEYS, {BOOK_TOPS: frame})
    with pytest.raises(DataError, match="row_no is not unique"):
        read_tops(lake, "v", DAY, SYMBOLS)
