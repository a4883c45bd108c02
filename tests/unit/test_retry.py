"""How long is waited between attempts, and when the pauses begin anew."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from arb_pipelines.errors import (
    Closed,
    Fatal,
    OutcomeUnknown,
    ProtocolViolation,
    Rejected,
    Transient,
    Unfunded,
    VenueError,
)
from arb_pipelines.venues.retry import Patience, reconnecting, retrying
from tests.fakes.kucoin_server import on_loop


@on_loop
async def test_pauses_grow_until_a_connection_is_in_service():
    """Each failure in a row waits longer; the venue's own pause is handed on."""
    asked: list[tuple[int, float | None]] = []

    class Recorded(Patience):
        def wait_s(self, attempt: int, asked_s: float | None) -> float:
            asked.append((attempt, asked_s))
            return 0.0

    async def connection(in_service: Callable[[], None]) -> None:
        if len(asked) == 5:
            raise Rejected("enough")
        if len(asked) == 3:
            in_service()
        raise Transient("lost", retry_after_s=7.0 if len(asked) == 1 else None)

    with pytest.raises(Rejected, match="enough"):
        await reconnecting(connection, Recorded())
    assert asked == [(1, None), (2, 7.0), (3, None), (1, None), (2, None)]


#: Longest pause after each failure in a row of ``PATIENCE``; the shortest is half of it.
LONGEST_S = (0.5, 1.0, 2.0, 4.0, 5.0, 5.0)
PATIENCE = Patience(attempts=7, first_wait_s=0.5, longest_wait_s=5.0)


@pytest.mark.parametrize(("attempt", "longest_s"), [*enumerate(LONGEST_S, 1)])
def test_a_pause_lies_in_a_band_that_doubles_up_to_its_cap(attempt: int, longest_s: float) -> None:
    """From half the pause to all of it, and spread over that: no two clients keep step."""
    drawn = [PATIENCE.wait_s(attempt, None) for _ in range(300)]
    assert 0.5 * longest_s <= min(drawn) < 0.6 * longest_s
    assert 0.9 * longest_s < max(drawn) <= longest_s
    assert len({*drawn}) > 290


def test_a_pause_that_the_venue_asks_for_is_never_cut_short() -> None:
    """It is the least there is; where ours is longer, ours stays."""
    assert [PATIENCE.wait_s(attempt, 60.0) for attempt in range(1, 7)] == [60.0] * 6
    assert PATIENCE.wait_s(3, 1.1) >= 1.1
    assert 1.0 <= PATIENCE.wait_s(3, 0.001) <= 2.0


async def pauses_of(error: Callable[[int], VenueError]) -> list[float]:
    """Let a request fail by ``error`` (of the attempt, from 1) to its end; give the pauses made."""
    pauses: list[float] = []

    async def paused(pause_s: float) -> None:
        pauses.append(pause_s)

    attempts = retrying(PATIENCE)
    attempts.sleep = paused
    tried = 0

    async def request() -> None:
        nonlocal tried
        tried += 1
        raise error(tried)

    with pytest.raises(VenueError) as raised:
        await attempts(request)
    assert str(raised.value) == str(error(tried))
    assert tried == len(pauses) + 1
    return pauses


@on_loop
async def test_a_request_is_tried_with_growing_pauses_until_its_attempts_are_over() -> None:
    """Six pauses of seven attempts, each in its band; the last failure is what is raised."""
    pauses = await pauses_of(lambda tried: Transient(f"failed {tried} times"))
    assert len(pauses) == len(LONGEST_S)
    for pause_s, longest_s in zip(pauses, LONGEST_S, strict=True):
        assert 0.5 * longest_s <= pause_s <= longest_s


@on_loop
async def test_a_request_waits_as_long_as_the_venue_says_or_gives_up() -> None:
    """Up to the longest pause it waits; past that it is told at once."""
    asked = await pauses_of(lambda tried: Transient("429", retry_after_s=5.0))
    assert asked == [5.0] * 6
    assert await pauses_of(lambda tried: Transient("429", retry_after_s=5.1)) == []


@on_loop
async def test_nothing_but_a_transient_failure_is_tried_again() -> None:
    """Least of all what may have happened."""
    for kind in (Rejected, Unfunded, OutcomeUnknown, ProtocolViolation, Fatal):
        assert await pauses_of(lambda tried, kind=kind: kind("no")) == []
    assert len(await pauses_of(lambda tried: Closed("in maintenance"))) == 6


def test_a_venue_that_is_away_for_days_is_still_asked_again():
    """Thousands of failures in a row make the pause no longer than the longest."""
    patience = Patience(first_wait_s=0.25, longest_wait_s=15.0)
    assert 7.5 <= patience.wait_s(100_000, None) <= 15.0
