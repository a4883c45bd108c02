"""What a person is told of the engines: breached limits and stuck cycles, once each."""

from __future__ import annotations

import pytest

from arb_pipelines.clock import NS_PER_S, day_start_ns
from arb_pipelines.execution.state.risk import RiskEvent
from arb_pipelines.execution.state.values import CycleState, Outcome
from arb_pipelines.research.engine_watch import Trouble, breached_limits, news, stuck_cycles
from arb_pipelines.settings import Settings
from tests.fakes.state_worlds import DAY, StateWorld, state_world

TEN_NS = day_start_ns(DAY) + 10 * 3600 * NS_PER_S


def why_stuck(home: Settings, after_s: float) -> list[str]:
    """Reasons of the cycles that stick so long after ten o'clock."""
    at_ns = TEN_NS + int(after_s * NS_PER_S)
    return [str(one.facts["reason"]) for one in stuck_cycles(home, at_ns)]


def breach(world: StateWorld, what: str, check: str | None = "daily_loss") -> None:
    """Note an event of the risk section."""
    world.store.risk.note(
        RiskEvent("thin", TEN_NS, what, check, "55 USDT lost", "engine")  # type: ignore[arg-type]
    )


def test_a_cycle_that_goes_its_way_does_not_stick(home: Settings) -> None:
    """Open for a moment, with an engine that renews its lease."""
    with state_world(home) as world:
        world.begin("c-1")
        world.fail("c-2")
        assert why_stuck(home, 50) == []


def test_a_cycle_that_is_open_for_long_sticks(
    home: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the age that the settings say."""
    settings = home.model_copy(update={"stuck_after_s": 20.0})
    with state_world(home) as world:
        world.begin("c-1")
        world.fill("c-1", 0)
        assert why_stuck(settings, 20) == []
        (only,) = stuck_cycles(settings, TEN_NS + 21 * NS_PER_S)
    assert only.facts["reason"] == "open for over 20 s"
    assert only.facts["in_hand"] == {"BTC": "0.001998"}


def test_a_panic_sale_that_holds_sticks(home: Settings) -> None:
    """As soon as a sale that finds a market would be over."""
    with state_world(home) as world:
        world.begin("c-1")
        world.store.move("c-1", CycleState.PANIC_SELLING, what="left", why="leg 2 failed")
        assert why_stuck(home, 30) == []
        (why,) = why_stuck(home, 31)
    assert "panic sale holds" in why


def test_what_a_dead_engine_left_open_sticks_until_it_ends(home: Settings) -> None:
    """Whether the engine ended in order or its lease ran out."""
    with state_world(home) as world:
        world.begin("c-1")
        (why,) = why_stuck(home, 61)  # nobody renewed the lease
        assert "no engine runs" in why
    (why,) = why_stuck(home, 1)
    assert "no engine runs" in why
    with state_world(home) as world:
        world.store.end(
            "c-1", CycleState.FAILED, Outcome.NOTHING, profit=world.store.cycle("c-1").initial * 0,
            what="recovered", why="nothing filled",
        )  # fmt: skip
    assert why_stuck(home, 61) == []


def test_a_breach_stands_until_it_is_cleared_or_resumed(home: Settings) -> None:
    """A pause that a person asked for is no breach."""
    with state_world(home) as world:
        breach(world, "paused", "paused")
        assert breached_limits(home) == []
        breach(world, "paused")
        (only,) = breached_limits(home)
        assert (only.facts["strategy"], only.facts["check"]) == ("thin", "daily_loss")
        assert "arb strategy resume" in str(only.facts["until"])
        breach(world, "resumed", None)
        assert breached_limits(home) == []


def test_a_state_that_cannot_be_read_is_told_and_hides_no_other(home: Settings) -> None:
    """Its name and why, beside what the others say."""
    with state_world(home) as world:
        breach(world, "paused")
    (home.state / f"kucoin-{'f' * 16}.sqlite").write_bytes(b"no database" * 100)
    events = {one.event for one in breached_limits(home)}
    assert events == {"risk limit breached", "state cannot be read"}


def test_each_thing_is_news_once_and_again_when_it_comes_again() -> None:
    """Over what was told, what stands, and what is gone."""
    a, b = Trouble("a", "x", {}), Trouble("b", "x", {})
    first = news(None, [a])
    assert (first.began, first.over) == ([a], [])
    second = news(first.cursor, [a, b])
    assert (second.began, second.over) == ([b], [])
    third = news(second.cursor, [b])
    assert (third.began, third.over) == ([], ["a"])
    assert news(third.cursor, [a, b]).began == [a]
