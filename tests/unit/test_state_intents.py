"""The log of intents: what an order waits for, until the state file has it."""

from __future__ import annotations

import os
import random
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from arb_pipelines.errors import InvariantBroken, Transient
from arb_pipelines.execution.state.intents import Intent, intent_log
from arb_pipelines.execution.state.opening import Durability, open_state
from arb_pipelines.execution.state.values import (
    CycleState,
    NewCycle,
    OrderStatus,
    Outcome,
    Purpose,
)
from arb_pipelines.market.graph import BUY
from arb_pipelines.trading.events import Cancelled, Ending, OrderKind, TimeInForce
from arb_pipelines.venues.base import NewOrder
from tests.unit.test_state_follower import APPROVED, CYCLE, LEGS, desk_order, new_order, session

CYCLE_0 = NewCycle(
    "abc-0", "s", "key", "USDT", LEGS, Decimal("100.5"),
    {"signal_ns": 1, "product": 1.01, "together": False},
)  # fmt: skip


def intent(number: int, *, leg: int | None = 0, begins: NewCycle | None = CYCLE_0) -> Intent:
    new = NewOrder(
        f"abc-0-{number}", "BTC-USDT", BUY, OrderKind.LIMIT, size=Decimal("0.0010"),
        price=Decimal("1e2"), time_in_force=TimeInForce.IOC,
    )  # fmt: skip
    return Intent(7, "abc-0", new, leg, begins, "net product 1.01")


def test_what_is_added_is_read_again_until_all_of_it_is_settled(tmp_path: Path) -> None:
    """Exactly as it was, amounts included; settled in any order."""
    path = tmp_path / "state.intents"
    first, second = intent(0), intent(1, leg=None, begins=None)
    with intent_log(path) as log:
        assert [*log.read()] == []
        log.add(first)
        log.add(second)
        assert [*log.read()] == [first, second]
        log.settle(second.order.client_id)
        assert [*log.read()] == [first, second]
    with intent_log(path) as log:
        assert [*log.read()] == [first, second]
        log.clear()
        log.add(second)
        assert [*log.read()] == [second]
        log.settle(second.order.client_id)
        assert [*log.read()] == []
    assert not path.exists()


@pytest.mark.parametrize("seed", range(20))
def test_a_torn_end_costs_the_order_that_never_left(tmp_path: Path, seed: int) -> None:
    """Cut off or overwritten anywhere, the file has the records before that place."""
    rng, path = random.Random(seed), tmp_path / "state.intents"
    added, ends = [], [0]
    with intent_log(path) as log:
        for number in range(5):
            added.append(intent(number))
            log.add(added[-1])
            ends.append(log._end)
    whole = path.read_bytes()
    at = rng.randrange(ends[-1])
    path.write_bytes(whole[:at] + (rng.randbytes(len(whole) - at) if seed % 2 else b""))
    with intent_log(path) as log:
        found = [*log.read()]
    assert found == added[: sum(end <= at for end in ends[1:])]


