"""Sessions that come and go on an account: its money, its past, and what one leaves to others."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest

from arb_pipelines.errors import ConfigError, VenueError
from arb_pipelines.execution.manager import managing
from arb_pipelines.execution.state.values import CycleState, NewCycle, Outcome
from arb_pipelines.research.hosted_session import HostedSession
from arb_pipelines.research.lake_process import LakeProcess
from arb_pipelines.research.session_host import SessionHost, failure_told
from arb_pipelines.research.session_requests import SessionRequest
from arb_pipelines.research.session_state import AccountStates
from arb_pipelines.settings import Settings, load_settings
from arb_pipelines.trading.strategy import load_strategy
from tests.fakes.venue_connection import QuietConnection

PLAIN = """\
name: plain
exchange: quiet
universe: {start: [USDT]}
min_profit_bps: 5
max_slippage_bps: 10
capital_allocation: {mode: fixed_amount, amount: 10}
"""


@dataclass
class _Real:
    """A venue that is not this machine's."""

    venue: str = "quiet"
    local: bool = False
    can_withdraw: bool = False


@dataclass
class _Managed:
    """As much of a manager as is asked before a session joins."""

    connection: Any


@dataclass
class _Unrecovered:
    """The state of an account on which this process began to place no orders."""

    seller: Any = None


