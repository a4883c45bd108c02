"""How much may still be asked of KuCoin: weighted points by pool, in windows of 30 seconds.

The venue tells after each answer what is left and when its window ends
(``gw-ratelimit-limit``, ``-remaining``, ``-reset`` in ms), and its word counts; what
left and was not answered yet is taken off it, since the venue may not have seen it.
Time is given, never read here.

Source: https://www.kucoin.com/docs-new/rate-limit
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from arb_pipelines.clock import NS_PER_MS, NS_PER_S

WINDOW_NS = 30 * NS_PER_S


class Pool(StrEnum):
    """A quota of its own: an address's for PUBLIC, the account's for the others."""

    PUBLIC = "public"
    SPOT = "spot"
    MANAGEMENT = "management"


#: Points in a window for an account without VIP level.
DEFAULT_LIMITS: Mapping[Pool, int] = {Pool.PUBLIC: 2000, Pool.SPOT: 4000, Pool.MANAGEMENT: 2000}


@dataclass(frozen=True, slots=True)
class Quota:
    """The venue's word: points of a window, what is left of them, and its end in ``reset_ms``."""

    limit: int
    remaining: int
    reset_ms: int


def quota_of(headers: Mapping[str, str]) -> Quota | None:
    """Read ``gw-ratelimit-limit: 4000``, ``-remaining: 3999``, ``-reset: 29976``.

    ``None`` where they are missing or make no sense: the answer is worth more than they.
    """
    texts = [headers.get(f"gw-ratelimit-{name}", "") for name in ("limit", "remaining", "reset")]
    if not all(text.isascii() and text.isdecimal() for text in texts):
        return None
    limit, remaining, reset_ms = map(int, texts)
    return Quota(limit, remaining, reset_ms)


class Budget:
    """Points of one pool. Each ``take`` that succeeds is followed by one ``settle``.

    ``now_ns`` is of a monotonic clock, and never runs back from call to call.
    """

    __slots__ = ("_ends_ns", "_limit", "_remaining", "_unanswered")

    def __init__(self, limit: int) -> None:
        self._limit = self._remaining = limit
        self._unanswered = 0
        self._ends_ns: int | None = None

    def take(self, weight: int, now_ns: int, *, reserve: int = 0) -> bool:
        """Take points for a request that leaves now, if more than ``reserve`` stay behind."""
        self._roll(now_ns)
        if self._remaining - self._unanswered - weight < reserve:
            return False
        self._unanswered += weight
        return True

    def settle(self, weight: int, quota: Quota | None, now_ns: int) -> None:
        """Note what an answer told, or that there was none: its points count as spent."""
        self._roll(now_ns)
        self._unanswered -= weight
        if quota is None:
            self._remaining -= weight
            if self._ends_ns is None:
                self._ends_ns = now_ns + WINDOW_NS
            return
        ends_ns = now_ns + quota.reset_ms * NS_PER_MS
        if self._ends_ns is None or ends_ns > self._ends_ns + WINDOW_NS // 2:
            self._remaining, self._ends_ns = quota.remaining, ends_ns
        elif ends_ns > self._ends_ns - WINDOW_NS // 2:
            # Answers overtake each other, and each tells an end no earlier than the true one.
            self._remaining = min(self._remaining, quota.remaining)
            self._ends_ns = min(self._ends_ns, ends_ns)
        self._limit = quota.limit

    def wait_ns(self, now_ns: int) -> int:
        """Time until the window ends; 0 if none is open."""
        return max(0, self._ends_ns - now_ns) if self._ends_ns is not None else 0

    def _roll(self, now_ns: int) -> None:
        if self._ends_ns is not None and now_ns >= self._ends_ns:
            self._remaining, self._ends_ns = self._limit, None
