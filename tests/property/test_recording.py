"""Recordings read back as they were written, by whichever of the two parsers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from arb_pipelines.errors import DataError
from arb_pipelines.lake.readers.base import ReadOptions
from arb_pipelines.lake.readers.recording import read_recording
from arb_pipelines.lake.recording.bulk import encode_states
from arb_pipelines.lake.recording.format import BookState, Header, encode_header, encode_state
from arb_pipelines.lake.recording.lines import read_line
from arb_pipelines.lake.recording.parse import parse_lines
from arb_pipelines.lake.recording.writer import RecordingWriter

INT64 = st.integers(-(2**63), 2**63 - 1)
NUMBER = st.floats(allow_nan=False, allow_infinity=False) | st.decimals(
    0, 10**6, places=8, allow_nan=False
).map(float)
SIDE = st.lists(st.tuples(NUMBER, NUMBER), max_size=4)
SYMBOL = st.sampled_from(["BTC-USDT", "ETH-BTC", "1INCH-USDT", 'odd"name', "ünï-code"]) | st.text(
    st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8
)
STATE = st.builds(BookState, SYMBOL, INT64, SIDE, SIDE, st.none() | INT64, st.none() | INT64)
HEADER = Header("demo", {"BTC-USDT": ("BTC", "USDT"), "ETH-BTC": ("ETH", "BTC")})


def read_states(path: Path) -> list[BookState]:
    """All states of a recording, rebuilt from its rows."""
    states = []
    for batch in read_recording(path, ReadOptions(batch_rows=3)):
        assert batch.rejected == []
        for row in batch.rows.to_pylist():
            bids = list(zip(row["bids_px"], row["bids_sz"], strict=True))
            asks = list(zip(row["asks_px"], row["asks_sz"], strict=True))
            best = (bids or [(None, None)])[0] + (asks or [(None, None)])[0]
            assert best == (row["bid_px"], row["bid_sz"], row["ask_px"], row["ask_sz"])
            assert (row["base"], row["quote"]) == HEADER.symbols.get(row["symbol"], (None, None))
            states.append(
                BookState(
                    row["symbol"], row["ts_recv"], bids, asks, row["ts_event"], row["update_id"]
                )
            )
    return states


@settings(max_examples=150, deadline=None)
@given(st.lists(STATE, max_size=30), st.integers(1, 4000))
def test_a_recording_reads_back_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, states: list[BookState], flush_bytes: int
) -> None:
    """Every state comes back bit for bit and in order, however the frames fall."""
    path = tmp_path_factory.mktemp("recording") / "book.jsonl.zst"
    with RecordingWriter(path, HEADER, flush_bytes=flush_bytes, fsync=False) as writer:
        for state in states:
            writer.write(state)
    assert read_states(path) == states


@settings(max_examples=200, deadline=None)
@given(st.lists(STATE, min_size=1, max_size=20))
def test_the_kernel_and_json_agree(states: list[BookState]) -> None:
    """What the kernel takes, JSON reads the same; and it takes every plain line."""
    text = b"".join(encode_state(state) for state in states)
    columns = parse_lines(np.frombuffer(text, np.uint8))
    lines = text.split(b"\n")
    assert sorted([*columns.line, *columns.slow_line]) == list(range(len(states)))
    for i, line in enumerate(columns.line):
        start, end = columns.symbol_at[columns.symbol[i]]
        read = json.loads(lines[line])
        assert text[start:end].decode() == read["s"]
        assert columns.ts_recv[i] == read["t"]
        for flag, value, key in (
            (columns.has_event, columns.ts_event, "e"),
            (columns.has_update_id, columns.update_id, "u"),
        ):
            assert (int(value[i]) if flag[i] else None) == read[key]
        for offsets, prices, sizes, key in (
            (columns.bid_offsets, columns.bids_px, columns.bids_sz, "b"),
            (columns.ask_offsets, columns.asks_px, columns.asks_sz, "a"),
        ):
            part = slice(offsets[i], offsets[i + 1])
            assert np.column_stack([prices[part], sizes[part]]).tolist() == read[key]


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 10**9), st.integers(0, 9), st.integers(1, 10**7)),
        min_size=1,
        max_size=20,
    )
)
def test_decimals_of_a_venue_take_the_quick_way(numbers: list[tuple[int, int, int]]) -> None:
    """Prices with up to nine decimals, as venues send them, never fall to the slow parser."""
    states = [
        BookState("A-B", 1, [(ticks / 10**decimals, lots / 1000)], [])
        for ticks, decimals, lots in numbers
    ]
    text = b"".join(encode_state(state) for state in states)
    columns = parse_lines(np.frombuffer(text, np.uint8))
    assert len(columns.slow_line) == 0
    assert columns.bids_px.tolist() == [state.bids[0][0] for state in states]


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 200))
def test_hostile_lines_are_rejected_or_read_as_json_reads_them(noise: bytes, at: int) -> None:
    """A line with noise in it is taken by the kernel only if strict JSON takes it too."""
    good = encode_state(BookState("A-B", 5, [(1.5, 2.0)], [(1.6, 3.0)], 4, 6)).rstrip(b"\n")
    line = (good[:at] + noise + good[at:]).replace(b"\n", b" ")
    columns = parse_lines(np.frombuffer(line + b"\n", np.uint8))
    if len(columns.line):
        assert isinstance(read_line(line), BookState)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400), st.booleans())
def test_hostile_files_raise_no_other_error(
    tmp_path_factory: pytest.TempPathFactory, noise: bytes, compressed: bool
) -> None:
    """Any bytes are a recording, a torn one, or a DataError."""
    path = tmp_path_factory.mktemp("noise") / "noise"
    head = zstandard.compress(encode_header(HEADER))
    path.write_bytes(head + (zstandard.compress(noise) if compressed else noise))
    try:
        batches = list(read_recording(path, ReadOptions()))
    except DataError:
        return
    assert sum(len(batch.rows) for batch in batches) == 0


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 20), st.integers(1, 6), st.integers(0, 2**32))
def test_bulk_lines_are_the_lines_of_one_at_a_time(n: int, depth: int, seed: int) -> None:
    """Columns give the same JSON as single states, so that both take the quick way."""
    rng = np.random.default_rng(seed)
    prices, sizes = rng.integers(1, 10**7, (2, 2, n, depth)) / 10**6
    symbols = ("A-B", "C-D")
    symbol = rng.integers(0, 2, n).astype(np.int32)
    times = rng.integers(0, 2**60, (3, n))
    text = encode_states(
        symbols, symbol, times[0], times[1], times[2], (prices[0], sizes[0]), (prices[1], sizes[1])
    )
    for i, line in enumerate(text.splitlines()):
        bids = list(zip(prices[0, i].tolist(), sizes[0, i].tolist(), strict=True))
        asks = list(zip(prices[1, i].tolist(), sizes[1, i].tolist(), strict=True))
        e, t, u = times[:, i].tolist()
        assert read_line(line) == BookState(symbols[symbol[i]], t, bids, asks, e, u)
    assert len(parse_lines(np.frombuffer(text, np.uint8)).slow_line) == 0
