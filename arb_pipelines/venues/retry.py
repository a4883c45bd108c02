"""The one way in which a request is tried again.

Only for requests that change nothing at the venue, or that failed before they
could: never around an order.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type

from arb_pipelines.errors import Transient


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
        backoff = min(self.first_wait_s * 2.0 ** (attempt - 1), self.longest_wait_s)
        return max(backoff * random.uniform(0.5, 1.0), asked_s or 0.0)  # noqa: S311 - jitter

    def is_over(self, attempt: int, asked_s: float | None) -> bool:
        """Whether the ``attempt``-th failure is final."""
        return attempt >= self.attempts or (asked_s or 0.0) > self.longest_wait_s


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
