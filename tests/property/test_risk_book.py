"""The counters of a strategy against an oracle that keeps every result and counts anew."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from arb_pipelines.clock import NS_PER_S, day_in
from arb_pipelines.execution.risk.keeper import RiskKeeper
from arb_pipelines.execution.state.opening import open_state
from arb_pipelines.execution.state.values import CycleState, NewCycle, Outcome
from arb_pipelines.trading.risk.book import RiskBook
from arb_pipelines.trading.risk.breakers import breakers_of
from arb_pipelines.trading.risk.parameters import RiskRules

RULES = {
    "losses": {"in_a_row": 3},
    "daily_loss": {"most": {"USDT": 5, "BTC": 3}},
    "drawdown": {"most": {"USDT": 7}, "percent": 10},
}
CAPITAL = {"BTC": 100.0, "USDT": 1_000.0}
START_S = int(datetime(2026, 1, 5, tzinfo=UTC).timestamp())

#: Kind of a step, currency or hours, profit; results are the most of them.
KINDS = ("result",) * 12 + ("hours", "restart", "resume", "resume")
STEPS = st.builds(
    lambda kind, currency, hours, profit: (kind, hours if kind == "hours" else currency, profit),
    st.sampled_from(KINDS),
    st.sampled_from(["USDT", "BTC"]),
    st.integers(-30, 30),
    st.sampled_from([-3, -1, -1, -1, 0, 1, 4]),
)


@dataclass
class Oracle:
    """All results with their days, and from which of them on each measure counts."""

    results: list[tuple[int, str, int]] = field(default_factory=list)
    since: dict[str, int] = field(default_factory=lambda: dict.fromkeys(RULES, 0))
    paused: set[str] = field(default_factory=set)
    day: int = 0

    def add(self, day: int, currency: str, profit: int) -> None:
        """Note a result."""
        self.on_day(day)
        self.results.append((self.day, currency, profit))
        self.judge()

    def on_day(self, day: int) -> None:
        """Go on at a day; if it had been over, what came later was its."""
        if day < self.day:
            self.results = [(min(on, day), of, profit) for on, of, profit in self.results]
        self.day = day

    def of_the_day(self) -> dict[str, Decimal]:
        """What the day has brought."""
        sums: dict[str, Decimal] = {}
        for on, of, profit in self.results:
            if on == self.day:
                sums[of] = sums.get(of, Decimal(0)) + profit
        return sums

    def judge(self) -> None:
        """Pause by what a list of numbers says."""
        row = 0
        for _, _, profit in self.results[self.since["losses"] :]:
            row = 0 if profit > 0 else row + (profit < 0)
        if row >= 3:
            self.paused.add("losses")
        for currency, most in (("USDT", 5), ("BTC", 3)):
            counted = self.results[self.since["daily_loss"] :]
            today = [p for day, of, p in counted if of == currency and day == self.day]
            if -sum(today) >= most:
                self.paused.add("daily_loss")
        for currency, capital in CAPITAL.items():
            highest, below = self.fall(currency)
            if currency == "USDT" and below >= 7:
                self.paused.add("drawdown")
            if below * 100 >= 10 * (capital + highest):
                self.paused.add("drawdown")

    def fall(self, currency: str) -> tuple[int, int]:
        """The peak since the measure began, and how far below it is what there is."""
        since = self.since["drawdown"]
        total = sum(p for _, of, p in self.results[:since] if of == currency)
        highest = total if since else 0
        for _, of, profit in self.results[since:]:
            if of == currency:
                total += profit
                highest = max(highest, total)
        return highest, highest - total

    def resume(self) -> None:
        """End all pauses; what was breached is measured from here."""
        for check in self.paused:
            self.since[check] = len(self.results)
        self.paused.clear()


@settings(max_examples=400, deadline=None)
@given(st.lists(STEPS, min_size=4, max_size=40))
def test_the_counters_agree_with_all_results_that_ever_were(steps: list[Any]) -> None:
    """Over days, resumptions and clocks that are set back."""
    now = START_S * NS_PER_S
    oracle, paused = Oracle(day=_day(now)), set[str]()
    book = RiskBook(day_in(now, "UTC"))
    breakers = breakers_of(RiskRules.model_validate(RULES), CAPITAL)
    for kind, first, profit in steps:
        if kind == "hours":
            now += first * 3_600 * NS_PER_S
        elif kind == "resume":
            book = book.forgiven(paused)
            paused.clear()
            oracle.resume()
        elif kind == "result":
            if (today := day_in(now, "UTC")) < book.day:
                oracle.on_day(_day(now))
                book = book.set_back(today, oracle.of_the_day())
            book = book.on_result(first, Decimal(profit), day_in(now, "UTC"))
            paused |= {breaker.name for breaker in breakers if breaker.review(book)}
            oracle.add(_day(now), first, profit)
        assert paused == oracle.paused
        for currency in CAPITAL:
            assert book.below_peak(currency) == oracle.fall(currency)[1]


@settings(max_examples=40, deadline=None)
@given(st.lists(STEPS, min_size=4, max_size=40))
def test_the_file_agrees_with_all_results_that_ever_were(steps: list[Any]) -> None:
    """Over restarts, too, each of which opens the file anew."""
    clock = [START_S * NS_PER_S]
    oracle = Oracle()
    with tempfile.TemporaryDirectory() as folder:
        remaining = list(steps)
        number = 0
        while True:
            with open_state(Path(folder) / "state.sqlite", wall_ns=lambda: clock[0]) as store:
                oracle.on_day(_day(clock[0]))  # a start opens the book of its day
                oracle.judge()
                keeper = RiskKeeper(
                    "thin", RiskRules.model_validate(RULES), CAPITAL, store.risk,
                    wall_ns=lambda: clock[0], tell=lambda event: None,
                )  # fmt: skip
                while remaining:
                    kind, first, second = remaining.pop(0)
                    if kind == "restart":
                        break
                    if kind == "hours":
                        clock[0] += first * 3_600 * NS_PER_S
                    elif kind == "resume" and oracle.paused:
                        oracle.resume()
                        keeper.resume_by("ada", "looked at it")
                    elif kind == "result":
                        number += 1
                        oracle.add(_day(clock[0]), first, second)
                        name = f"c{number}"
                        store.begin(NewCycle(name, "thin", "k", first, (), Decimal(9)), "")
                        store.move(name, CycleState.RECOVERING, what="", why="")
                        store.end(
                            name, CycleState.FAILED, Outcome.UNWOUND, profit=Decimal(second),
                            what="", why="",
                        )  # fmt: skip
                    standing = keeper.standing()
                    assert {pause.check for pause in standing.pauses} == oracle.paused
                    assert (keeper.pause is None) == (not oracle.paused)
                    book = standing.book
                    assert book is not None
                    assert book.cycles == len(oracle.results)
                    for currency in CAPITAL:
                        assert book.below_peak(currency) == oracle.fall(currency)[1]
                if not remaining:
                    by_day: dict[tuple[str, str], int] = {}
                    for day, currency, profit in oracle.results:
                        named = (_named(day), currency)
                        by_day[named] = by_day.get(named, 0) + profit
                    assert store.risk.profit_by_day("thin") == by_day
                    return


def _day(ts_ns: int) -> int:
    return ts_ns // (86_400 * NS_PER_S)


def _named(day: int) -> str:
    return datetime.fromtimestamp(day * 86_400, UTC).strftime("%Y-%m-%d")
