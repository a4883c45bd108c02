"""The journal: intents before orders, everything else in order, and a disk that fills up."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import orjson
import pytest

from arb_pipelines.clock import NS_PER_S
from arb_pipelines.errors import Transient
from arb_pipelines.execution.orders.given_up import LateFill
from arb_pipelines.execution.records.journal import JOURNAL, LOG, RESERVE, Journal
from arb_pipelines.execution.records.journal_lines import EVENTS, event_line
from arb_pipelines.execution.records.journal_reading import read_journal, unfinished_orders
from arb_pipelines.execution.records.recorder import SessionRecorder
from arb_pipelines.execution.records.rolling_file import RollingFile, rolled_files
from arb_pipelines.execution.signals.intake import SignalRefused
from arb_pipelines.execution.state.risk import RiskEvent
from arb_pipelines.market.cycles import CycleSet
from arb_pipelines.market.graph import BUY
from arb_pipelines.trading.events import (
    Cancelled,
    CycleSignal,
    OrderFill,
    OrderKind,
    Refused,
    Routed,
)
from arb_pipelines.venues.base import NewOrder
from tests.fakes.backtest_worlds import random_world
from tests.fakes.session_worlds import head_of, play

#: A market in which executions are filled, missed and unwound.
WORLD = random_world(3)
CYCLES: CycleSet = WORLD.scenario.cycles


class FullDisk:
    """A disk with room for so many bytes; a reserve that is given up makes more."""

    def __init__(self, room: int, reserve: Path, worth: int) -> None:
        self.room, self._reserve, self._worth = room, reserve, worth
        self._freed = False

    def write(self, file: int, data: bytes) -> int:
        """Write what finds room.

        Raises:
            OSError: there is none.
        """
        if not self._freed and not self._reserve.exists():
            self._freed = True
            self.room += self._worth
        if self.room <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = os.write(file, data[: self.room])
        self.room -= written
        return written


def intent(name: str) -> NewOrder:
    """An order that is about to leave."""
    return NewOrder(name, "BTC-USDT", BUY, OrderKind.MARKET, funds=Decimal("12.50"))


def until(condition: Callable[[], bool]) -> None:
    """Wait for the journal's thread."""
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end, "the journal's thread does not come to it"
        time.sleep(0.002)


def test_an_intent_is_on_the_disk_before_its_order_leaves(tmp_path: Path) -> None:
    """It is there when ``hear`` returns, with exact amounts as text, and readable by us alone."""
    journal = Journal(tmp_path, CYCLES, trouble=pytest.fail)
    journal.hear(intent("a-0"))
    (line,) = (tmp_path / JOURNAL).read_bytes().splitlines()
    assert orjson.loads(line) | {"ts_ns": 0} == {
        "ts_ns": 0,
        "event": "intent",
        "client_id": "a-0",
        "symbol": "BTC-USDT",
        "side": BUY,
        "kind": "market",
        "size": None,
        "funds": "12.50",
        "price": None,
        "time_in_force": "gtc",
        "post_only": False,
    }
    assert (tmp_path / JOURNAL).stat().st_mode & 0o777 == 0o600
    journal.close()


def test_everything_is_written_in_the_order_it_happened(tmp_path: Path) -> None:
    """A whole market's day, event by event, and a line for each opportunity."""
    journal = Journal(tmp_path, CYCLES, trouble=pytest.fail)
    recorder = SessionRecorder(head_of(WORLD), wall_ns=time.time_ns, told=journal.tell)
    heard: list[object] = []
    play(WORLD, recorder.hear, journal.hear, heard.append)
    assert journal.close() == 0
    written = list(read_journal(tmp_path))
    expected = [
        EVENTS[type(event)]
        for event in heard
        if type(event) in EVENTS and not isinstance(event, Refused)
    ]
    assert [
        document["event"]
        for document in written
        if document["event"] not in ("refusals", "cycle_named")
    ] == (expected)
    told = sum(
        count
        for document in written
        if document["event"] == "refusals"
        for name, count in document.items()
        if name not in ("ts_ns", "event")
    )
    assert told == sum(isinstance(event, Refused) for event in heard)
    lines = (tmp_path / LOG).read_text().splitlines()
    batch = recorder.take()
    of_opportunities = [line for line in lines if "  refused   " not in line]
    assert len(of_opportunities) == len(batch.executions) > 0
    for line, record in zip(of_opportunities, batch.executions, strict=True):
        assert f"#{record.report.execution} " in line
        assert f"  {record.status}" in line
        assert CYCLES.path(record.report.cycle) in line


