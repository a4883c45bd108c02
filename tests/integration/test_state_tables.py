"""Ended cycles on their way from a state file into the lake: whole, once, held to each other."""

from __future__ import annotations

from decimal import Decimal

import pytest

from arb_pipelines.clock import NS_PER_DAY, day_start_ns
from arb_pipelines.errors import ArbError
from arb_pipelines.execution.orders.amounts import Booked
from arb_pipelines.lake.store import Lake
from arb_pipelines.lake.transaction import Transaction
from arb_pipelines.research.models import all_checks, build_models
from arb_pipelines.research.state_agreement import disagreements
from arb_pipelines.research.state_rows import STATE_TABLES
from arb_pipelines.research.state_tables import Copied, StateCopier, copy_day
from arb_pipelines.settings import Settings
from tests.fakes.state_worlds import DAY, LEGS, StateWorld, market_of, state_world


def contents(lake: Lake) -> dict[str, list[tuple[object, ...]]]:
    """All rows of the engine's tables."""
    return {
        table.name: lake.query(f"SELECT * FROM {table.name} ORDER BY {', '.join(table.key)}").rows()
        for table in STATE_TABLES
    }


def confirm_fee(world: StateWorld, cycle: str) -> None:
    """Have the venue tell a lower fee of the last leg, after the cycle's end."""
    symbol, side, _, funds = LEGS[2]
    fee, size = Decimal("0.05"), Decimal("0.03996")
    value = Decimal(funds)
    booked = Booked(side, size, value, size, value - fee, fee, "USDT")
    world.store.book(f"{cycle}-2", booked, market_of(symbol), None)


def test_a_day_copied_twice_is_the_same_as_once(lake: Lake, home: Settings) -> None:
    """Only ended cycles go, with their history and orders; the second copy writes nothing."""
    with state_world(home) as world:
        world.complete("c-1")
        world.fail("c-2")
        world.begin("c-3")
        assert copy_day(lake, "kucoin", DAY) == Copied(cycles=2, transitions=8, orders=4)
        once = contents(lake)
        assert copy_day(lake, "kucoin", DAY) == Copied()
    assert contents(lake) == once
    (whole,) = lake.query(
        "SELECT outcome, legs, profit, changes, orders FROM strategy_cycles WHERE cycle = 'c-1'"
    ).rows()
    assert whole == (
        "filled", "BTC-USDT:buy>ETH-BTC:buy>ETH-USDT:sell", 0.6992, '{"USDT":"0.6992"}', 3,
    )  # fmt: skip


def test_a_day_takes_what_ended_on_it(lake: Lake, home: Settings) -> None:
    """To the nanosecond: the last of a day is that day's, the first of the next is not."""
    with state_world(home) as world:
        world.begin("c-1")
        world.set_clock(day_start_ns(DAY) + NS_PER_DAY - 10**6)
        world.store.remark("c-1", "soon")
        world.fail("c-2")
        assert copy_day(lake, "kucoin", DAY).cycles == 0
    assert copy_day(lake, "binance", DAY) == Copied()


