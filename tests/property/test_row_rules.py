"""The one-pass check of rows against the rules written out in plain Python."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from arb_pipelines.clock import NS_PER_DAY
from arb_pipelines.lake.readers.base import BOOK_ROWS
from arb_pipelines.lake.rules import MAX_TS, MIN_TS, REASONS
from arb_pipelines.lake.validate import Judge

DAY = 19_000
START = DAY * NS_PER_DAY
KNOWN = {("A", 0), ("B", 0), ("B", 1)}
Side = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Row:
    """One hostile row; sides are levels, None where the source has only tops."""

    symbol: str
    ts: int | None
    update_id: int | None
    bid: tuple[float | None, float | None]
    ask: tuple[float | None, float | None]
    bids: Side | None
    asks: Side | None
    other_segment: bool


def expected(rows: list[Row]) -> list[str]:
    """Reason of each row, '' where it is accepted; slow and literal."""
    previous: dict[str, Row] = {}
    reasons = []
    for row in rows:
        broken = _broken(row, previous.get(row.symbol))
        reasons.append(min(broken, key=REASONS.index) if broken else "")
        if not broken:
            previous[row.symbol] = row
    return reasons


def _broken(row: Row, previous: Row | None) -> list[str]:
    if row.other_segment:
        return ["other segment"]
    if row.ts is None:
        return ["no time"]
    if not MIN_TS <= row.ts < MAX_TS:
        return ["time out of range"]
    if (row.symbol, row.ts // NS_PER_DAY - DAY) not in KNOWN:
        return ["unknown symbol"]
    broken = []
    numbers = [*(row.bids or ()), *(row.asks or ())]
    for price, size in (row.bid, row.ask):
        if price is None:
            broken += ["nan"] if size else []
        elif size is None:
            broken.append("nan")
        else:
            numbers.append((price, size))
    for price, size in numbers:
        if not (math.isfinite(price) and math.isfinite(size)):
            broken.append("nan")
        elif price <= 0:
            broken.append("non-positive price")
        elif size < 0:
            broken.append("negative size")
        elif size == 0:
            broken.append("zero size")
    if row.bid[0] is not None and row.ask[0] is not None and row.bid[0] >= row.ask[0]:
        broken.append("crossed")
    for side, sign in ((row.bids or (), -1), (row.asks or (), 1)):
        prices = [price for price, _ in side]
        if any((b - a) * sign <= 0 for a, b in pairwise(prices)):
            broken.append("levels not ordered")
    if not broken and previous is not None and previous.ts is not None:
        if row.ts < previous.ts:
            broken.append("time backwards")
        elif _state(row) == _state(previous):
            broken.append("duplicate")
    return broken


def _state(row: Row) -> tuple[object, ...]:
    tops = tuple(None if price is None else (price, size) for price, size in (row.bid, row.ask))
    return row.ts, row.update_id, tops, row.bids or (), row.asks or ()


def table(rows: list[Row]) -> pa.Table:
    """``rows`` as a reader would give them."""

    def lists(sides: list[Side | None], index: int) -> list[list[float] | None]:
        return [None if side is None else [level[index] for level in side] for side in sides]

    bids, asks = [row.bids for row in rows], [row.asks for row in rows]
    columns = {
        "row": list(range(len(rows))),
        "symbol": [row.symbol for row in rows],
        "base": [None] * len(rows),
        "quote": [None] * len(rows),
        "ts_event": [None] * len(rows),
        "ts_recv": [row.ts for row in rows],
        "update_id": [row.update_id for row in rows],
        "bid_px": [row.bid[0] for row in rows],
        "bid_sz": [row.bid[1] for row in rows],
        "ask_px": [row.ask[0] for row in rows],
        "ask_sz": [row.ask[1] for row in rows],
        "bids_px": lists(bids, 0),
        "bids_sz": lists(bids, 1),
        "asks_px": lists(asks, 0),
        "asks_sz": lists(asks, 1),
    }
    return pa.table([pa.array(columns[f.name], f.type) for f in BOOK_ROWS], schema=BOOK_ROWS)


# Few values, so that equal states, ties and crossings happen all the time.
prices = st.sampled_from([1.0, 1.5, 2.0, 2.5, 3.0] * 4 + [0.0, -1.0, math.nan, math.inf, -math.inf])
sizes = st.sampled_from([1.0, 2.0] * 6 + [0.0, -0.0, -1.0, math.nan])
optional_size = st.one_of(sizes, st.none())
times = st.one_of(
    st.integers(START, START + 3),
    st.integers(START + NS_PER_DAY, START + NS_PER_DAY + 2),
    st.sampled_from([None, -1, 0, MIN_TS - 1, MIN_TS, MAX_TS - 1, MAX_TS, START]),
)
good_bids = st.sampled_from([((1.5, 1.0),), ((1.5, 1.0), (1.0, 2.0)), ((1.5, 1.0), (1.0, 1.0))])
good_asks = st.sampled_from([((2.0, 1.0),), ((2.0, 1.0), (2.5, 2.0))])
any_side = st.lists(st.tuples(prices, sizes), max_size=3).map(tuple)


@st.composite
def hostile_rows(draw: st.DrawFn) -> Row:
    """A row that is bad about half of the time."""
    tops = st.tuples(st.one_of(prices, st.none()), optional_size)
    deep = draw(st.booleans())
    return Row(
        symbol=draw(st.sampled_from(["A", "B", "B", "C"])),
        ts=draw(times),
        update_id=draw(st.sampled_from([None, 1, 1, 2])),
        bid=draw(st.one_of(st.sampled_from([(1.5, 1.0), (1.0, 2.0)]), tops)),
        ask=draw(st.one_of(st.sampled_from([(2.0, 1.0), (2.5, 2.0)]), tops)),
        bids=draw(st.one_of(good_bids, any_side, st.none())) if deep else None,
        asks=draw(st.one_of(good_asks, any_side)) if deep else None,
        other_segment=draw(st.sampled_from([False] * 9 + [True])),
    )


@settings(max_examples=400, deadline=None)
@given(st.lists(hostile_rows(), min_size=1, max_size=40), st.integers(1, 41))
def test_every_row_gets_the_reason_that_the_rules_give(rows: list[Row], batch_rows: int) -> None:
    """Whatever the rows and however they are cut into batches."""
    judge, reasons = Judge(), []
    code_of = {"A": 0, "B": 1, "C": 2}
    known = np.array([[(s, day) in KNOWN for s in code_of] for day in range(-1, 2)])
    known = np.vstack([known, np.zeros((1, 3), np.bool_)])  # days of MIN_TS and MAX_TS
    for first in range(0, len(rows), batch_rows):
        batch = rows[first : first + batch_rows]
        days = [-1 if row.ts is None else row.ts // NS_PER_DAY - DAY for row in batch]
        index = np.array([day + 1 if -1 <= day < 2 else 3 for day in days], np.int32)
        code = np.array([code_of[row.symbol] for row in batch], np.int32)
        segment = np.array([row.other_segment for row in batch])
        reasons += judge(table(batch), code, known, index, segment).tolist()
    assert [REASONS[reason] for reason in reasons] == expected(rows)
