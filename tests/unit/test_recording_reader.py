"""The reader of recordings on files that are not what they should be."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import zstandard

from arb_pipelines.errors import DataError
from arb_pipelines.lake.readers.base import BOOK_ROWS, Batch, Gap, ReadOptions, Rejected
from arb_pipelines.lake.readers.recording import read_header, read_recording

HEADER = b'{"format":"arb-recording","version":1,"venue":"demo","symbols":{"A-B":["A","B"]}}\n'
STATE = b'{"s":"A-B","e":null,"t":%d,"u":null,"b":[[1.5,2]],"a":[[1.6,3.25]]}\n'


def frame(*lines: bytes) -> bytes:
    """Lines as one frame with a checksum."""
    return zstandard.ZstdCompressor(write_checksum=True).compress(b"".join(lines))


def read(path: Path, data: bytes | Sequence[bytes]) -> list[Batch]:
    """Write ``data`` to ``path`` and read it."""
    path.write_bytes(data if isinstance(data, bytes) else b"".join(data))
    return list(read_recording(path, ReadOptions()))


def rows_and_rejected(batches: list[Batch]) -> tuple[list[int], list[Rejected]]:
    """Line numbers of the accepted rows, and the rejected rows."""
    rows = [row for batch in batches for row in batch.rows["row"].to_pylist()]
    return rows, [rejected for batch in batches for rejected in batch.rejected]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a test puts its recording."""
    return tmp_path / "book.jsonl.zst"


def test_rows_are_of_the_readers_schema(path: Path) -> None:
    """A state becomes one row with tops, levels, currencies and its line number."""
    (batch,) = read(path, frame(HEADER, STATE % 7))
    assert batch.rows.schema == BOOK_ROWS
    assert batch.rows.to_pylist() == [
        {
            "row": 1, "symbol": "A-B", "base": "A", "quote": "B",
            "ts_event": None, "ts_recv": 7, "update_id": None,
            "bid_px": 1.5, "bid_sz": 2.0, "ask_px": 1.6, "ask_sz": 3.25,
            "bids_px": [1.5], "bids_sz": [2.0], "asks_px": [1.6], "asks_sz": [3.25],
        }
    ]  # fmt: skip


def test_an_empty_side_is_null(path: Path) -> None:
    """One-sided books keep the other side, and a null is not a zero."""
    (batch,) = read(path, frame(HEADER, b'{"s":"A-B","e":1,"t":2,"u":3,"b":[],"a":[[9,1]]}\n'))
    row = batch.rows.to_pylist()[0]
    assert (row["bid_px"], row["bid_sz"], row["ask_px"]) == (None, None, 9.0)
    assert (row["bids_px"], row["asks_px"]) == ([], [9.0])


def test_a_symbol_outside_the_map_has_no_currencies(path: Path) -> None:
    """Whether it is known is judged later; here its currencies are null, not guessed."""
    (batch,) = read(path, frame(HEADER, (STATE % 1).replace(b"A-B", b"X-Y")))
    assert batch.rows["base"].null_count == batch.rows["quote"].null_count == 1


def test_bad_lines_are_rejected_by_number(path: Path) -> None:
    """Rows around a bad line are accepted; every line is one or the other."""
    bad = [
        b"garbage\n",
        b"\n",
        b"\xff\xfe\x00\n",
        b'{"s":"A-B","t":1}\n',
        b'{"s":"A-B","e":1,"t":"2","u":3,"b":[],"a":[]}\n',
        b'{"s":"A-B","e":1,"t":2.5,"u":3,"b":[],"a":[]}\n',
        b'{"s":"A-B","e":1,"t":99999999999999999999,"u":3,"b":[],"a":[]}\n',
        b'{"s":"A-B","e":1,"t":2,"u":3,"b":[[1]],"a":[]}\n',
        b'{"s":"A-B","e":1,"t":2,"u":3,"b":[["1","2"]],"a":[]}\n',
        b'{"s":"A-B","e":1,"t":2,"u":3,"b":[[NaN,1]],"a":[]}\n',
        b'{"s":"A-B","e":1,"t":2,"u":3,"b":[[true,1]],"a":[]}\n',
        b'{"s":"A-B","e":1,"t":2,"u":3,"b":[[01,1]],"a":[]}\n',
        b'{"s":"A-B","e":1,"t":2,"u":3,"b":[[1,1],],"a":[]}\n',
        b'{"s":"A-B","e":1,"t":2,"u":3,"b":[],"a":[],"x":1}\n',
        b'{"s":"","e":1,"t":2,"u":3,"b":[],"a":[]}\n',
    ]
    lines = [HEADER, STATE % 1, *(line for one in bad for line in (one, STATE % 2))]
    rows, rejected = rows_and_rejected(read(path, frame(*lines)))
    assert {r.reason for r in rejected} == {"bad line"}
    assert [r.row for r in rejected] == list(range(2, 2 + 2 * len(bad), 2))
    assert rows == [1, *range(3, 3 + 2 * len(bad), 2)]


