"""The writer of recordings: what it leaves behind, and what it refuses to touch."""

from __future__ import annotations

from pathlib import Path

import pytest
import zstandard

from arb_pipelines.errors import ConfigError, DataError
from arb_pipelines.lake.readers.base import ReadOptions
from arb_pipelines.lake.readers.recording import read_header, read_recording
from arb_pipelines.lake.recording.format import BookState, Header, SymbolList
from arb_pipelines.lake.recording.writer import RecordingWriter

HEADER = Header("demo", {"BTC-USDT": ("BTC", "USDT"), "ETH-BTC": ("ETH", "BTC")})
SECOND = 1_000_000_000


def state(number: int, symbol: str = "BTC-USDT") -> BookState:
    """A state received at second ``number``."""
    return BookState(symbol, number * SECOND, [(100.5, 1.0)], [(100.6, 2.0)], None, number)


def update_ids(path: Path) -> list[int]:
    """Update ids of the accepted rows."""
    batches = read_recording(path, ReadOptions())
    return [number for batch in batches for number in batch.rows["update_id"].to_pylist()]


def test_the_file_is_plain_zstandard_text(tmp_path: Path) -> None:
    """Any Zstandard tool shows the header and the states as JSON lines."""
    path = tmp_path / "book.jsonl.zst"
    with RecordingWriter(path, HEADER) as writer:
        writer.write(BookState("BTC-USDT", 13, [(60000.1, 0.25)], [], 12, 8))
    with path.open("rb") as file:
        reader = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True)
        assert reader.read().decode().splitlines() == [
            '{"format":"arb-recording","version":1,"venue":"demo",'
            '"symbols":{"BTC-USDT":["BTC","USDT"],"ETH-BTC":["ETH","BTC"]}}',
            '{"s":"BTC-USDT","e":12,"t":13,"u":8,"b":[[60000.1,0.25]],"a":[]}',
        ]


def test_a_second_of_feed_time_reaches_the_file(tmp_path: Path) -> None:
    """A state that completes the interval brings all before it into the file."""
    path = tmp_path / "book.jsonl.zst"
    with RecordingWriter(path, HEADER, flush_ns=SECOND) as writer:
        writer.write(BookState("BTC-USDT", 0, [], [], None, 1))
        assert update_ids(path) == []
        writer.write(BookState("BTC-USDT", SECOND, [], [], None, 2))
        assert update_ids(path) == [1, 2]


def test_enough_text_reaches_the_file(tmp_path: Path) -> None:
    """The buffer never grows past its size, however little time passes."""
    path = tmp_path / "book.jsonl.zst"
    with RecordingWriter(path, HEADER, flush_bytes=200, flush_ns=None) as writer:
        for number in range(4):
            writer.write(state(number))
        assert update_ids(path) == [0, 1, 2]


def test_a_recording_is_continued(tmp_path: Path) -> None:
    """A second session appends, and its header may bring new symbols."""
    path = tmp_path / "book.jsonl.zst"
    with RecordingWriter(path, HEADER) as writer:
        writer.write(state(1))
    with RecordingWriter(path, Header("demo", {"SOL-BTC": ("SOL", "BTC")})) as writer:
        writer.write(state(2, "SOL-BTC"))
    (batch,) = read_recording(path, ReadOptions())
    assert batch.rows["update_id"].to_pylist() == [1, 2]
    assert batch.rows["base"].to_pylist() == ["BTC", "SOL"]
    assert (batch.rejected, batch.silent) == ([], 2)


@pytest.mark.parametrize("lost_bytes", [1, 5, 40])
def test_a_torn_tail_is_cut_off_before_going_on(tmp_path: Path, lost_bytes: int) -> None:
    """Continuing a recording whose writer was killed leaves no damage in the middle."""
    path = tmp_path / "book.jsonl.zst"
    with RecordingWriter(path, HEADER) as writer:
        writer.write(state(1))
        writer.flush()
        writer.write(state(2))
    path.write_bytes(path.read_bytes()[:-lost_bytes])
    with RecordingWriter(path, HEADER) as writer:
        writer.write(state(3))
    assert update_ids(path) == [1, 3]


def test_a_writer_killed_in_its_first_frame_leaves_a_file_to_start_over(tmp_path: Path) -> None:
    """A torn header holds nothing, so the recording begins again."""
    path = tmp_path / "book.jsonl.zst"
    with RecordingWriter(path, HEADER):
        pass
    path.write_bytes(path.read_bytes()[:30])
    with RecordingWriter(path, HEADER) as writer:
        writer.write(state(1))
    assert update_ids(path) == [1]


def test_two_writers_do_not_share_a_file(tmp_path: Path) -> None:
    """The second is told so, and the first goes on unharmed."""
    path = tmp_path / "book.jsonl.zst"
    with RecordingWriter(path, HEADER) as writer:
        with pytest.raises(ConfigError, match="another process is recording"):
            RecordingWriter(path, HEADER)
        writer.write(state(1))
    assert update_ids(path) == [1]


def test_another_venues_recording_is_not_continued(tmp_path: Path) -> None:
    """Books of two venues never end up in one file."""
    path = tmp_path / "book.jsonl.zst"
    with RecordingWriter(path, HEADER) as writer:
        writer.write(state(1))
    before = path.read_bytes()
    with pytest.raises(DataError, match="venue 'demo'"):
        RecordingWriter(path, Header("kucoin"))
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "foreign",
    [
        b"a text file\n",
        zstandard.compress(b"no header\n"),
        zstandard.compress(bytes(range(256)) * 3)[:-3],
    ],
    ids=["text", "other lines", "torn, and too long for a header"],
)
def test_a_foreign_file_is_not_written_to(tmp_path: Path, foreign: bytes) -> None:
    """A file that is no recording is refused and left as it was."""
    path = tmp_path / "book.jsonl.zst"
    path.write_bytes(foreign)
    with pytest.raises(DataError, match="cannot be continued"):
        RecordingWriter(path, HEADER)
    assert path.read_bytes() == foreign


def test_a_symbol_list_travels_with_the_books(tmp_path: Path) -> None:
    """The list comes back as it was given, and is no book row."""
    path = tmp_path / "book.jsonl.zst"
    carried = SymbolList("kucoin", {"code": "200000", "data": [{"symbol": "BTC-USDT"}]})
    with RecordingWriter(path, HEADER, symbol_list=carried) as writer:
        writer.write(state(1))
    assert read_header(path) == (HEADER, carried)
    (batch,) = read_recording(path, ReadOptions())
    assert (len(batch.rows), batch.rejected, batch.silent) == (1, [], 2)