def test_a_loop_that_is_never_idle_keeps_no_line_for_long(tmp_path: Path) -> None:
    """Its thread waits for a moment that suits, not for ever; who closes does not wait for one."""
    asked: list[int] = []

    def is_idle() -> bool:
        asked.append(threading.get_ident())
        return False

    journal = Journal(tmp_path, CYCLES, trouble=pytest.fail, is_idle=is_idle)
    for number in range(20):
        journal.note("number", number=number)
    until(lambda: not journal.waiting)
    assert [line["number"] for line in read_journal(tmp_path)] == list(range(20))
    assert set(asked) == {journal._thread.ident}
    journal._stop.set()
    journal._thread.join()
    asked.clear()
    journal.note("number", number=20)
    assert journal.close() == 0
    assert asked == []
    assert [line["number"] for line in read_journal(tmp_path)] == list(range(21))


def test_refusals_are_told_one_by_one_only_to_those_who_ask(tmp_path: Path) -> None:
    """A strategy's own come summed up once a second; a sender's signal has a line of its own."""
    clock = iter(range(0, 10 * NS_PER_S, NS_PER_S // 4))
    journal = Journal(tmp_path, CYCLES, trouble=pytest.fail, wall_ns=lambda: next(clock))
    for _ in range(7):
        journal.hear(Refused(CycleSignal(0, "s", 0, 1.0), "slots"))
    journal.hear(Refused(CycleSignal(0, "s", 0, 1.0, correlation_id="x1"), "depth"))
    journal.hear(SignalRefused(0, "x2", "stale", "it is old;\nsend it at once"))
    journal.close()
    facts = [
        {k: v for k, v in document.items() if k != "ts_ns"} for document in read_journal(tmp_path)
    ]
    assert facts[0] == {"event": "refusals", "slots": 4}
    assert facts[1]["event"] == "refused"
    assert facts[1]["signal"]["correlation_id"] == "x1"
    assert facts[2]["correlation_id"] == "x2"
    assert facts[3] == {"event": "refusals", "slots": 3}
    (log_of_one,) = [line for line in (tmp_path / LOG).read_text().splitlines() if "x2" in line]
    assert "it is old; send it at once" in log_of_one


def test_what_an_intent_came_to_is_known_from_the_journal_alone(tmp_path: Path) -> None:
    """Orders without an end are those to look up after a crash, in the order they left."""
    journal = Journal(tmp_path, CYCLES, trouble=pytest.fail)
    for name in ("a", "b", "c", "d"):
        journal.hear(intent(name))
        journal.hear(Routed(name, 1))
    fill = OrderFill("a", 2, "BTC-USDT", BUY, 1.0, 1.0, 1.0, 1.0, 0.0, "USDT", final=True)
    journal.hear(fill)
    journal.hear(Cancelled("b", 2, "no"))
    journal.hear(OrderFill("c", 2, "BTC-USDT", BUY, 1.0, 1.0, 1.0, 1.0, 0.0, "USDT", final=False))
    journal.close()
    with (tmp_path / JOURNAL).open("ab") as file:
        file.write(b'{"ts_ns":1,"event":"intent","clie')  # killed while writing
    assert [order["client_id"] for order in unfinished_orders(tmp_path)] == ["c", "d"]


def test_files_roll_over_between_lines_and_nothing_is_lost(tmp_path: Path) -> None:
    """Full files are kept by number; read together they are the whole journal."""
    journal = Journal(tmp_path, CYCLES, trouble=pytest.fail, max_bytes=1_000)
    for number in range(50):
        journal.hear(intent(f"o{number}"))
    journal.close()
    full = rolled_files(tmp_path / JOURNAL)
    assert [path.name for path in full][:2] == ["journal.000001.ndjson", "journal.000002.ndjson"]
    assert all(path.stat().st_size < 1_300 for path in full)
    names = [document["client_id"] for document in read_journal(tmp_path)]
    assert names == [f"o{number}" for number in range(50)]


def test_a_full_disk_is_told_and_what_is_in_flight_still_finds_room(tmp_path: Path) -> None:
    """The reserve takes the intents of what has begun; events wait; nothing is half written."""
    troubles: list[str] = []
    disk = FullDisk(450, tmp_path / RESERVE, worth=600)
    journal = Journal(tmp_path, CYCLES, trouble=troubles.append, write=disk.write)
    journal.hear(intent("first"))
    journal.hear(intent("second"))
    assert troubles == []
    journal.hear(intent("third"))  # does not fit: the reserve is given up for it
    assert not (tmp_path / RESERVE).exists()
    assert "No space left on device; make room" in troubles[0]
    journal.hear(Cancelled("first", 1, "no"))
    until(lambda: journal.waiting == 0)
    disk.room = 0
    with pytest.raises(Transient, match=r"order fourth stays here: .* No space left"):
        journal.hear(intent("fourth"))
    journal.hear(Cancelled("second", 1, "no"))
    before = len(troubles)
    until(lambda: len(troubles) > before)
    assert journal.waiting == 1
    disk.room = 10_000
    assert journal.close() == 0
    told = [(document["event"], document["client_id"]) for document in read_journal(tmp_path)]
    assert told == [
        ("intent", "first"),
        ("intent", "second"),
        ("intent", "third"),
        ("cancelled", "first"),
        ("cancelled", "second"),
    ]


def test_a_line_that_was_cut_off_does_not_spoil_the_next(tmp_path: Path) -> None:
    """Whoever was killed half way through a line leaves it; the next begins on its own."""
    path = tmp_path / "x.ndjson"
    path.write_bytes(b'{"a":1}\n{"b"')
    file = RollingFile(path, 1_000)
    file.append(b'{"c":3}\n')
    file.close()
    assert path.read_bytes() == b'{"a":1}\n{"b"\n{"c":3}\n'


def test_a_file_that_could_not_be_begun_is_begun_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Out of descriptors, lines go on in the old file, and later in a new one."""
    path = tmp_path / "x.ndjson"
    file = RollingFile(path, 4)
    file.append(b"1st\n")

    def full_up(_file: RollingFile) -> None:
        raise OSError("too many open files")

    with monkeypatch.context() as full:
        full.setattr(RollingFile, "_open", full_up)
        file.append(b"2nd\n")
        file.append(b"3rd\n")
    file.append(b"4th\n")
    file.close()
    assert path.read_bytes() == b"4th\n"
    assert [one.read_bytes() for one in rolled_files(path)] == [b"1st\n2nd\n3rd\n"]


def test_a_file_beyond_its_limit_is_an_error_and_no_signal(tmp_path: Path) -> None:
    """A real system's refusal (a limit on file sizes) comes as trouble, and ends nothing."""
    code = f"""
import resource
from pathlib import Path
from tests.unit.test_session_journal import CYCLES, intent
from arb_pipelines.errors import Transient
from arb_pipelines.execution.records.journal import RESERVE_BYTES, Journal
troubles = []
journal = Journal(Path({str(tmp_path)!r}), CYCLES, trouble=troubles.append)
resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))
for number in range(10):
    try:
        journal.hear(intent(f"o{{number}}"))
    except Transient:
        break
assert "File too large" in troubles[0], troubles
print(number)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    names = [document["client_id"] for document in read_journal(tmp_path)]
    assert names == [f"o{number}" for number in range(int(done.stdout))]


def test_what_trades_when_it_was_given_up_has_a_line_of_its_own(tmp_path: Path) -> None:
    """In the journal to the last digit, and in the log for people."""
    journal = Journal(tmp_path, CYCLES, trouble=pytest.fail)
    changes = {"BTC": Decimal("0.10"), "USDT": Decimal("-10.01")}
    journal.hear(LateFill("x7", "BTC-USDT", BUY, Decimal("0.10"), Decimal(10), changes))
    assert journal.close() == 0
    (written,) = read_journal(tmp_path)
    assert (written["event"], written["client_id"]) == ("late_fill", "x7")
    assert written["changes"] == {"BTC": "0.10", "USDT": "-10.01"}
    assert "x7 on BTC-USDT traded after it was given up" in (tmp_path / LOG).read_text()


def test_a_pause_has_the_time_of_its_line_once() -> None:
    """Else its line would be one that readers of JSON refuse; the pause's own time stands."""
    paused = RiskEvent("s", 7, "paused", "max_open", "why", "engine")
    line = event_line(5, paused)
    assert line.count(b'"ts_ns"') == 1
    assert orjson.loads(line)["ts_ns"] == 7
