"""Several strategies on one connection: coming, going, failing, and what each may spend."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest

from arb_pipelines.containers.spec import PORTFOLIO, ContainerSpec
from arb_pipelines.errors import (
    ConfigError,
    DataError,
    Fatal,
    InvariantBroken,
    ProtocolViolation,
    Rejected,
    VenueError,
)
from arb_pipelines.execution.components import strategy_spec
from arb_pipelines.execution.manager import SessionManager, managing
from arb_pipelines.execution.orders.balance_watch import BalanceWatch
from arb_pipelines.trading.parameters import Universe
from tests.fakes.venue_connection import QuietConnection, strategy

Body = Callable[[SessionManager, QuietConnection], Coroutine[Any, Any, None]]


def spec(name: str, usdt: float, **changed: Any) -> ContainerSpec:
    return strategy_spec(
        strategy(name, usdt, **changed), places_orders=True, id_prefix=f"{name}-", max_cycles=100
    )


def managed(body: Body, **free: str) -> None:
    """Run a test's body with a manager on a quiet venue, for 20 seconds at most."""

    async def run() -> None:
        connection = QuietConnection(**free)
        async with managing("session", connection) as manager:
            await body(manager, connection)

    asyncio.run(asyncio.wait_for(run(), 20))


def test_strategies_come_and_go_while_others_trade() -> None:
    """Each is there by its name, in the order of coming; who goes ends alone."""

    async def body(manager: SessionManager, _: QuietConnection) -> None:
        for name in ("one", "two", "three"):
            manager.add(spec(name, 10))
            manager.start(name)
        assert list(manager.strategies()) == ["one", "two", "three"]
        gone = await manager.remove("two", "enough")
        assert gone.settled
        assert gone.error is None
        assert gone.controls.stop_reason == "enough"
        assert list(manager.strategies()) == ["one", "three"]
        assert not any(one.ended.is_set() for one in manager.strategies().values())
        manager.add(spec("two", 10))
        for name in manager.strategies():
            await manager.remove(name, "over")

    managed(body, USDT="30")


def test_no_money_is_given_twice() -> None:
    """What the account has bounds all together; who goes leaves what it has by then."""

    async def body(manager: SessionManager, _: QuietConnection) -> None:
        manager.add(spec("one", 60))
        with pytest.raises(ConfigError, match=r"two is to trade with 50\.0 .* has 40\.0 that"):
            manager.add(spec("two", 50))
        manager.add(spec("two", 40))
        first = manager.strategies()["one"]
        first.container.get(PORTFOLIO)._free["USDT"] -= 5.5  # type: ignore[attr-defined]
        await manager.remove("one", "over")
        with pytest.raises(ConfigError, match=r"has 54\.5 that"):
            manager.add(spec("three", 55))
        manager.add(spec("three", 54.5))
        manager.add(spec("tested", 1e9), allot=False)
        await manager.remove("tested", "over")
        with pytest.raises(ConfigError, match=r"has 0\.0 that"):
            manager.add(spec("four", 1))

    managed(body, USDT="100")


def test_a_strategy_that_cannot_be_made_leaves_its_name_and_money() -> None:
    """Whatever was wrong with it."""

    async def body(manager: SessionManager, _: QuietConnection) -> None:
        with pytest.raises(DataError, match="no cycle"):
            manager.add(spec("one", 60, universe=Universe(start=("XRP",)), balances={"XRP": 1.0}))
        manager.add(spec("one", 60))
        with pytest.raises(ConfigError, match="one already"):
            manager.add(spec("one", 1))
        with pytest.raises(ConfigError, match="no strategy nobody; there is one"):
            await manager.remove("nobody", "over")

    managed(body, USDT="60")


def test_a_strategy_that_fails_ends_alone() -> None:
    """Its error is told in health, and the others trade on."""

    async def body(manager: SessionManager, connection: QuietConnection) -> None:
        for name in ("one", "two"):
            manager.add(spec(name, 10))
            manager.start(name)
        connection.feeds[0].failure.set_exception(InvariantBroken("its books are wrong"))
        await manager.ended("one")
        assert "its books are wrong" in str(manager.health()["one"])
        assert manager.health()["two"] is None
        assert not manager.strategies()["two"].ended.is_set()
        connection.wrong = "not connected"
        assert "account: not connected" in str(manager.health()["session.connection"])
        await manager.remove("two", "over")

    managed(body, USDT="20")


def test_a_connection_that_fails_has_all_settle_and_end() -> None:
    """With its own error, and nobody waits for what never comes."""

    async def body(manager: SessionManager, connection: QuietConnection) -> None:
        for name in ("one", "two"):
            manager.add(spec(name, 10))
            manager.start(name)
        connection.failure.set_exception(Fatal("the key is revoked"))
        for name, there in manager.strategies().items():
            await manager.ended(name)
            assert there.settled
            assert there.controls.stop_reason == "the connection failed: the key is revoked"
        assert isinstance(manager.failure, Fatal)

    managed(body, USDT="20")


