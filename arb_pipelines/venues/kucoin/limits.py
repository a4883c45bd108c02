"""How much may still be asked of KuCoin: weighted points by pool, in windows of 30 seconds.

The venue tells with each answer what is left and when its window ends
(``gw-ratelimit-limit``, ``-remaining``, ``-reset`` in ms). Time is given, never read here.

Source: https://www.kucoin.com/docs-new/rate-limit
"""

from __future__ import annotations

from collections import deque
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

    Own requests are counted by ourselves: those without an answer yet, and those answered
    or given up within the last window's length. Wherever the venue's window begins, it has
    seen no more than these. The venue's word lowers that where others spend of the same
    points. ``now_ns`` is of a monotonic clock and never runs back from call to call.
    """

    __slots__ = ("_ends_ns", "_limit", "_settled", "_spent", "_told", "_unanswered")

    def __init__(self, limit: int) -> None:
        self._limit = self._told = limit
        self._unanswered = self._spent = 0
        self._settled: deque[tuple[int, int]] = deque()
        self._ends_ns: int | None = None

    def take(self, weight: int, now_ns: int, *, reserve: int = 0) -> bool:
        """Take points for a request that leaves now, if ``reserve`` of them stay behind."""
        if self.left(now_ns) - weight < reserve:
            return False
        self._unanswered += weight
        return True

    def left(self, now_ns: int) -> int:
        """Points that may still be taken."""
        self._forget_old(now_ns)
        return min(self._limit - self._spent, self._told) - self._unanswered

    def settle(self, weight: int, quota: Quota | None, now_ns: int) -> None:
        """Note what an answer told, or that there was none."""
        self._forget_old(now_ns)
        self._unanswered -= weight
        self._spent += weight
        self._settled.append((now_ns, weight))
        if quota is None:
            if self._ends_ns is not None:
                self._told -= weight
            return
        self._limit = quota.limit
        ends_ns = now_ns + quota.reset_ms * NS_PER_MS
        if self._ends_ns is None or ends_ns > self._ends_ns + WINDOW_NS // 2:
            self._told, self._ends_ns = quota.remaining, ends_ns
        else:  # answers overtake each other: the least that was told counts
            self._told = min(self._told, quota.remaining)

    def wait_ns(self, now_ns: int) -> int:
        """Time until there are more points: the venue's window ends, or the oldest spent return."""
        self._forget_old(now_ns)
        if self._ends_ns is not None and self._told < self._limit - self._spent:
            return self._ends_ns - now_ns
        return self._settled[0][0] + WINDOW_NS - now_ns if self._settled else 0

    def _forget_old(self, now_ns: int) -> None:
        while self._settled and self._settled[0][0] <= now_ns - WINDOW_NS:
            self._spent -= self._settled.popleft()[1]
        if self._ends_ns is not None and now_ns >= self._ends_ns:
            self._told, self._ends_ns = self._limit, None
