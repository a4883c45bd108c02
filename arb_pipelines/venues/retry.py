"""The one way in which a request or a connection is tried again.

Only for requests that change nothing at the venue, or that failed before they
could: never around an order.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type

from arb_pipelines.errors import Transient

#: By then a pause is as long as it gets; and 2.0 to the power of thousands is no float.
_MOST_DOUBLINGS = 30


@dataclass(frozen=True, slots=True)
class Patience:
    """How often and how long to wait: doubling pauses with jitter, seconds.

    A venue that asks for a longer pause gets it, unless it is longer than
    ``longest_wait_s``; then the request is given up instead.
    """

    attempts: int = 6
    first_wait_s: float = 1.0
    longest_wait_s: float = 120.0

    def wait_s(self, attempt: int, asked_s: float | None) -> float:
        """Pause after the ``attempt``-th failure, from 1."""
        doublings = min(attempt - 1, _MOST_DOUBLINGS)
        backoff = min(self.first_wait_s * 2.0**doublings, self.longest_wait_s)
        return max(backoff * random.uniform(0.5, 1.0), asked_s or 0.0)  # noqa: S311 - jitter

    def is_over(self, attempt: int, asked_s: float | None) -> bool:
        """Whether the ``attempt``-th failure is final."""
        return attempt >= self.attempts or (asked_s or 0.0) > self.longest_wait_s


#: Pauses between attempts to connect; the number of attempts has no end.
RECONNECT = Patience(first_wait_s=0.25, longest_wait_s=15.0)


def retrying(patience: Patience) -> AsyncRetrying:
    """Make a loop that runs its body again on ``Transient`` and raises the last one in the end."""

    def asked_s(state: RetryCallState) -> float | None:
        error = state.outcome.exception() if state.outcome else None
        return error.retry_after_s if isinstance(error, Transient) else None

    return AsyncRetrying(
        retry=retry_if_exception_type(Transient),
        stop=lambda state: patience.is_over(state.attempt_number, asked_s(state)),
        wait=lambda state: patience.wait_s(state.attempt_number, asked_s(state)),
        reraise=True,
    )


async def reconnecting(
    connection: Callable[[Callable[[], None]], Awaitable[None]], patience: Patience = RECONNECT
) -> None:
    """Run ``connection`` until cancelled: again after its end, and after a pause if ``Transient``.

    It calls what it is given once it is in service; that makes the next pause the
    shortest again. Any other error of it ends this.
    """
    failures = 0

    def in_service() -> None:
        nonlocal failures
        failures = 0

    while True:
        try:
            await connection(in_service)
        except Transient as lost:
            failures += 1
            await asyncio.sleep(patience.wait_s(failures, lost.retry_after_s))