def test_a_live_strategy_does_not_join_where_nothing_was_recovered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On paper nobody looked for what a crash left open, and nobody sells what cycles leave."""
    monkeypatch.setenv("ARB_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ARB_ALLOW_LIVE", "yes")
    lake = LakeProcess(load_settings())
    paper, live = tmp_path / "paper.yaml", tmp_path / "live.yaml"
    paper.write_text(PLAIN)
    live.write_text(PLAIN.replace("plain", "other") + "mode: live\n")

    def made(request: SessionRequest) -> HostedSession:
        strategy = load_strategy(request.strategy)
        return HostedSession(lake, request, strategy, tmp_path, lambda progress: None, None)

    on_paper = made(SessionRequest("plain-quiet-20260105T093000Z", paper, None, None, None, 0))
    manager, states = _Managed(_Real()), _Unrecovered()
    with ExitStack() as opened:
        host = SessionHost([on_paper], manager, states, made, opened)  # type: ignore[arg-type]
        with pytest.raises(ConfigError, match="places orders, and this process began with none"):
            host.bring(on_paper, live, False)


@pytest.mark.parametrize("told", [True, False])
def test_the_error_of_another_is_no_end_of_one_that_has_told_its_own(
    tmp_path: Path, told: bool
) -> None:
    """A heartbeat that says how its session ended stays; of any other the error is its end."""
    (tmp_path / "plain.yaml").write_text(PLAIN)
    strategy = load_strategy(tmp_path / "plain.yaml")
    request = SessionRequest("plain-quiet-1", tmp_path / "plain.yaml", None, None, None, 0)
    lake = LakeProcess(load_settings(home=tmp_path / "home"))
    session = HostedSession(lake, request, strategy, tmp_path, lambda progress: None, None)
    session.told = told
    with pytest.raises(VenueError, match="turned away"), failure_told(session):
        raise VenueError("turned away")
    state = orjson.loads((tmp_path / "heartbeat.json").read_bytes())["state"]
    assert state == ("starting" if told else "failed")


def test_what_open_cycles_hold_is_no_strategys_money() -> None:
    """It is free at the venue, and about to be sold: whoever was given it would lack it."""

    async def body() -> None:
        connection = QuietConnection(USDT="10", ETH="1.2", SOL="1")
        async with managing("session", connection) as manager:
            await manager.count_anew({"ETH": Decimal("0.2"), "SOL": Decimal(3), "ADA": Decimal(1)})
            assert manager.money.free == {
                "USDT": Decimal(10),
                "ETH": Decimal("1.0"),
                "SOL": Decimal(0),
            }

    asyncio.run(asyncio.wait_for(body(), 20))


@dataclass
class _Leaves:
    """A session that ends at once, or when it is told to, and who was asked to take it over."""

    key: str
    until: asyncio.Event
    error: Exception | None = None
    late: bool = False
    broken_off: Any = None

    @property
    def request(self) -> SessionRequest:
        return SessionRequest(self.key, Path("none.yaml"), None, None, None, 0)

    async def trade(self) -> Any:
        await self.until.wait()
        raise self.error or ConfigError("over", source="test")


@dataclass
class _Asked:
    """Notes whose cycles were to be taken over."""

    taken: list[str]

    def take_over(self, session: str) -> None:
        self.taken.append(session)


def test_what_a_session_left_is_taken_over_while_others_trade() -> None:
    """Of the last to end the next start takes over, which may finish its cycles."""

    async def body() -> None:
        first, last = _Leaves("first", asyncio.Event()), _Leaves("last", asyncio.Event())
        asked = _Asked([])
        with ExitStack() as opened:
            host = SessionHost([first, last], None, asked, None, opened)  # type: ignore[arg-type, list-item]
            running = asyncio.create_task(host.run())
            first.until.set()
            while not asked.taken:
                await asyncio.sleep(0)
            last.until.set()
            with pytest.raises(ConfigError, match="over"):
                await running
        assert asked.taken == ["first"]

    asyncio.run(asyncio.wait_for(body(), 20))


def test_what_came_of_each_is_told_as_it_ends() -> None:
    """Of one that an error ended too, while others trade; no other waits to be told of it."""

    async def body() -> None:
        first = _Leaves("first", asyncio.Event(), broken_off="what the first left")
        last = _Leaves("last", asyncio.Event(), broken_off="what the last left")
        told: list[Any] = []
        with ExitStack() as opened:
            host = SessionHost(
                [first, last],  # type: ignore[list-item]
                None,  # type: ignore[arg-type]
                _Asked([]),  # type: ignore[arg-type]
                None,  # type: ignore[arg-type]
                opened,
                told.append,
            )
            running = asyncio.create_task(host.run())
            first.until.set()
            while not told:
                await asyncio.sleep(0)
            assert told == ["what the first left"]
            last.until.set()
            with pytest.raises(ConfigError, match="over"):
                await running
        assert told == ["what the first left", "what the last left"]

    asyncio.run(asyncio.wait_for(body(), 20))


@dataclass
class _Takes:
    """A seller that notes what it is given."""

    cycles: list[str]

    def take(self, cycle: str) -> None:
        self.cycles.append(cycle)


def test_open_cycles_of_a_session_that_has_ended_are_the_sellers(home: Settings) -> None:
    """Those of others are not, nor what has ended."""

    async def body() -> None:
        connection: Any = QuietConnection()
        with ExitStack() as opened:
            states = AccountStates(home, connection, "test", opened)
            store, seller = states.of(places_orders=True), _Takes([])
            states.take_over("gone")  # nobody sells here
            for number, session in enumerate(("gone", "trades", "gone")):
                legs = (("ETH-USDT", 0),)
                new = NewCycle(f"c{number}", "s", session, "USDT", legs, Decimal(1))
                store.begin(new, "test")
            store.end(
                "c2", CycleState.FAILED, Outcome.NOTHING, profit=Decimal(0), what="", why="test"
            )
            states.seller = seller  # type: ignore[assignment]
            states.take_over("gone")
            assert seller.cycles == ["c0"]

    asyncio.run(body())


@pytest.mark.parametrize("another", [False, True])
def test_a_state_file_that_is_taken_away_stops_the_sessions(home: Settings, another: bool) -> None:
    """What is written from then on is in a file that nobody finds."""

    async def body() -> None:
        connection: Any = QuietConnection()
        with ExitStack() as opened:
            states, told = AccountStates(home, connection, "test", opened), list[str]()
            states.of(places_orders=True)
            states._troubles.append(told.append)
            states.check_there()
            assert not told
            (file,) = home.state.glob("*.sqlite")
            file.rename(file.with_suffix(".aside"))
            if another:
                file.touch()
            states.check_there()
            assert told == ["the state file was removed or replaced while it was written"]

    asyncio.run(body())