def test_a_log_that_is_full_or_fails_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that the order waits for the state file instead; what was added stays."""
    with intent_log(tmp_path / "state.intents") as log:
        added = []
        with suppress(Transient):
            for number in range(10_000):
                log.add(intent(number))
                added.append(f"abc-0-{number}")
        with pytest.raises(Transient, match="as many wait for it as may"):
            log.add(intent(10_000))
        assert [found.order.client_id for found in log.read()] == added
        assert len(added) > 100
        for client_id in added:
            log.settle(client_id)

        def refuses(*given: object) -> int:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "pwrite", refuses)
        with pytest.raises(Transient, match="No space left"):
            log.add(intent(0))


@pytest.mark.parametrize("also_cycle", [False, True])
def test_what_a_dead_process_left_is_brought_over(tmp_path: Path, also_cycle: bool) -> None:
    """With the time at which the order left; once, however often it is found."""
    path, log_path = tmp_path / "state.sqlite", tmp_path / "state.intents"
    if also_cycle:
        with open_state(path) as store:
            store.write_intent(intent(0))
    left = intent(1, leg=1, begins=None) if also_cycle else intent(0)
    with intent_log(log_path) as log:
        log.add(left)
    kept = log_path.read_bytes()
    for _ in range(2):
        log_path.write_bytes(kept)
        with open_state(path) as store:
            assert store.state_of("abc-0") is CycleState.ACTIVE
            assert store.cycle("abc-0").metadata == CYCLE_0.metadata
            orders = store.orders("abc-0")
            assert [order.client_id for order in orders][-1] == left.order.client_id
            assert len(orders) == 1 + also_cycle
            last = orders[-1]
            assert (last.status, last.intended_ns) == (OrderStatus.INTENDED, 7)
            assert (last.purpose, last.leg) == (Purpose.LEG, left.leg)
            assert (last.size, last.price) == (Decimal("0.0010"), Decimal(100))
        assert not log_path.exists()


def test_an_intent_that_the_state_refuses_keeps_no_engine_from_starting(tmp_path: Path) -> None:
    """It is told, and left to the venue, which has the order; others come over."""
    path = tmp_path / "state.sqlite"
    with open_state(path) as store:
        store.write_intent(intent(0))
        store.move("abc-0", CycleState.PANIC_SELLING, what="left", why="?")
    with intent_log(tmp_path / "state.intents") as log:
        log.add(intent(1, leg=1, begins=None))
    with capture_logs() as logs, open_state(path) as store:
        assert [order.client_id for order in store.orders("abc-0")] == ["abc-0-0"]
    assert [line["event"] for line in logs] == ["state.intent_left_out"]
    with open_state(path):
        pass


def test_a_write_that_was_cut_short_leaves_no_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither of the order that stays here, nor of older ones that lie behind it."""
    pwrite = os.pwrite
    with intent_log(tmp_path / "state.intents") as log:
        for number in range(3):
            log.add(intent(number))
        for number in range(3):
            log.settle(f"abc-0-{number}")

        def cut(file: int, data: bytes, at: int) -> int:
            return pwrite(file, data[: max(8, len(data) - 8)], at)

        monkeypatch.setattr(os, "pwrite", cut)
        with pytest.raises(Transient, match="no room"):
            log.add(intent(3))
        assert [*log.read()] == []


@pytest.mark.parametrize("ended", [False, True])
def test_what_a_restored_state_knows_nothing_of_is_left_out(tmp_path: Path, ended: bool) -> None:
    """An order of a cycle that is not there, or has ended: the venue tells of it."""
    path = tmp_path / "state.sqlite"
    if ended:
        with open_state(path) as store:
            store.begin(CYCLE_0, "why")
            zero = Decimal(0)
            store.end("abc-0", CycleState.FAILED, Outcome.NOTHING, profit=zero, what="", why="")
    with intent_log(tmp_path / "state.intents") as log:
        log.add(intent(1, leg=1, begins=None))
    with open_state(path) as store:
        assert store.orders("abc-0") == []


@pytest.mark.parametrize(("durability", "key"), [("power", None), ("process", SecretStr("a key"))])
def test_a_state_that_promises_more_has_no_log(
    tmp_path: Path, durability: Durability, key: SecretStr | None
) -> None:
    """Neither a loss of power nor a reader of the disk finds intents there; old ones go over."""
    log_path = tmp_path / "state.intents"
    with intent_log(log_path) as log:
        log.add(intent(0))
    with open_state(tmp_path / "state.sqlite", durability=durability, key=key) as store:
        assert store.intents is None
        assert not log_path.exists()
        assert [order.client_id for order in store.orders("abc-0")] == ["abc-0-0"]
    assert not log_path.exists()


