"""State files as files: versions, keys, backups, who may write, and what may be deleted."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from decimal import Decimal
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import ClassVar

import pytest
from pydantic import SecretStr

from arb_pipelines.clock import NS_PER_DAY, NS_PER_S, now_ns
from arb_pipelines.errors import ConfigError, DataError, InvariantBroken, Transient
from arb_pipelines.execution.state import lease, upkeep
from arb_pipelines.execution.state.database import Database
from arb_pipelines.execution.state.opening import open_state
from arb_pipelines.execution.state.reader import open_state_for_reading, reading
from arb_pipelines.execution.state.store import StateStore
from tests.fakes.state_steps import STEPS, steps_found, steps_of

KEY = SecretStr("it's a key")
PACKAGE = "arb_pipelines.execution.state"
MIGRATIONS = sorted(
    step.name for step in files(PACKAGE).joinpath("migrations").iterdir() if step.name[0].isdigit()
)


def complete(store: StateStore, *cycles: str) -> None:
    """Take all steps of some cycles."""
    for cycle in cycles:
        assert [*steps_of(store, cycle)] == [*range(STEPS)]


@pytest.mark.parametrize("version", range(len(MIGRATIONS) + 1))
def test_a_file_of_every_version_is_brought_to_this_one(tmp_path: Path, version: int) -> None:
    """With what is in it, and as if it had been made today."""
    old, new = tmp_path / "old.sqlite", tmp_path / "new.sqlite"
    with sqlite3.connect(old) as db:
        for name in MIGRATIONS[:version]:
            db.executescript(files(PACKAGE).joinpath("migrations", name).read_text())
        db.execute(f"PRAGMA user_version = {version}")
        if version:
            db.execute("INSERT INTO meta VALUES ('engine', 'abcdef')")
            db.execute(
                "INSERT INTO cycles VALUES ('c', 's', 'k', 'USDT', '[]', '1', 'USDT', '1', '{}', "
                "'active', 0, NULL, NULL, NULL, 1, NULL, 1, '{}')"
            )
    db.close()
    with open_state(old) as store:
        if version:
            assert store.engine_id == "abcdef"
            assert [cycle.id for cycle in store.open_cycles()] == ["c"]
        complete(store, "next")
    with open_state(new):
        pass
    schemas = []
    for path in (old, new):
        with reading(Database(path)) as db:
            rows = db.execute("SELECT type, name, sql FROM sqlite_schema ORDER BY name")
            schemas.append([tuple(row) for row in rows])
    assert schemas[0] == schemas[1]


def test_a_later_version_is_left_alone(tmp_path: Path) -> None:
    """Whoever wrote it knows what an older release does not."""
    path = tmp_path / "state.sqlite"
    with open_state(path):
        pass
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(ConfigError, match=r"version 99.*run the newer release"):
        open_state(path).__enter__()
    other = tmp_path / "other.sqlite"
    with sqlite3.connect(other) as db:
        db.execute("CREATE TABLE t (x)")
    db.close()
    with pytest.raises(ConfigError, match="no state file"):
        open_state(other).__enter__()


def test_nothing_of_an_encrypted_file_can_be_read(tmp_path: Path) -> None:
    """Neither file nor log nor backup shows a word of it, and only its key opens it."""
    path, copy = tmp_path / "state.sqlite", tmp_path / "copy.sqlite"
    with open_state(path, key=KEY, holder="somebody's name") as store:
        complete(store, "cycle-with-a-name")
        upkeep.back_up(Database(path, KEY), copy)
        for file in tmp_path.iterdir():
            assert file.name == "copy.sqlite" or not file.stat().st_mode & 0o077
            content = file.read_bytes() if not file.name.endswith(".lock") else b""
            assert b"cycle-with-a-name" not in content
            assert b"USDT" not in content
            assert not content.startswith(b"SQLite format")
        code = (
            "from arb_pipelines.execution.state.reader import open_state_for_reading as read\n"
            "from pydantic import SecretStr; from pathlib import Path; import sys\n"
            "with read(Path(sys.argv[1]), key=SecretStr(sys.argv[2])) as state:\n"
            "    print(len(state.ended_cycles(9)))"
        )
        said = subprocess.run(
            [sys.executable, "-c", code, str(path), KEY.get_secret_value()],
            capture_output=True,
            check=True,
        )
        assert (said.stdout, said.stderr) == (b"1\n", b"")
    with pytest.raises(ConfigError, match="is encrypted, or no state file; set ARB_STATE_KEY"):
        open_state(path).__enter__()
    with pytest.raises(ConfigError, match="does not open with ARB_STATE_KEY") as wrong:
        open_state(copy, key=SecretStr("another")).__enter__()
    assert "another" not in str(wrong.value)


def test_a_key_for_a_plain_file_is_refused_with_what_to_do(tmp_path: Path) -> None:
    """Converted, it opens; converted back, it is as it was."""
    path = tmp_path / "state.sqlite"
    with open_state(path) as store:
        complete(store, "c")
        engine = store.engine_id
    with pytest.raises(ConfigError, match=r"is not encrypted.*arb state encrypt"):
        open_state(path, key=KEY).__enter__()
    upkeep.encrypt(path, KEY)
    assert not path.read_bytes().startswith(b"SQLite format")
    with open_state(path, key=KEY) as store:
        assert steps_found(store, "c") == STEPS
        complete(store, "d")
        with pytest.raises(ConfigError, match="is traded by session an engine"):
            upkeep.decrypt(path, KEY)
    upkeep.decrypt(path, KEY)
    with open_state(path) as store:
        assert store.engine_id == engine
        assert [steps_found(store, cycle) for cycle in ("c", "d")] == [STEPS, STEPS]


def test_without_the_extra_a_key_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the command that installs it."""
    monkeypatch.setitem(sys.modules, "sqlcipher3.dbapi2", None)
    with pytest.raises(ConfigError, match=r"ARB_STATE_KEY: .*pip install 'arb-pipelines\[enc"):
        open_state(tmp_path / "state.sqlite", key=KEY).__enter__()


