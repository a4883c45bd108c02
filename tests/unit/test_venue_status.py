"""Whether a venue takes orders: asked on and on, sooner when somebody met a closed door."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from arb_pipelines.errors import Closed, Transient, VenueError
from arb_pipelines.venues.ccxt_any.connection import ask_closed
from arb_pipelines.venues.status import VenueStatus
from tests.fakes.virtual_loop import run_virtually


class Told:
    """A venue that says what it is told to; ``at`` are the times of the questions."""

    def __init__(self) -> None:
        self.closed: str | None = None
        self.error: VenueError | None = None
        self.at: list[float] = []

    async def ask(self) -> str | None:
        self.at.append(asyncio.get_running_loop().time())
        if self.error is not None:
            raise self.error
        return self.closed


def watched(body: Callable[[VenueStatus, Told], Coroutine[Any, Any, None]]) -> None:
    """Run a test's body beside a status that is asked for."""

    async def run() -> None:
        venue = Told()
        status = VenueStatus("v", venue.ask, every_s=5.0, every_closed_s=1.0)
        asking = asyncio.create_task(status.run())
        await body(status, venue)
        asking.cancel()

    run_virtually(run())


def test_it_is_asked_now_and_then_and_oftener_while_it_is_closed() -> None:
    """Every 5 to 10 s, and every 1 to 2 s, at random."""

    async def body(status: VenueStatus, venue: Told) -> None:
        await asyncio.sleep(100.0)
        assert 100 / 10.25 - 1 <= len(venue.at) <= 100 / 5.25
        venue.closed = "close upgrade"
        await asyncio.sleep(10.3)
        assert status.closed == "close upgrade"
        asked = len(venue.at)
        await asyncio.sleep(50.0)
        assert 50 / 2.25 - 1 <= len(venue.at) - asked <= 50 / 1.25
        pauses = {round(b - a, 3) for a, b in zip(venue.at, venue.at[1:], strict=False)}
        assert len(pauses) > 10, "not everybody comes back in the same moment"

    watched(body)


def test_who_met_a_closed_door_has_it_asked_at_once_and_not_in_a_loop() -> None:
    """However often somebody knocks, four times a second at most."""

    async def body(status: VenueStatus, venue: Told) -> None:
        venue.closed = "cancelonly"
        status.look()
        await asyncio.sleep(0.01)
        assert status.closed == "cancelonly"
        for _ in range(200):
            status.look()
            await asyncio.sleep(0.01)
        assert len(venue.at) <= 10

    watched(body)


def test_who_waits_goes_on_when_it_opens() -> None:
    """And at once where it is open."""

    async def body(status: VenueStatus, venue: Told) -> None:
        await status.reopened()
        venue.closed = "close"
        status.look()
        await asyncio.sleep(0.01)
        waiting = asyncio.create_task(status.reopened())
        await asyncio.sleep(30.0)
        assert not waiting.done()
        venue.closed = None
        await asyncio.sleep(2.3)
        assert waiting.done()

    watched(body)


def test_no_answer_changes_nothing_but_a_closed_gate_does() -> None:
    """HTTP 503 is how it says so itself; a connection that fails says nothing."""

    async def body(status: VenueStatus, venue: Told) -> None:
        venue.error = Transient("no connection")
        status.look()
        await asyncio.sleep(0.5)
        assert status.closed is None
        venue.error = Closed("HTTP 503")
        status.look()
        await asyncio.sleep(0.5)
        assert status.closed == "HTTP 503"
        venue.error = Transient("no connection")
        await asyncio.sleep(5.0)
        assert status.closed == "HTTP 503"

    watched(body)


def test_a_venue_that_tells_nothing_counts_as_open() -> None:
    """Nobody asks, and nobody waits."""

    async def run() -> None:
        status = VenueStatus("v")
        await status.run()
        await status.reopened()
        assert status.closed is None

    run_virtually(run())


@pytest.mark.parametrize(
    ("told", "closed"), [("ok", None), ("maintenance", "maintenance"), ("shutdown", "shutdown")]
)
def test_ccxt_tells_it_in_its_own_words(told: str, closed: str | None) -> None:
    """Whatever is not ok takes no orders."""

    class Client:
        id = "x"

        async def fetch_status(self) -> dict[str, str]:
            return {"status": told}

    assert run_virtually(ask_closed(Client())) == closed