@dataclass
class Idle:
    """One who trades on the account, and has nothing in flight."""

    in_flight: int = 0
    orders: int = 0

    def booked(self) -> Mapping[str, Decimal]:
        return {}


def asking(answers: list[VenueError | None]) -> Callable[[], Coroutine[Any, Any, Any]]:
    """Balances that are told (``None``) or not; the last answer stays."""

    async def ask() -> Mapping[str, Decimal]:
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if answer is not None:
            raise answer
        return {"USDT": Decimal(20)}

    return ask


def test_a_comparison_of_balances_that_fails_leaves_trading_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An answer without sense is told in health until there is one with."""
    monkeypatch.setattr(BalanceWatch.run, "__defaults__", (0.001,))

    async def body(manager: SessionManager, _: QuietConnection) -> None:
        manager.add(spec("one", 10))
        manager.start("one")
        manager.balances._balances = asking([Rejected("HTTP 400"), ProtocolViolation("<html>")])
        manager.balances.add(Idle())
        while "<html>" not in str(manager.health()["balances"]):
            await asyncio.sleep(0)
        manager.balances._balances = asking([None])
        while not manager.balances.comparisons:
            await asyncio.sleep(0)
        assert manager.health()["balances"] is None
        assert not manager.strategies()["one"].ended.is_set()
        await manager.remove("one", "over")

    managed(body, USDT="20")


def test_keys_that_do_no_more_have_all_settle_and_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Found out by asking for balances, it stops strategies as a lost connection does."""
    monkeypatch.setattr(BalanceWatch.run, "__defaults__", (0.001,))

    async def body(manager: SessionManager, _: QuietConnection) -> None:
        manager.add(spec("one", 10))
        manager.start("one")
        manager.balances._balances = asking([Fatal("the key is revoked")])
        manager.balances.add(Idle())
        await manager.ended("one")
        there = manager.strategies()["one"]
        assert there.settled
        assert there.controls.stop_reason == "the connection failed: the key is revoked"
        assert isinstance(manager.failure, Fatal)

    managed(body, USDT="20")


def test_a_connection_that_never_comes_into_service_is_an_error() -> None:
    """Told as what it is."""

    async def run() -> None:
        connection = QuietConnection()
        connection.failure.set_exception(Fatal("no such key"))
        connection.ready = asyncio.Event().wait  # type: ignore[method-assign, assignment]
        async with managing("session", connection):
            pass

    with pytest.raises(Fatal, match="no such key"):
        asyncio.run(asyncio.wait_for(run(), 20))


def test_who_never_began_is_removed_at_once() -> None:
    """Nobody waits for the end of what had no beginning."""

    async def body(manager: SessionManager, _: QuietConnection) -> None:
        manager.add(spec("one", 10))
        removed = await manager.remove("one", "over")
        assert not removed.ended.is_set()

    managed(body, USDT="20")


def test_one_strategy_takes_anothers_place_with_its_money() -> None:
    """The old one stops at once; the new one has what was free, and later what came back."""

    async def body(manager: SessionManager, _: QuietConnection) -> None:
        manager.add(spec("one", 60))
        manager.add(spec("other", 40))
        manager.start("one")
        old = manager.strategies()["one"].container.get(PORTFOLIO)
        old._free["USDT"] -= 25.0  # type: ignore[attr-defined]  # a cycle has it
        added = manager.replace("one", spec("one-again", 60))
        new = added.container.get(PORTFOLIO)
        assert manager.strategies()["one"].controls.stop_reason == "replaced by one-again"
        assert (old.balances(), new.balances()) == ({}, {"USDT": 35.0})
        old._free["USDT"] += 24.0  # type: ignore[attr-defined]  # and lost one
        await manager.remove("one", "ended")
        assert new.balances()["USDT"] == 59.0
        await manager.remove("other", "over")
        assert new.balances()["USDT"] == 60.0
        assert manager.money.free["USDT"] == 39
        await manager.remove("one-again", "over")
        assert manager.money.free["USDT"] == 99

    managed(body, USDT="100")


def test_what_cannot_take_a_place_changes_nothing() -> None:
    """More money than there is, cycles that the venue does not have, a name that is taken."""

    async def body(manager: SessionManager, _: QuietConnection) -> None:
        manager.add(spec("one", 60))
        manager.add(spec("other", 30))
        start = Universe(start=("XRP",))
        with pytest.raises(ConfigError, match=r"trade with 71\.0 USDT, .* has 70\.0"):
            manager.replace("one", spec("one-again", 71))
        with pytest.raises(DataError, match="no cycle"):
            manager.replace("one", spec("one-again", 1, universe=start, balances={"XRP": 1.0}))
        with pytest.raises(ConfigError, match="other already"):
            manager.replace("one", spec("other", 1))
        assert list(manager.strategies()) == ["one", "other"]
        assert not manager.strategies()["one"].controls.stopping.is_set()
        assert manager.strategies()["one"].container.get(PORTFOLIO).balances() == {"USDT": 60.0}
        assert manager.money.free["USDT"] == 10

    managed(body, USDT="100")