def test_a_backup_is_of_one_moment_and_goes_back(tmp_path: Path) -> None:
    """Made while the engine writes, put in place of a file that is damaged since."""
    path, copy = tmp_path / "state.sqlite", tmp_path / "copy.sqlite"
    with open_state(path) as store:
        complete(store, "one")
        steps = steps_of(store, "two")
        assert [next(steps) for _ in range(3)] == [0, 1, 2]
        upkeep.back_up(Database(path), copy)
        assert [*steps] == [3, 4, 5, 6]
        with pytest.raises(ConfigError, match="is there already"):
            upkeep.back_up(Database(path), copy)
        with pytest.raises(ConfigError, match="is traded by"):
            upkeep.restore(Database(path), copy)
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "copy.sqlite", "state.sqlite", "state.sqlite.lock",
    ]  # fmt: skip
    path.write_bytes(path.read_bytes()[:5_000])
    aside = upkeep.restore(Database(path), copy)
    assert aside is not None
    assert aside.stat().st_size == 5_000
    with open_state(path) as store:
        assert [steps_found(store, cycle) for cycle in ("one", "two")] == [STEPS, 3]
    copy.write_bytes(b"SQLite format 3\0" + bytes(9_000))
    with pytest.raises(DataError, match=r"copy\.sqlite: is damaged"):
        upkeep.restore(Database(path), copy)
    with pytest.raises(DataError, match="is not there"):
        upkeep.restore(Database(path), tmp_path / "none")


