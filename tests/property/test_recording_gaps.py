"""Gaps of a recording against a plain reading of the same lines."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from arb_pipelines.lake.readers.base import Gap
from arb_pipelines.lake.recording.format import BookGap, BookState, encode_gap
from arb_pipelines.lake.recording.gaps import OpenGaps
from arb_pipelines.lake.recording.lines import read_line
from arb_pipelines.lake.recording.rows import rows_of_states

CODES = {"A-B": 0, "C-D": 1}
NUMBER = st.none() | st.integers(-(2**63), 2**63 - 2)
LINES = st.lists(
    st.tuples(st.sampled_from([BookState, BookGap]), st.sampled_from(sorted(CODES)), NUMBER),
    max_size=30,
)


def lines_of(drawn: Sequence[tuple[type, str, int | None]]) -> list[BookState | BookGap]:
    """Lines received one after the other."""
    return [
        BookState(symbol, ts, [], [], None, number)
        if kind is BookState
        else BookGap(symbol, ts, number)
        for ts, (kind, symbol, number) in enumerate(drawn)
    ]


def read_plainly(lines: Sequence[BookState | BookGap]) -> list[Gap]:
    """Each gap with the first state of its symbol after it."""
    gaps = []
    for at, line in enumerate(lines):
        if not isinstance(line, BookGap):
            continue
        later = (one for one in lines[at:] if isinstance(one, BookState))
        healed = next((one for one in later if one.symbol == line.symbol), None)
        expected = 0 if line.update_id is None else line.update_id + 1
        got = 0 if healed is None or healed.update_id is None else healed.update_id
        ended = None if healed is None else healed.ts_recv
        gaps.append(Gap(line.symbol, line.ts_recv, expected, got, ended))
    return gaps


@settings(deadline=None)
@given(LINES, st.lists(st.integers(0, 30)))
def test_gaps_end_where_a_plain_reading_ends_them(
    drawn: list[tuple[type, str, int | None]], cuts: list[int]
) -> None:
    """However the lines are cut into blocks."""
    lines, open_gaps, found = lines_of(drawn), OpenGaps(), []
    bounds = sorted({0, len(lines), *(cut for cut in cuts if cut < len(lines))})
    for first, end in pairwise(bounds):
        block = list(enumerate(lines))[first:end]
        for number, line in block:
            if isinstance(line, BookGap):
                open_gaps.add(number, line)
        states = [(number, line) for number, line in block if isinstance(line, BookState)]
        table = rows_of_states(states, [CODES[state.symbol] for _, state in states])
        found += open_gaps.close(table, CODES)
    found += open_gaps.rest()
    assert sorted(found, key=lambda gap: gap.ts_recv) == read_plainly(lines)


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), st.integers(0, 9), NUMBER)
def test_a_gap_is_read_as_it_was_written(symbol: str, ts_recv: int, number: int | None) -> None:
    """Whatever the symbol is called."""
    gap = BookGap(symbol, ts_recv, number)
    assert read_line(encode_gap(gap).rstrip(b"\n")) == gap