@pytest.mark.parametrize(
    "line",
    [
        b'{ "s": "A-B", "t": 5, "b": [], "a": [] }\n',
        b'{"t":5,"s":"A-B","a":[[1.25E+2,1e-3]],"b":[]}\n',
        b'{"s":"\\u0041-B","e":null,"t":5,"u":null,"b":[],"a":[]}\n',
        b'{"s":"A-B","e":1,"t":5,"u":3,"b":[[0.12345678901234567890123,1]],"a":[]}\n',
    ],
)
def test_other_layouts_of_the_same_json_are_states(path: Path, line: bytes) -> None:
    """Key order, blanks, escapes and long numbers are a writer's own business."""
    (batch,) = read(path, frame(HEADER, line))
    assert (batch.rows["symbol"].to_pylist(), batch.rows["ts_recv"].to_pylist()) == (["A-B"], [5])
    assert batch.rejected == []


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "row 0: the file is empty"),
        (frame(), "row 0: the file is empty"),
        (frame(HEADER)[:20], "row 0: the file is torn before its first line"),
        (frame(STATE % 1), "row 0: this is no recording"),
        (frame(b"{}\n"), "row 0: this is no recording"),
        (frame(HEADER.replace(b":1,", b":2,")), "row 0: version 2 of the format is unknown"),
        (frame(HEADER.replace(b"arb-rec", b"x")), "row 0: the header names format"),
        (frame(HEADER.replace(b'["A","B"]', b'"A"')), "row 0: the header's symbol 'A-B'"),
        (frame(HEADER.replace(b'"demo"', b'""')), "row 0: the header lacks a venue"),
        (HEADER + STATE % 1, "row 0: damaged file: not a Zstandard frame at byte 0"),
        (b"PAR1 and so on", "row 0: damaged file"),
        ([frame(HEADER, STATE % 1), b"junk", frame(STATE % 2)], "row 2: damaged file"),
        (
            frame(HEADER) + frame(HEADER.replace(b"demo", b"other")),
            "row 1: the header of 'other' in a recording of 'demo'",
        ),
    ],
)  # fmt: skip
def test_what_is_no_recording_is_refused(path: Path, data: bytes, reason: str) -> None:
    """The error names the file, the line and the reason."""
    with pytest.raises(DataError) as caught:
        read(path, data)
    assert str(caught.value).startswith(f"{path}: {reason}")


def test_a_cut_at_any_byte_loses_only_what_was_not_flushed(path: Path) -> None:
    """All whole frames are read wherever the file ends; a torn one is one rejected row."""
    frames = [frame(HEADER, STATE % 1, STATE % 2), *(frame(STATE % n) for n in (3, 4))]
    ends = [sum(map(len, frames[: k + 1])) for k in range(3)]
    whole = b"".join(frames)
    for cut in range(ends[0], len(whole) + 1):
        rows, rejected = rows_and_rejected(read(path, whole[:cut]))
        flushed = sum(cut >= end for end in ends)
        assert rows[: flushed + 1] == list(range(1, flushed + 2))
        if cut in ends:
            assert rejected == []
        else:
            assert rejected == [Rejected(len(rows) + 1, "torn tail")]


