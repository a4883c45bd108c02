"""How long is waited between attempts, and when the pauses begin anew."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from arb_pipelines.errors import Rejected, Transient
from arb_pipelines.venues.retry import Patience, reconnecting
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


def test_a_venue_that_is_away_for_days_is_still_asked_again():
    """Thousands of failures in a row make the pause no longer than the longest."""
    patience = Patience(first_wait_s=0.25, longest_wait_s=15.0)
    assert 7.5 <= patience.wait_s(100_000, None) <= 15.0
