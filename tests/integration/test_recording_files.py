"""Recordings as they land: a file an hour, and what a dead recorder left of one."""

from __future__ import annotations

import fcntl
import os
from datetime import date
from pathlib import Path

import pytest

from arb_pipelines.clock import NS_PER_S, day_start_ns
from arb_pipelines.lake.readers.base import ReadOptions
from arb_pipelines.lake.readers.recording import read_header, read_recording
from arb_pipelines.lake.recording.format import BookGap, BookState, Header, SymbolList
from arb_pipelines.lake.recording.hourly import HourlyFiles
from arb_pipelines.lake.recording.salvage import salvage
from arb_pipelines.lake.recording.writer import RecordingWriter

HEADER = Header("kucoin", {"BTC-USDT": ("BTC", "USDT")})
MIDNIGHT = day_start_ns(date(2026, 1, 6))
HOUR = 3600 * NS_PER_S


def state(ts_recv: int) -> BookState:
    """A state received at ``ts_recv``."""
    return BookState("BTC-USDT", ts_recv, [(100.5, 1.0)], [(100.6, 2.0)])


def times(path: Path) -> list[int]:
    """Times of receipt of a recording's states."""
    return [
        ts
        for batch in read_recording(path, ReadOptions())
        for ts in batch.rows["ts_recv"].to_pylist()
    ]


def test_a_file_begins_with_each_hour_and_at_midnight(tmp_path: Path) -> None:
    """Named by its first state; under its own name only when it is whole."""
    files = HourlyFiles(tmp_path, HEADER)
    received = [MIDNIGHT - HOUR - 1, MIDNIGHT - 7, MIDNIGHT, MIDNIGHT + HOUR - 1, MIDNIGHT + HOUR]
    files.put([state(ts) for ts in received[:4]])
    files.symbol_list = SymbolList("kucoin", {"code": "200000", "data": []})
    files.put([state(received[4])])
    assert [path.name for path in files.finished] == [
        "kucoin-20260105T225959Z-1.jsonl.zst",
        "kucoin-20260105T235959Z-1.jsonl.zst",
        "kucoin-20260106T000000Z-1.jsonl.zst",
    ]
    assert files.writing == tmp_path / "kucoin-20260106T010000Z-1.jsonl.zst.part"
    files.finish()
    assert [times(path) for path in files.finished] == [
        received[:1],
        received[1:2],
        received[2:4],
        received[4:],
    ]
    carried = [read_header(path)[1] for path in files.finished]
    assert carried == [None, None, None, files.symbol_list]


def test_a_clock_that_goes_back_begins_no_file(tmp_path: Path) -> None:
    """The hour before is over, whatever the clock says."""
    files = HourlyFiles(tmp_path, HEADER)
    files.put([state(MIDNIGHT), state(MIDNIGHT - 1), state(MIDNIGHT + 1)])
    files.finish()
    (path,) = files.finished
    assert times(path) == [MIDNIGHT, MIDNIGHT - 1, MIDNIGHT + 1]


def test_two_recorders_of_one_second_have_two_files(tmp_path: Path) -> None:
    """Also when the first has finished its own."""
    one, two, three = (HourlyFiles(tmp_path, HEADER) for _ in range(3))
    one.put([state(MIDNIGHT)])
    two.put([state(MIDNIGHT)])
    assert salvage(tmp_path) == []
    one.finish()
    three.put([state(MIDNIGHT)])
    two.finish()
    three.finish()
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [f"kucoin-20260106T000000Z-{n}.jsonl.zst" for n in (1, 2, 3)]


def test_a_file_without_a_state_does_not_land(tmp_path: Path) -> None:
    """An hour in which nothing was known is no recording."""
    files = HourlyFiles(tmp_path, HEADER)
    files.put([BookGap("BTC-USDT", MIDNIGHT)])
    files.finish()
    assert (files.finished, files.gaps, list(tmp_path.iterdir())) == ([], 1, [])


def left_over(folder: Path, *lines: BookState, tail: bytes = b"", age_s: float = 0.0) -> Path:
    """What a recorder that was killed leaves."""
    part = folder / "kucoin-20260106T000000Z-1.jsonl.zst.part"
    with RecordingWriter(part, HEADER) as writer:
        for line in lines:
            writer.write(line)
    with part.open("ab") as file:
        file.write(tail)
    os.utime(part, (part.stat().st_atime, part.stat().st_mtime - age_s))
    return part


@pytest.mark.parametrize("tail", [b"", b"\x28\xb5\x2f\xfd\x24\x00", bytes(512)])
def test_what_was_flushed_is_finished(tmp_path: Path, tail: bytes) -> None:
    """A torn frame, or zeros after a power cut, are cut off and counted."""
    part = left_over(tmp_path, state(MIDNIGHT), state(MIDNIGHT + 5), tail=tail)
    (left,) = salvage(tmp_path)
    assert (left.part, left.cut, left.error) == (part, len(tail), None)
    assert left.path is not None
    assert times(left.path) == [MIDNIGHT, MIDNIGHT + 5]
    assert list(tmp_path.iterdir()) == [left.path]
    assert salvage(tmp_path) == []


def test_what_holds_no_state_is_removed(tmp_path: Path) -> None:
    """A header alone; and an empty file, but for one that its recorder is about to lock."""
    left_over(tmp_path)
    assert [left.path for left in salvage(tmp_path)] == [None]
    part = tmp_path / "kucoin-20260106T000000Z-2.jsonl.zst.part"
    part.touch()
    assert salvage(tmp_path) == []
    os.utime(part, (0, 0))
    assert [left.part for left in salvage(tmp_path)] == [part]
    assert not list(tmp_path.iterdir())


def test_what_somebody_writes_is_left_alone(tmp_path: Path) -> None:
    """The lock tells, not the age."""
    part = left_over(tmp_path, state(MIDNIGHT), age_s=1e6)
    with part.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert salvage(tmp_path) == []
    assert len(salvage(tmp_path)) == 1


def test_what_is_damaged_or_in_the_way_is_told_and_kept(tmp_path: Path) -> None:
    """Nothing is overwritten, nothing thrown away."""
    part = left_over(tmp_path, state(MIDNIGHT))
    taken = tmp_path / part.name.removesuffix(".part")
    taken.write_bytes(b"mine")
    (left,) = salvage(tmp_path)
    assert left.error is not None
    assert "there is such a file" in left.error
    taken.unlink()
    data = bytearray(part.read_bytes())
    data[0] ^= 0xFF
    part.write_bytes(data)
    (left,) = salvage(tmp_path)
    assert (left.path, part.exists()) == (None, True)
    assert left.error is not None
