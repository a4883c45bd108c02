"""What a request costs, and how much an account or an address may spend in 30 seconds.

Source: https://www.kucoin.com/docs-new/rate-limit
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from arb_pipelines.clock import NS_PER_MS, NS_PER_S

WINDOW_NS = 30 * NS_PER_S


class Pool(StrEnum):
    """A quota of its own: per address for PUBLIC, per account for the others."""

    PUBLIC = "public"
    SPOT = "spot"
    MANAGEMENT = "management"


#: Points in 30 s without VIP level.
DEFAULT_LIMITS: Mapping[Pool, int] = {Pool.PUBLIC: 2000, Pool.SPOT: 4000, Pool.MANAGEMENT: 2000}


@dataclass(frozen=True, slots=True)
class Spent:
    """What is left after a request: the ``gw-ratelimit-*`` headers. ``reset_ms`` until refilled."""

    limit: int
    remaining: int
    reset_ms: int
    allowed: bool

    def headers(self) -> dict[str, str]:
        """The headers of the answer."""
        return {
            "gw-ratelimit-limit": str(self.limit),
            "gw-ratelimit-remaining": str(self.remaining),
            "gw-ratelimit-reset": str(self.reset_ms),
        }


class Quotas:
    """Points spent by each payer in fixed windows that begin with its first request."""

    def __init__(self, now_ns: Callable[[], int]) -> None:
        self.limits = dict(DEFAULT_LIMITS)
        self._now_ns = now_ns
        self._windows: dict[tuple[Pool, str], tuple[int, int]] = {}

    def spend(self, pool: Pool, payer: str, weight: int) -> Spent:
        """Take ``weight`` points of ``payer``; a request past the limit takes none."""
        now, limit = self._now_ns(), self.limits[pool]
        start, used = self._windows.get((pool, payer), (now, 0))
        if now - start >= WINDOW_NS:
            start, used = now, 0
        allowed = used + weight <= limit
        if allowed:
            used += weight
        self._windows[pool, payer] = (start, used)
        reset_ms = (start + WINDOW_NS - now) // NS_PER_MS
        return Spent(limit, max(limit - used, 0), reset_ms, allowed)
