"""`arb monitor` over state files that the engine's store wrote and still writes."""

from __future__ import annotations

import io
import json
import os
import pty
import select
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from decimal import Decimal

import pytest

from arb_pipelines import cli
from arb_pipelines.clock import now_ns
from arb_pipelines.execution.state.values import CycleState, Outcome
from arb_pipelines.lake.store import Lake
from arb_pipelines.research.state_files import reading_state
from arb_pipelines.research.state_tables import copy_day
from arb_pipelines.settings import Settings
from tests.fakes.state_worlds import DAY, state_world


def arb(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Run `arb monitor`; give exit code, stdout and stderr."""
    with pytest.raises(SystemExit) as left:
        cli.main(["monitor", *arguments])
    captured = capsys.readouterr()
    return int(left.value.code or 0), captured.out, captured.err


def test_open_cycles_are_listed_while_the_engine_writes(
    home: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was committed is seen, what its transaction has not brought to an end is not."""
    with state_world(home) as world:
        world.begin("aaaaaa111111-0")
        world.fill("aaaaaa111111-0", 0)
        world.complete("aaaaaa111111-1")
        with world.store.together():
            world.begin("aaaaaa111111-2")
            code, out, _ = arb(capsys, "--active", "--json")
    (only,) = json.loads(out)
    assert code == 0
    assert (only["id"], only["state"], only["step"]) == ("aaaaaa111111-0", "active", 1)
    assert (only["current_currency"], only["current_amount"]) == ("BTC", "0.001998")
    assert (only["venue"], only["why"], only["orders_out"]) == ("kucoin", "leg 1 of 3", 0)


def test_the_last_that_ended_come_newest_first_over_all_accounts(
    home: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    """N of all files together, or of one venue."""
    with state_world(home) as world:
        world.complete("aaaaaa111111-0")
        world.fail("aaaaaa111111-1")
    with state_world(home, venue="ccxt-any", account="f" * 16) as world:
        world.set_clock(2 * 10**18)
        world.complete("bbbbbb111111-0")
    _, out, _ = arb(capsys, "--history", "2", "--json")
    assert [one["id"] for one in json.loads(out)] == ["bbbbbb111111-0", "aaaaaa111111-1"]
    _, out, _ = arb(capsys, "--history", "9", "--venue", "kucoin", "--json")
    assert [one["outcome"] for one in json.loads(out)] == ["nothing", "filled"]


def test_a_cycle_is_told_whole_by_its_id_or_an_orders(
    home: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    """Changes of state with their reasons, orders with what was asked and filled, and balances."""
    with state_world(home) as world:
        world.complete("aaaaaa111111-7")
    told = json.loads(arb(capsys, "--details", "aaaaaa111111-7", "--json")[1])
    assert told == json.loads(arb(capsys, "--details", "aaaaaa111111-7-1", "--json")[1])
    assert [move["after"] for move in told["transitions"]] == [
        *("pending", "validating", "active", "completed")
    ]
    assert [order["client_id"][-2:] for order in told["orders"]] == ["-0", "-1", "-2"]
    assert [fill["size"] for fill in told["fills"]] == ["0.002", "0.04", "0.03996"]
    assert Decimal(told["profit"]) == Decimal(told["changes"]["USDT"]) == Decimal("0.6992")
    _, out, _ = arb(capsys, "--details", "aaaaaa111111-7")
    for word in ("net edge 12.5 bps", "leg 1 of 3", "buy BTC-USDT", "fee 0.1008 USDT"):
        assert word in " ".join(out.split()), word


@pytest.mark.parametrize("name", ["111111-7", "aaaaaa111111-8", "aaaaab111111-7"])
def test_an_unknown_id_is_refused_with_those_near(
    home: Settings, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """One line that says what was asked for, and what may have been meant."""
    with state_world(home) as world:
        world.complete("aaaaaa111111-7")
    code, out, errors = arb(capsys, "--details", name)
    assert (code, out) == (2, "")
    (line,) = errors.strip().splitlines()
    assert name in line
    assert "nearest are aaaaaa111111-7" in line


def test_without_a_terminal_watching_shows_once(
    home: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    """Open cycles and the last that ended, and out."""
    with state_world(home) as world:
        world.begin("aaaaaa111111-0")
        world.complete("aaaaaa111111-1")
    code, out, _ = arb(capsys, "--watch")
    assert code == 0
    assert "1 open" in out
    assert "the last 1 that ended" in out


def test_nothing_is_there_and_nothing_is_made(
    home: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before the first session there is no state, and looking makes none."""
    assert arb(capsys, "--json") == (0, "[]\n", "")
    code, _, remark = arb(capsys)
    assert (code, "no state file, so nothing has traded" in " ".join(remark.split())) == (0, True)
    assert not (home.root / "state").exists()


def test_a_dead_engine_is_told_at_once(home: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    """Its lease is good for a minute yet; its process is gone from this machine."""
    with state_world(home) as world:
        world.begin("aaaaaa111111-0")
        assert "which died" not in arb(capsys)[1]
        dead = subprocess.Popen([sys.executable, "-c", ""])
        dead.wait()
        with closing(sqlite3.connect(world.file.database.path)) as db, db:
            db.execute(
                "UPDATE meta SET value = json_set(value, '$.process', ?) WHERE name = 'lease'",
                (dead.pid,),
            )
        assert "which died after" in " ".join(arb(capsys)[1].split())


def test_a_file_that_is_no_state_is_named(
    home: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its path and what is wrong, in one line."""
    (home.root / "state").mkdir(parents=True)
    (home.root / "state" / f"kucoin-{'0' * 16}.sqlite").write_bytes(b"no database" * 100)
    code, _, errors = arb(capsys)
    assert code == 2
    assert f"kucoin-{'0' * 16}.sqlite: is encrypted, or no state file" in errors


@pytest.mark.parametrize(
    "both", [("--active", "--history", "3"), ("--details", "x", "--watch"), ("--history", "0")]
)
def test_what_makes_no_sense_together_is_refused(
    home: Settings, capsys: pytest.CaptureFixture[str], both: tuple[str, ...]
) -> None:
    """With exit code 2 and one line."""
    code, _, errors = arb(capsys, *both)
    assert code == 2
    assert len(errors.strip().splitlines()) == 1


def test_only_what_the_lake_has_is_cleaned_up(
    lake: Lake, home: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    """Open cycles, young ones and those not copied stay; what goes is whole in the lake."""
    with state_world(home) as world:
        world.complete("aaaaaa111111-0")
        world.begin("aaaaaa111111-1")
        copy_day(lake, "kucoin", DAY)
        world.fail("aaaaaa111111-2")
        world.set_clock(now_ns())
        world.complete("aaaaaa111111-3")
    code, out, errors = arb(capsys, "--cleanup", "1", "--yes", "--json")
    (told,) = json.loads(out)
    assert (code, told["removed"], told["stay"]) == (0, 1, 1)
    assert "1 stay: the lake does not have them" in " ".join(errors.split())
    ended = json.loads(arb(capsys, "--history", "9", "--json")[1])
    assert [one["id"][-1] for one in ended] == ["3", "2"]
    assert [one["id"][-1] for one in json.loads(arb(capsys, "--json")[1])] == ["1"]
    with reading_state(world.file) as state:
        for table in ("orders", "transitions"):
            gone = f"SELECT count(*) FROM {table} WHERE cycle = 'aaaaaa111111-0'"
            assert state.execute(gone).fetchone()[0] == 0
    assert copy_day(lake, "kucoin", DAY).cycles == 1
    assert lake.query("SELECT count(*) FROM strategy_orders").item() == 4


def test_an_engine_goes_on_while_its_state_is_cleaned_up(
    lake: Lake, home: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    """Many cycles go in many small steps; the engine's own last, and come to the lake."""
    with state_world(home) as world:
        for number in range(50):
            world.fail(f"aaaaaa111111-{number}")
        copy_day(lake, "kucoin", DAY)
        world.begin("aaaaaa111111-50")
        _, out, _ = arb(capsys, "--cleanup", "1", "--yes", "--json")
        assert json.loads(out)[0]["removed"] == 50
        world.store.end(
            "aaaaaa111111-50", CycleState.FAILED, Outcome.NOTHING, profit=Decimal(0),
            what="taken back", why="by the test",
        )  # fmt: skip
    assert copy_day(lake, "kucoin", DAY).cycles == 1
    assert lake.query("SELECT count(*) FROM strategy_cycles").item() == 51


def test_cleaning_up_asks_first(
    lake: Lake, home: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without an answer nothing goes."""
    with state_world(home) as world:
        world.complete("aaaaaa111111-0")
    copy_day(lake, "kucoin", DAY)
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    code, out, _ = arb(capsys, "--cleanup", "1")
    assert code != 0
    assert "Remove 1 cycles" in out
    assert len(json.loads(arb(capsys, "--history", "9", "--json")[1])) == 1


def test_watching_ends_in_order_at_ctrl_c(home: Settings) -> None:
    """In a terminal the table is drawn again in place, shows what is new, and Ctrl-C ends it."""
    screen, terminal = pty.openpty()
    command = [sys.executable, "-m", "arb_pipelines.cli", "monitor", "--watch", "--every", "0.1"]
    with state_world(home) as world:
        process = subprocess.Popen(
            command, stdin=terminal, stdout=terminal, stderr=terminal, close_fds=True,
            env=os.environ | {"ARB_HOME": str(home.root), "TERM": "xterm", "COLUMNS": "120"},
        )  # fmt: skip
        os.close(terminal)
        shown = read_until(screen, b"0 open")
        world.begin("aaaaaa111111-0")
        shown += read_until(screen, b"aaaaaa111111-0")
        process.send_signal(signal.SIGINT)
        shown += read_until(screen, b"\x1b[?25h")  # the cursor is there again
        assert process.wait(timeout=30) == 0
    os.close(screen)
    assert b"Traceback" not in shown


def read_until(screen: int, word: bytes) -> bytes:
    """Read a terminal until it has shown a word."""
    read = b""
    while word not in read:
        assert select.select([screen], [], [], 60)[0], f"{word!r} was not shown: {read!r}"
        read += os.read(screen, 65536)
    return read
