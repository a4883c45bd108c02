"""Pauses of a strategy: what brings them, what ends them, and that a restart does not."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from arb_pipelines.clock import NS_PER_DAY, NS_PER_S, day_start_ns, parse_day
from arb_pipelines.errors import ConfigError
from arb_pipelines.execution.orders.amounts import Booked
from arb_pipelines.execution.risk.keeper import RiskKeeper
from arb_pipelines.execution.state.opening import open_state
from arb_pipelines.execution.state.risk import RiskEvent
from arb_pipelines.execution.state.store import StateStore
from arb_pipelines.execution.state.values import CycleState, NewCycle, Outcome
from arb_pipelines.market.graph import SELL
from arb_pipelines.market.symbols import Market
from arb_pipelines.trading.risk.parameters import RiskRules
from tests.fakes.state_steps import steps_of

#: Noon in UTC, one in the afternoon in Berlin.
NOON = day_start_ns(parse_day("2026-01-05")) + NS_PER_DAY // 2
_NUMBERS = count()


@dataclass
class Kept:
    """A strategy whose pauses are kept in a file, by a clock of the test's."""

    store: StateStore
    keeper: RiskKeeper
    clock: list[int]
    told: list[RiskEvent] = field(default_factory=list)

    def ends(self, *profits: str, strategy: str = "thin", currency: str = "USDT") -> None:
        """Have cycles end with these profits."""
        for profit in profits:
            name = f"c{next(_NUMBERS)}"
            legs = (("BTC-USDT", 0),)
            self.store.begin(NewCycle(name, strategy, "k", currency, legs, Decimal(100)), "signal")
            self.store.move(name, CycleState.VALIDATING, what="plan", why="")
            self.store.move(name, CycleState.ACTIVE, what="intent", why="")
            self.store.end(
                name, CycleState.COMPLETED, Outcome.FILLED, profit=Decimal(profit), what="", why=""
            )

    @property
    def paused(self) -> str | None:
        """The check of the pause that stands."""
        pause = self.keeper.pause
        return None if pause is None else pause.check


@contextmanager
def kept(path: Path, rules: dict[str, Any], now_ns: int = NOON) -> Iterator[Kept]:
    """Start an engine on a file, as a new process does."""
    clock: list[int] = [now_ns]
    told: list[RiskEvent] = []
    with open_state(path, wall_ns=lambda: clock[0]) as store:
        keeper = RiskKeeper(
            "thin", RiskRules.model_validate(rules), {"USDT": 1_000.0}, store.risk,
            wall_ns=lambda: clock[0], tell=told.append,
        )  # fmt: skip
        yield Kept(store, keeper, clock, told)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A state file that is not there yet."""
    return tmp_path / "state.sqlite"


@pytest.mark.parametrize(
    ("check", "rules", "keeps", "breaks", "said"),
    [
        ("losses", {"losses": {"in_a_row": 3}}, ["-1", "-1", "0"], "-1", "3 cycles in a row"),
        (
            "daily_loss",
            {"daily_loss": {"most": {"USDT": 5}}},
            ["3", "-7.99", "0"],
            "-0.01",
            "5.00 USDT lost on 2026-01-05; the limit is 5",
        ),
        (
            "drawdown",
            {"drawdown": {"most": {"USDT": 10}}},
            ["20", "-9.99"],
            "-0.01",
            "10.00 USDT below the peak; the limit is 10",
        ),
        (
            "drawdown",
            {"drawdown": {"percent": 1}},
            ["100", "-10.99"],
            "-0.01",
            "11.00 USDT below the peak of 1100; the limit is 1 %",
        ),
    ],
)
def test_a_breach_pauses_at_its_bound_and_a_restart_stays_paused(
    path: Path, check: str, rules: dict[str, Any], keeps: list[str], breaks: str, said: str
) -> None:
    """Nothing happens just below it; it is told once, and a person ends it with a reason."""
    with kept(path, rules) as engine:
        engine.ends(*keeps)
        assert engine.paused is None
        engine.ends(breaks)
        assert engine.paused == check
        engine.ends("-1")
        (told,) = engine.told
        assert (told.what, told.who, told.until_ns) == ("paused", "engine", None)
        assert said in told.why
    with kept(path, rules, NOON + 3 * NS_PER_DAY) as engine:
        assert engine.paused == check
        assert engine.told == []
        with pytest.raises(ConfigError, match="say why"):
            engine.keeper.resume_by("ada", "  ")
        engine.keeper.resume_by("ada", "books were wrong,\nnow fixed")
        assert engine.paused is None
        engine.ends("-0.5", "0.1")
        assert engine.paused is None, "what was forgiven does not breach again"
    with kept(path, rules) as engine:
        assert engine.paused is None
        (resumed, paused) = engine.keeper.standing().last
        assert (resumed.who, resumed.why) == ("ada", "books were wrong, now fixed")
        assert paused.check == check


def test_a_pause_until_the_next_day_ends_with_the_day_of_its_zone(path: Path) -> None:
    """By the clock on the wall there, over a restart; the day's loss begins anew."""
    rules = {"zone": "Europe/Berlin", "daily_loss": {"most": {"USDT": 5}, "clears": "next_day"}}
    midnight = NOON + 11 * 3_600 * NS_PER_S  # 23:00 UTC
    with kept(path, rules) as engine:
        engine.ends("-5")
        assert engine.paused == "daily_loss"
        assert engine.told[0].until_ns == midnight
    with kept(path, rules, midnight - 1) as engine:
        assert engine.paused == "daily_loss"
        engine.clock[0] = midnight
        assert engine.paused is None
        assert [event.what for event in engine.told] == ["cleared"]
        engine.ends("-4.99")
        assert engine.paused is None
        engine.ends("-0.01")
        assert engine.paused == "daily_loss"
    with kept(path, rules, midnight) as engine:
        found = engine.store.risk.profit_by_day("thin")
        assert found == {
            ("2026-01-05", "USDT"): Decimal(-5),
            ("2026-01-06", "USDT"): Decimal(-5),
        }


