"""A circuit breaker: after so many failures in a row, nothing more is tried for a while.

CLOSED ──failures in a row──► OPEN ──cool-down──► HALF_OPEN ──success──► CLOSED
                               ▲                      │
                               └──────failure─────────┘
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from arb_pipelines.errors import ConfigError


class BreakerState(StrEnum):
    """Whether calls may begin."""

    CLOSED = "closed"  # all may
    OPEN = "open"  # none may
    HALF_OPEN = "half_open"  # one may, whose end decides


class CircuitBreaker:
    """Counts failures in a row; asks ``now_ns`` for the time, which never runs back.

    Calls that were under way when it opened end as they end: a success of theirs
    does not close it, a failure does not open it for longer.
    """

    def __init__(self, failures: int, cool_down_ns: int, now_ns: Callable[[], int]) -> None:
        """Open after ``failures`` in a row, for ``cool_down_ns``.

        Raises:
            ConfigError: fewer than 1 failure, or a cool-down below 0.
        """
        if failures < 1 or cool_down_ns < 0:
            raise ConfigError(
                f"{failures} failures, cool-down {cool_down_ns} ns: give at least 1 and 0",
                source="circuit breaker",
            )
        self.failures, self.cool_down_ns, self._now_ns = failures, cool_down_ns, now_ns
        self._in_a_row = 0
        self._opened_ns: int | None = None
        self._probe: int | None = None

    @property
    def state(self) -> BreakerState:
        """Where it stands at this moment."""
        if self._opened_ns is None:
            return BreakerState.CLOSED
        if self._probe is not None or self._now_ns() - self._opened_ns >= self.cool_down_ns:
            return BreakerState.HALF_OPEN
        return BreakerState.OPEN

    @property
    def probing(self) -> bool:
        """Whether the one call that decides is under way."""
        return self._probe is not None

    def allows(self, number: int) -> bool:
        """Say whether call ``number`` may begin now; where it may, it counts as begun."""
        match self.state:
            case BreakerState.CLOSED:
                return True
            case BreakerState.HALF_OPEN if self._probe is None:
                self._probe = number
                return True
            case _:
                return False

    def record(self, number: int, *, failed: bool) -> None:
        """Note how a call ended that was allowed."""
        if self._opened_ns is not None:
            if number == self._probe:
                self._probe = None
                self._opened_ns = self._now_ns() if failed else None
                self._in_a_row = 0
            return
        self._in_a_row = self._in_a_row + 1 if failed else 0
        if self._in_a_row >= self.failures:
            self._opened_ns = self._now_ns()
