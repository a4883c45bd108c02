"""KuCoin's clock as a session knows it, through steps of ours and bad answers."""

from __future__ import annotations

import asyncio
import time

import pytest

from arb_pipelines.clock import NS_PER_MS, NS_PER_S
from arb_pipelines.errors import Fatal
from arb_pipelines.venues.kucoin.venue_clock import VenueClock
from tests.fakes.kucoin_server import fake_kucoin, on_loop, until

START_MS = 1_700_000_000_000


class Machine:
    """A machine's clocks, moved by hand."""

    def __init__(self) -> None:
        self.wall, self.steady = START_MS * NS_PER_MS, 7 * NS_PER_S

    def clock(self, **options: float) -> VenueClock:
        """A venue's clock on this machine."""
        return VenueClock(lambda: self.wall, lambda: self.steady, **options)


@on_loop
async def test_a_step_of_the_wall_clock_changes_no_signature() -> None:
    """The venue's time goes on by the clock that knows no steps, and says what ours is off by."""
    machine = Machine()
    clock = machine.clock()
    assert clock.now_ns() == machine.wall
    async with fake_kucoin() as fake, fake.rest() as client:
        fake.now_ms = lambda: START_MS + 250
        await clock.measure(client)
    assert clock.now_ns() == (START_MS + 250) * NS_PER_MS
    assert clock.skew_ns == 250 * NS_PER_MS
    machine.wall -= 3600 * NS_PER_S
    machine.steady += NS_PER_S
    assert clock.now_ns() == (START_MS + 1250) * NS_PER_MS
    assert clock.skew_ns == 3601 * NS_PER_S + 250 * NS_PER_MS


@pytest.mark.skipif(not hasattr(time, "CLOCK_BOOTTIME"), reason="no such clock here")
@on_loop
async def test_a_machine_s_sleep_changes_no_signature(monkeypatch: pytest.MonkeyPatch) -> None:
    """The venue's time goes on meanwhile: the first call after waking up is not refused."""
    clocks = {time.CLOCK_BOOTTIME: 7 * NS_PER_S, time.CLOCK_MONOTONIC: 5 * NS_PER_S}
    monkeypatch.setattr(time, "clock_gettime_ns", clocks.__getitem__)
    monkeypatch.setattr(time, "monotonic_ns", lambda: clocks[time.CLOCK_MONOTONIC])
    clock = VenueClock(lambda: START_MS * NS_PER_MS)
    async with fake_kucoin() as fake, fake.rest() as client:
        fake.now_ms = lambda: START_MS
        await clock.measure(client)
        clocks[time.CLOCK_BOOTTIME] += 3600 * NS_PER_S
    assert clock.now_ns() == (START_MS + 3_600_000) * NS_PER_MS


@pytest.mark.parametrize("status", [401, 403, 404, 429, 503])
@on_loop
async def test_a_page_of_a_load_balancer_ends_no_session(status: int) -> None:
    """The time is asked for again, and the last answer counts until then."""
    clock = Machine().clock(every_s=0.001)
    async with fake_kucoin() as fake, fake.rest() as client, asyncio.TaskGroup() as tasks:
        fake.now_ms = lambda: START_MS + 1000
        await clock.measure(client)
        fake.timestamp_status = status
        asked = len(fake.requests)
        keeping = tasks.create_task(clock.keep(client))
        await until(lambda: len(fake.requests) >= asked + 3)
        assert clock.skew_ns == NS_PER_S
        fake.timestamp_status, fake.now_ms = 200, lambda: START_MS + 2000
        await until(lambda: clock.skew_ns == 2 * NS_PER_S)
        keeping.cancel()


@on_loop
async def test_a_venue_that_turns_us_away_ends_the_session() -> None:
    """By a code of its own."""
    async with fake_kucoin() as fake, fake.rest() as client:
        fake.timestamp_code = "400006"
        with pytest.raises(Fatal, match="400006"):
            await Machine().clock(every_s=0.001).keep(client)
