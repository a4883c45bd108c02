"""A recorder killed with SIGKILL: everything it had flushed is read, in order, once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from arb_pipelines.lake.readers.base import ReadOptions
from arb_pipelines.lake.readers.recording import read_recording

#: Writes numbered states for ever, and tells after each flush how many are safe.
WRITER = """
import sys
from pathlib import Path
from arb_pipelines.lake.recording.format import BookState, Header
from arb_pipelines.lake.recording.writer import RecordingWriter

path, first, states_a_flush = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
header = Header("demo", {"BTC-USDT": ("BTC", "USDT")})
with RecordingWriter(path, header, flush_bytes=1 << 30, flush_ns=None, fsync=False) as writer:
    number = first
    while True:
        for number in range(number, number + states_a_flush):
            levels = [(100.0 + (number * k) % 977 / 1000, (number * k) % 7919) for k in range(1, 6)]
            writer.write(BookState("BTC-USDT", number, levels, levels, None, number))
        number += 1
        writer.flush()
        print(number, flush=True)
"""


def kill_after(path: Path, first: int, states_a_flush: int, flushes: int) -> int:
    """Run a writer that begins at state ``first``; kill it; tell the first state not flushed."""
    command = [sys.executable, "-c", WRITER, str(path), str(first), str(states_a_flush)]
    safe = first
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        for _ in range(flushes):
            safe = int(writer.stdout.readline())
        writer.kill()
        for line in writer.stdout:  # flushes that were told before the signal arrived
            if line.endswith("\n"):
                safe = int(line)
    return safe


@pytest.mark.parametrize("states_a_flush", [1, 700, 20_000])
def test_all_that_was_flushed_survives_a_kill(tmp_path: Path, states_a_flush: int) -> None:
    """Kill, read, continue, three times over: no flushed state is lost, doubled or out of order."""
    rng = np.random.default_rng(states_a_flush)
    path = tmp_path / "book.jsonl.zst"
    expected: list[int] = []
    for _ in range(3):
        first = expected[-1] + 1 if expected else 0
        safe = kill_after(path, first, states_a_flush, int(rng.integers(1, 12)))
        batches = list(read_recording(path, ReadOptions()))
        numbers = [n for batch in batches for n in batch.rows["update_id"].to_pylist()]
        rejected = [refused for batch in batches for refused in batch.rejected]
        assert numbers == list(range(len(numbers)))
        assert len(numbers) >= safe
        assert [refused.reason for refused in rejected] in ([], ["torn tail"])
        # What the next writer keeps: whole frames only.
        expected = numbers[: len(numbers) - len(numbers) % states_a_flush]