def test_zeros_after_a_power_cut_are_a_torn_tail(path: Path) -> None:
    """A file system that grew the file before its data leaves zeros at the end."""
    rows, rejected = rows_and_rejected(read(path, frame(HEADER, STATE % 1) + bytes(5000)))
    assert (rows, rejected) == ([1], [Rejected(2, "torn tail")])


def test_a_flipped_bit_in_the_middle_never_goes_unnoticed(path: Path) -> None:
    """Each damaged byte before the last frame raises; no row is taken from a wrong text."""
    good = frame(HEADER, STATE % 1) + frame(*(STATE % n for n in range(2, 30)))
    tail = frame(STATE % 99)
    clean, _ = rows_and_rejected(read(path, good + tail))
    unnoticed = []
    for at in range(len(good)):
        damaged = bytearray(good + tail)
        damaged[at] ^= 0x10
        try:
            rows, rejected = rows_and_rejected(read(path, bytes(damaged)))
        except DataError:
            continue
        if rows != clean or rejected:
            unnoticed.append(at)
    assert unnoticed == []


def test_an_unfinished_last_line_of_a_whole_frame_is_a_line(path: Path) -> None:
    """Text compressed by hand may lack its last newline."""
    rows, rejected = rows_and_rejected(read(path, frame(HEADER, (STATE % 1)[:-1])))
    assert (rows, rejected) == ([1], [])


def test_skippable_frames_are_skipped(path: Path) -> None:
    """What other tools put between frames is no data and no damage."""
    skippable = b"\x53\x2a\x4d\x18" + (3).to_bytes(4, "little") + b"abc"
    rows, _ = rows_and_rejected(read(path, frame(HEADER) + skippable + frame(STATE % 1)))
    assert rows == [1]


def test_a_line_without_end_is_refused_before_it_fills_the_memory(path: Path) -> None:
    """A few kilobytes that unpack to an endless line are an error, not a crash."""
    with pytest.raises(DataError, match="row 2: a line is longer than 64 MiB"):
        read(path, frame(HEADER, STATE % 1) + frame(bytes(70 << 20)))


def test_batches_are_bounded_and_share_their_names(path: Path) -> None:
    """A long file comes in several batches that number rows and name symbols alike."""
    states = [STATE % n for n in range(200_000)]
    path.write_bytes(frame(HEADER, *states))
    batches = list(read_recording(path, ReadOptions(batch_rows=100_000)))
    assert len(batches) > 1
    assert [row for batch in batches for row in batch.rows["row"].to_pylist()] == list(
        range(1, 200_001)
    )
    assert all(set(batch.rows["symbol"].unique().to_pylist()) <= {"A-B"} for batch in batches)


def test_the_header_alone_can_be_read(path: Path) -> None:
    """Without a symbol list the second part is None; a damaged file is refused alike."""
    path.write_bytes(frame(HEADER, STATE % 1))
    header, carried = read_header(path)
    assert (header.venue, header.symbols, carried) == ("demo", {"A-B": ("A", "B")}, None)
    path.write_bytes(b"")
    with pytest.raises(DataError, match="empty"):
        read_header(path)


def test_a_gap_ends_with_the_next_state_of_its_symbol(path: Path) -> None:
    """Also one in a later batch; a state before it, or of another symbol, ends nothing."""
    state = b'{"s":"%s","e":null,"t":%d,"u":%d,"b":[[1.5,2]],"a":[]}\n'
    lines = [
        HEADER,
        state % (b"A-B", 1, 8),
        b'{"gap":"A-B","t":5,"u":8}\n',
        state % (b"X-Y", 6, 3),
        state % (b"A-B", 7, 20),
        state % (b"A-B", 8, 21),
        b'{"gap":"X-Y","t":9,"u":null}\n',
        b'{"gap":"A-B","t":9,"u":"8"}\n',
    ]
    (batch,) = read(path, frame(*lines))
    assert batch.gaps == [Gap("A-B", 5, 9, 20, 7), Gap("X-Y", 9, 0, 0, None)]
    assert batch.rows["row"].to_pylist() == [1, 3, 4, 5]
    assert [rejected.row for rejected in batch.rejected] == [7], "a gap's number is an integer"
    assert batch.silent == 2 + 1
