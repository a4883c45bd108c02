"""The journal of a search: what was written is read again, whatever was cut off or damaged."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arb_pipelines.errors import ArbError, DataError
from arb_pipelines.optimize.journal import Journal, only_search, read_journal

HEADER = {"study": "s", "seed": 3}
RECORDS = [{"number": n, "value": value} for n, value in enumerate((0.1, 1e-300, -0.0, 1 / 3))]


def _written(path: Path) -> Path:
    journal = Journal.begin(path, HEADER)
    journal.append(RECORDS[:1])
    journal.append(RECORDS[1:])
    journal.close()
    return path


def test_records_come_back_to_the_last_bit(tmp_path: Path) -> None:
    """Header, records in order, floats exactly; not over before it is finished."""
    path = _written(tmp_path / "a" / "w00.journal")
    recorded = read_journal(path)
    assert recorded is not None
    assert (recorded.header, list(recorded.records), recorded.over) == (HEADER, RECORDS, False)
    assert str(recorded.records[2]["value"]) == "-0.0"
    journal = Journal.resume(path, recorded)
    journal.finish()
    journal.close()
    again = read_journal(path)
    assert again is not None
    assert again.over
    assert list(again.records) == RECORDS


def test_a_journal_that_is_not_there_is_none(tmp_path: Path) -> None:
    """No file, and a file whose first line was never finished."""
    path = tmp_path / "w00.journal"
    assert read_journal(path) is None
    path.write_bytes(b"0000")
    assert read_journal(path) is None


@settings(max_examples=60, deadline=None)
@given(cut=st.integers(0, 400))
def test_cut_anywhere_it_holds_the_lines_before(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    """A crash at any byte loses the line it was in and none before; writing goes on after it."""
    path = _written(tmp_path_factory.mktemp("journal") / "w00.journal")
    content = path.read_bytes()
    path.write_bytes(content[:cut])
    whole = content[:cut].count(b"\n")
    recorded = read_journal(path)
    if whole == 0:
        assert recorded is None
        return
    assert recorded is not None
    assert list(recorded.records) == RECORDS[: whole - 1]
    journal = Journal.resume(path, recorded)
    journal.append([{"number": 9}])
    journal.close()
    again = read_journal(path)
    assert again is not None
    assert list(again.records) == [*RECORDS[: whole - 1], {"number": 9}]


def test_a_full_disk_loses_nothing_that_was_written(tmp_path: Path) -> None:
    """The file is named; what was there before is read, and goes on when there is room."""
    path = _written(tmp_path / "w00.journal")
    recorded = read_journal(path)
    assert recorded is not None
    journal = Journal.resume(path, recorded)
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (recorded.size + 10, hard))
    try:
        with pytest.raises(ArbError, match=r"w00\.journal: cannot be written: File too large;"):
            journal.append(RECORDS)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    journal.close()
    assert path.stat().st_size == recorded.size + 10
    assert read_journal(path) == recorded
    journal = Journal.resume(path, recorded)
    journal.append(RECORDS)
    journal.close()
    again = read_journal(path)
    assert again is not None
    assert list(again.records) == RECORDS * 2


def test_damage_before_the_end_is_said(tmp_path: Path) -> None:
    """A changed byte in an earlier line is no torn end: file and row are named."""
    path = _written(tmp_path / "w00.journal")
    content = bytearray(path.read_bytes())
    content[content.index(b"0.1")] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"w00\.journal: row 1: is damaged; --fresh") as caught:
        read_journal(path)
    assert caught.value.row == 1


def test_one_search_at_a_time(tmp_path: Path) -> None:
    """The second is refused and told who holds it; after the first it may."""
    path = tmp_path / "w00.lock"
    with (
        only_search(path, "demo w00"),
        pytest.raises(ArbError, match=r"demo w00 is being searched already, by process \d+ on .+Z"),
        only_search(path, "demo w00"),
    ):
        pass
    with only_search(path, "demo w00"):
        pass