def test_a_pause_for_minutes_ends_after_them(path: Path) -> None:
    """A clock that is set back makes it longer, never shorter."""
    rules = {"losses": {"in_a_row": 2, "clears": {"after": {"minutes": 10}}}}
    with kept(path, rules) as engine:
        engine.ends("-1", "-1")
        engine.clock[0] = NOON - NS_PER_DAY
        assert engine.paused == "losses"
        engine.clock[0] = NOON + 600 * NS_PER_S - 1
        assert engine.paused == "losses"
        engine.clock[0] += 1
        assert engine.paused is None
        engine.ends("-1")
        assert engine.paused is None
        engine.ends("-1")
        assert engine.paused == "losses"


def test_a_clock_that_was_a_month_ahead_takes_nothing_from_the_day_it_is(path: Path) -> None:
    """Its loss counts whole, and so does that of each day of the month to come."""
    with kept(path, {"daily_loss": {"most": {"USDT": 5}}}) as engine:
        engine.ends("-3")
        engine.clock[0] = NOON + 31 * NS_PER_DAY
        engine.ends("-1")
        engine.clock[0] = NOON
        assert engine.paused is None
        engine.ends("-0.99")
        assert engine.paused is None
        engine.ends("-0.01")
        assert engine.paused == "daily_loss"
        assert "lost on 2026-01-05" in engine.told[-1].why
        engine.keeper.resume_by("ada", "the clock was wrong")
    with kept(path, {"daily_loss": {"most": {"USDT": 5}}}, NOON + NS_PER_DAY) as engine:
        engine.ends("90")
        engine.clock[0] += NS_PER_DAY
        engine.ends("-4.99")
        assert engine.paused is None
        engine.ends("-0.01")
        assert engine.paused == "daily_loss"
        assert engine.store.risk.profit_by_day("thin") == {
            ("2026-01-05", "USDT"): Decimal(-5),
            ("2026-01-06", "USDT"): Decimal(90),
            ("2026-01-07", "USDT"): Decimal(-5),
        }


def test_several_pauses_stand_until_the_last_has_ended(path: Path) -> None:
    """Each by its own rule; a person ends all."""
    rules = {
        "losses": {"in_a_row": 2, "clears": {"after": {"minutes": 1}}},
        "daily_loss": {"most": {"USDT": 2}},
    }
    with kept(path, rules) as engine:
        engine.ends("-1", "-1")
        assert [pause.check for pause in engine.keeper.standing().pauses] == [
            "losses",
            "daily_loss",
        ]
        engine.clock[0] += 60 * NS_PER_S
        assert engine.paused == "daily_loss"
        engine.keeper.pause_by("ada", "maintenance")
        engine.keeper.resume_by("ada", "done")
        assert engine.paused is None