def test_a_record_of_another_version_is_left_to_the_venue(tmp_path: Path) -> None:
    """It is skipped, and what follows it is read."""
    old: Any = replace(intent(0), ts_ns="of old")  # type: ignore[arg-type]
    with intent_log(tmp_path / "state.intents") as log:
        log.add(old)
        log.add(intent(1))
        assert [found.order.client_id for found in log.read()] == ["abc-0-1"]


# -- an order that waits for it ------------------------------------------------------------


def test_an_order_waits_for_its_intent_in_the_log_alone(tmp_path: Path) -> None:
    """The state file has it when the loop is free, and all that comes later comes after it."""
    with session(tmp_path) as s:
        calls: list[Callable[[], object]] = []
        s.follower._later = calls.append
        s.hear(APPROVED)
        s.order(0)
        log = s.store.intents
        assert log is not None
        assert not s.store.has_cycle(CYCLE)
        assert [kept.order.client_id for kept in log.read()] == [f"{CYCLE}-0"]
        calls.pop()()
        assert [order.client_id for order in s.store.orders(CYCLE)] == [f"{CYCLE}-0"]
        assert [*log.read()] == []
        s.order(1)
        s.fill(1, "40", "100")  # what it came to is written when it is heard, the intent before it
        assert s.states() == ["pending", "validating", "active"]
        assert [order.status for order in s.store.orders(CYCLE)] == ["intended", "done"]
        assert [*log.read()] == []
        calls.pop()()  # nothing is left to write


def test_what_an_engine_had_in_its_log_when_it_died_is_the_next_starts(tmp_path: Path) -> None:
    """Killed between an order's leaving and the state's transaction, it is known to be out."""
    copy = tmp_path / "copy"
    copy.mkdir()
    with session(tmp_path) as s:
        s.follower._later = lambda call: None
        s.hear(APPROVED)
        s.order(0)
        for name in ("state.sqlite", "state.sqlite-wal", "state.intents"):
            (copy / name).write_bytes((tmp_path / name).read_bytes())
    with open_state(copy / "state.sqlite") as store:
        (order,) = store.orders(CYCLE)
        assert (order.status, order.leg, order.funds) == ("intended", 0, Decimal(100))
        assert store.state_of(CYCLE) is CycleState.ACTIVE


def test_a_state_that_takes_nothing_lets_one_order_go_and_keeps_the_next(tmp_path: Path) -> None:
    """What left has its intent in the log; once the file is known to fail, orders stay here."""
    with session(tmp_path) as s:
        calls: list[Callable[[], object]] = []
        s.follower._later = calls.append
        s.store._db.execute("PRAGMA busy_timeout = 0")
        s.hear(APPROVED)
        with closing(sqlite3.connect(s.path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            s.order(0)
            assert s.troubles == []
            calls.pop()()
            assert s.troubles[0].startswith("the state file cannot be written")
            s.hear(desk_order(1, *LEGS[1], False))
            with pytest.raises(Transient, match=f"{CYCLE}-1 stays here"):
                s.hear(new_order(1, *LEGS[1]))
            s.hear(Cancelled(f"{CYCLE}-1", 4, "stays here", Ending.REJECTED))
            other.execute("ROLLBACK")
        assert s.follower.flush()
        assert [order.client_id for order in s.store.orders(CYCLE)] == [f"{CYCLE}-0"]


def test_a_defect_found_later_stops_the_session(tmp_path: Path) -> None:
    """It is told at once, and raised by what is heard next."""
    with session(tmp_path) as s:
        calls: list[Callable[[], object]] = []
        s.follower._later = calls.append
        s.hear(APPROVED)
        s.store.begin(replace(CYCLE_0, id=CYCLE), "somebody else's")
        s.order(0)
        calls.pop()()
        assert "the state does not take it" in s.troubles[0]
        s.hear(desk_order(1, *LEGS[1], False))
        with pytest.raises(InvariantBroken):  # no other order leaves
            s.hear(new_order(1, *LEGS[1]))
        with pytest.raises(InvariantBroken):
            s.fill(0, "1", "1")
        s.follower._waiting.clear()