def test_a_file_is_its_machine_s_as_long_as_its_lease_is_renewed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another machine is told who has it and how long to wait; after that the first may not on."""
    path, clock = tmp_path / "state.sqlite", [now_ns()]
    with open_state(path, holder="the first", wall_ns=lambda: clock[0]) as first:
        clock[0] += 30 * NS_PER_S
        first.renew_lease()
        (path.parent / f"{path.name}.lock").unlink()  # as a lock that the other does not see
        with monkeypatch.context() as elsewhere:
            elsewhere.setattr(lease.socket, "gethostname", lambda: "another")
            who = rf"is written by the first \(process {os.getpid()} on .*try again in 50 s"
            clock[0] += 10 * NS_PER_S
            with pytest.raises(ConfigError, match=who):
                open_state(path, wall_ns=lambda: clock[0]).__enter__()
            clock[0] += 50 * NS_PER_S
            with open_state(path, holder="the second", wall_ns=lambda: clock[0]) as second:
                complete(second, "c")
                with pytest.raises(
                    InvariantBroken, match=r"was taken from the first .* the second"
                ):
                    first.renew_lease()
    with open_state_for_reading(path) as reader:
        assert reader.lease is None


def test_history_is_not_edited(tmp_path: Path) -> None:
    """Not by a statement, and not deleted; only the clean-up of old cycles takes theirs away."""
    path, clock = tmp_path / "state.sqlite", [NS_PER_DAY]
    with open_state(path, wall_ns=lambda: clock[0]) as store:
        complete(store, *(f"old-{number}" for number in range(50)))
        clock[0] *= 2
        complete(store, "new")
        next(steps_of(store, "open"))
        for statement in (
            "UPDATE transitions SET why = 'another'",
            "DELETE FROM transitions WHERE cycle = 'old-1'",
            "DELETE FROM transitions WHERE cycle = 'open'",
        ):
            with sqlite3.connect(path) as db, pytest.raises(sqlite3.IntegrityError, match="append"):
                db.execute(statement)
            db.close()
        assert upkeep.clean_up(Database(path), NS_PER_DAY) == 0
        assert upkeep.clean_up(Database(path), NS_PER_DAY + 1) == 50
        assert steps_found(store, "old-1") == 0
        assert [steps_found(store, cycle) for cycle in ("new", "open")] == [STEPS, 1]
        rows = {"orders": 4, "transitions": 7, "cycles": 2}
        for table, number in rows.items():
            assert store._db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] == number


class Watched(Database):
    """A state file whose every statement is told before it is carried out."""

    tell: ClassVar[Callable[[str], object]]

    def connect(self, *, read_only: bool = False) -> sqlite3.Connection:
        """Connect, and tell."""
        connection = super().connect(read_only=read_only)
        connection.set_trace_callback(Watched.tell)
        return connection


def test_a_clean_up_lets_an_engine_write_between_a_few_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A day of balances is thousands of rows; the file is never held for more than one."""
    path, clock = tmp_path / "state.sqlite", [0]
    coins = tuple(f"C{number}" for number in range(20))
    with (
        open_state(path, wall_ns=lambda: clock[0]) as store,
        closing(Database(path).connect(read_only=True)) as reader,
    ):
        complete(store, *(f"old-{number}" for number in range(30)))
        for look in range(200):
            clock[0] += 60 * NS_PER_S
            store.see_balances(dict.fromkeys(coins, Decimal(look)), "watch")
        clock[0] = 2 * NS_PER_DAY

        def rows(table: str) -> int:
            return int(reader.execute(f"SELECT count(*) FROM {table}").fetchone()[0])

        left: list[tuple[int, int]] = []
        Watched.tell = lambda _: left.append((rows("balances_seen"), rows("cycles")))
        between: list[str] = []

        def engine_writes(_: float) -> None:
            between.append(f"new-{len(between)}")
            complete(store, between[-1])

        monkeypatch.setattr(upkeep, "sleep", engine_writes)
        assert upkeep.clean_up(Watched(path), NS_PER_DAY) == 30
        Watched.tell("the end")
        steps = [(before[0] - after[0], before[1] - after[1]) for before, after in pairwise(left)]
        assert max(balances for balances, _ in steps) <= 1_000
        assert max(cycles for _, cycles in steps) <= 20
        assert rows("balances_seen") == len(coins)
        assert len(between) >= 5
        assert rows("cycles") == len(between)


def test_a_file_that_cannot_be_written_keeps_nothing_half(tmp_path: Path) -> None:
    """A lock of another's that stays is told as what can be tried again."""
    path = tmp_path / "state.sqlite"
    with open_state(path) as store:
        complete(store, "one")
        with sqlite3.connect(path, isolation_level=None) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(Transient, match="cannot be written: database is locked"):
                complete(store, "two")
            other.execute("ROLLBACK")
        other.close()
        assert steps_found(store, "two") == 0
        complete(store, "two")


def test_what_was_seen_of_balances_is_thinned(tmp_path: Path) -> None:
    """What has changed, a minute apart; what is gone is nothing."""
    clock = [NS_PER_DAY]
    path = tmp_path / "state.sqlite"
    with open_state(path, wall_ns=lambda: clock[0]) as store:
        looks = (
            (0, {"USDT": "100", "BTC": "1", "ETH": "0"}),
            (30, {"USDT": "90"}),
            (31, {"USDT": "80"}),
            (1, {"USDT": "70"}),
            (60, {"USDT": "80"}),
        )
        for after_s, free in looks:
            clock[0] += after_s * NS_PER_S
            store.see_balances({of: Decimal(by) for of, by in free.items()}, "watch")
        seen = [
            ((one.ts_ns - NS_PER_DAY) // NS_PER_S, one.currency, str(one.available))
            for one in store.balances_seen()
        ]
    assert seen == [(0, "BTC", "1"), (0, "USDT", "100"), (61, "BTC", "0"), (61, "USDT", "80")]
    with open_state(path, wall_ns=lambda: clock[0] + 1) as store:
        store.see_balances({"USDT": Decimal(80)}, "the same as before")
        assert len(store.balances_seen()) == 4
        upkeep.clean_up(Database(path), 2 * NS_PER_DAY)
        assert {one.currency: str(one.available) for one in store.balances_seen()} == {
            "BTC": "0", "USDT": "80",
        }  # fmt: skip