def test_a_session_copies_what_is_new_and_fees_told_late(
    lake: Lake, home: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each copy takes what ended or changed since the last; lake and file then agree."""
    with state_world(home) as world:
        copier = StateCopier(lake, world.file)
        assert copier.copy() == Copied()
        world.complete("c-1")
        assert copier.copy().cycles == 1
        world.complete("c-2")
        confirm_fee(world, "c-1")
        with monkeypatch.context() as patch:  # all that is in the lake is not read each second
            patch.setattr(Lake, "query", lambda *_: pytest.fail("asked"))
            assert copier.copy().cycles == 2
            assert copier.copy() == Copied()
        changes = lake.query("SELECT changes FROM strategy_cycles WHERE cycle = 'c-1'").item()
        assert changes == '{"USDT":"0.7500"}'
        assert disagreements(lake) == []


def test_a_copy_cut_short_is_made_again_without_doubles(
    lake: Lake, home: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cycle's rows come together or not at all, whatever the commit dies of."""
    lake.commit(lambda _: None)
    with state_world(home) as world:
        world.complete("c-1")
        upsert, calls = Transaction.upsert, iter([True, True, False])

        def dying(self: Transaction, *given: object) -> int:
            if not next(calls):
                raise ArbError("the process died")
            return upsert(self, *given)  # type: ignore[arg-type]

        monkeypatch.setattr(Transaction, "upsert", dying)
        with pytest.raises(ArbError, match="died"):
            copy_day(lake, "kucoin", DAY)
        monkeypatch.undo()
        assert all(not rows for rows in contents(Lake(home)).values())
        assert copy_day(lake, "kucoin", DAY) == Copied(cycles=1, transitions=4, orders=3)


@pytest.mark.parametrize("table", ["strategy_cycles", "strategy_transitions", "strategy_orders"])
def test_rows_that_were_lost_are_brought_again(lake: Lake, home: Settings, table: str) -> None:
    """From any of the tables, and no cycle that is whole is written anew."""
    with state_world(home) as world:
        world.complete("c-1")
        world.fail("c-2")
    copy_day(lake, "kucoin", DAY)
    before = contents(lake)
    lost = f"DELETE FROM {table} WHERE cycle = 'c-1'"
    lake.commit(lambda transaction: transaction.connection.execute(lost))
    assert copy_day(lake, "kucoin", DAY) == Copied(cycles=1, transitions=4, orders=3)
    assert contents(lake) == before
    assert copy_day(lake, "kucoin", DAY) == Copied()


def test_two_accounts_stay_apart(lake: Lake, home: Settings) -> None:
    """The same id in two files is two cycles, and orders that were only tested are marked."""
    with state_world(home) as world:
        world.complete("c-1")
    with state_world(home, account="f" * 16 + "-tested") as world:
        world.fail("c-1")
    assert copy_day(lake, "kucoin", DAY).cycles == 2
    rows = lake.query("SELECT account, tested, state FROM strategy_cycles ORDER BY account").rows()
    assert [row[1:] for row in rows] == [(False, "completed"), (True, "failed")]
    assert disagreements(lake) == []


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("DELETE FROM strategy_cycles WHERE cycle = 'c-1'", "has no row in strategy_cycles"),
        ("DELETE FROM strategy_orders WHERE client_id = 'c-1-1'", "has no row in strategy_orders"),
        (
            "DELETE FROM strategy_transitions WHERE cycle = 'c-1' AND step_no = 2",
            "has no row in strategy_transitions",
        ),
        (
            "UPDATE strategy_transitions SET why = 'x' WHERE cycle = 'c-2' AND step_no = 0",
            "has why",
        ),
        ("UPDATE strategy_cycles SET profit = 0.7 WHERE cycle = 'c-1'", "has profit 0.6992"),
        ("UPDATE strategy_orders SET fee = 0 WHERE client_id = 'c-1-2'", "has fee 0.1008"),
        (
            "INSERT INTO strategy_cycles SELECT * REPLACE ('c-9' AS cycle) FROM strategy_cycles "
            "WHERE cycle = 'c-2'",
            "c-9 is in the lake and not in its state file",
        ),
    ],
)
def test_state_and_lake_are_held_to_each_other(
    lake: Lake, home: Settings, statement: str, said: str
) -> None:
    """One row that is missing, wrong or too many is found, and nothing else."""
    with state_world(home) as world:
        world.complete("c-1")
        world.fail("c-2")
    copy_day(lake, "kucoin", DAY)
    assert disagreements(lake) == []
    lake.commit(lambda transaction: transaction.connection.execute(statement))
    (found,) = disagreements(lake)
    assert said in str(found)
    assert disagreements(lake, [("kucoin", DAY)]) == [found]
    assert disagreements(lake, [("binance", DAY)]) == []


def test_what_ended_a_moment_ago_may_still_be_on_its_way(lake: Lake, home: Settings) -> None:
    """A minute later it is missing."""
    with state_world(home) as world:
        world.fail("c-1")
        ended = world.store.cycle("c-1").updated_ns
    assert disagreements(lake, at_ns=ended + 30 * 10**9) == []
    assert len(disagreements(lake, at_ns=ended + 61 * 10**9)) == 1


def test_the_models_over_the_engines_tables_are_built_and_hold(lake: Lake, home: Settings) -> None:
    """Outcomes by day and times in each state, with no check of them that fails."""
    with state_world(home) as world:
        world.complete("c-1")
        world.fail("c-2")
    copy_day(lake, "kucoin", DAY)
    build_models(lake, {"venue": "kucoin", "day": DAY})
    days = "SELECT outcome, cycles, profit FROM strategy_cycle_days ORDER BY outcome"
    assert lake.query(days).rows() == [("filled", 1, 0.6992), ("nothing", 1, 0.0)]
    times = lake.query("SELECT state, cycles, total_ms FROM strategy_state_times").rows()
    assert sorted(times)[0] == ("active", 2, pytest.approx(10.0))
    names = {table.name for table in STATE_TABLES} | {"strategy_cycle_days"}
    for check in all_checks():
        if check.on in names or check.on == "strategy_state_times":
            assert lake.query(check.sql).is_empty(), check.name