def test_a_person_pauses_over_restarts(path: Path) -> None:
    """Without any limit set."""
    with kept(path, {}) as engine:
        engine.keeper.pause_by("ada", "venue maintenance")
    with kept(path, {}) as engine:
        assert engine.paused == "paused"
        engine.keeper.resume_by("ada", "over")
        assert engine.paused is None
        with pytest.raises(ConfigError, match="not paused"):
            engine.keeper.resume_by("ada", "again")


def test_what_ends_while_a_strategy_does_not_run_counts_when_it_does(path: Path) -> None:
    """A recovery or panic sell of its cycles, by the engine of another strategy."""
    rules = {"losses": {"in_a_row": 2}, "daily_loss": {"most": {"USDT": 50}}}
    with kept(path, rules) as engine:
        engine.ends("-1", strategy="other")
        engine.ends("-1", strategy="other", currency="BTC")
        assert engine.paused is None
        other: list[RiskEvent] = []
        keeper = RiskKeeper(
            "other", RiskRules.model_validate(rules), {"USDT": 1.0}, engine.store.risk,
            wall_ns=lambda: NOON, tell=other.append,
        )  # fmt: skip
        pause = keeper.pause
        assert pause is not None
        assert pause.check == "losses"
        assert [event.strategy for event in other] == ["other"]


def test_a_session_that_has_ended_judges_no_more(path: Path) -> None:
    """What a panic sell brings afterwards counts; whoever took its place goes on judging."""
    rules = {"losses": {"in_a_row": 2}}
    with kept(path, rules) as engine:
        engine.ends("-1")
        engine.keeper.close()
        engine.ends("-1")
        assert engine.told == []
        told: list[RiskEvent] = []
        following = RiskKeeper(
            "thin", RiskRules.model_validate(rules), {"USDT": 1.0}, engine.store.risk,
            wall_ns=lambda: NOON, tell=told.append,
        )  # fmt: skip
        assert [event.check for event in told] == ["losses"]
        following.resume_by("ada", "looked at it")
        engine.keeper.close()
        engine.ends("-1", "-1")
        assert [event.what for event in told] == ["paused", "resumed", "paused"]


def test_a_cycle_and_its_result_are_one_step(path: Path) -> None:
    """When the step fails, neither is there; then it is done again, and counts once."""
    with kept(path, {"losses": {"in_a_row": 1}}) as engine:

        def cut_short() -> None:
            with engine.store.together():
                engine.ends("-1")
                raise RuntimeError("cut short")

        with pytest.raises(RuntimeError):
            cut_short()
        assert engine.store.ended_cycles(10) == []
        assert engine.store.risk.pauses("thin") == ()
        book = engine.store.risk.book("thin")
        assert book is not None
        assert book.cycles == 0
        engine.ends("-1")
        assert engine.paused == "losses"


def test_who_lifted_what_cannot_be_edited(path: Path) -> None:
    """The file itself refuses."""
    with kept(path, {}) as engine:
        engine.keeper.pause_by("ada", "lunch")
    with sqlite3.connect(path) as connection:
        for statement in ("UPDATE risk_events SET who = 'bob'", "DELETE FROM risk_events"):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                connection.execute(statement)
    connection.close()


def test_what_the_venue_tells_late_counts_without_another_loss(path: Path) -> None:
    """A fee that was higher: profit, day and drawdown know of it, the row does not."""
    with kept(path, {"losses": {"in_a_row": 1}, "drawdown": {"most": {"USDT": 2}}}) as engine:
        engine.store.risk.open_book("s", "UTC")
        for _ in steps_of(engine.store, "c-late"):
            pass
        market = Market("kucoin", "ETH-USDT", "ETH", "USDT", "ETH-USDT")
        size, funds, fee = Decimal("0.04"), Decimal(101), Decimal("3.5")
        booked = Booked(SELL, size, funds, size, funds - fee, fee, "USDT")
        for _ in range(2):  # told twice, it counts once
            engine.store.book("c-late-2", booked, market, None)
        book = engine.store.risk.book("s")
        assert book is not None
        assert (book.cycles, book.in_a_row) == (1, 0)
        assert book.today == book.profit == {"USDT": Decimal("-2.5")}
        assert book.below_peak("USDT") == Decimal("3.5")
        assert engine.store.risk.profit_by_day("s") == {("2026-01-05", "USDT"): Decimal("-2.5")}
        assert engine.store.cycle("c-late").profit == Decimal("-2.5")
