"""The cash that resting orders compete for, to the cent.

    free ─reserve→ reserved ─fill→ spent ─settle→ free (and what was won or lost)
      ↑──────release──────┘

At every moment ``free + reserved + spent == total``, none of them below zero.
Who gets what is not decided here.
"""

from __future__ import annotations

from arb_pipelines.errors import InvariantBroken


class CashLedger:
    """Integer cents in three places. A step that would break the sum is refused and not done."""

    __slots__ = ("free", "reserved", "spent", "total")

    def __init__(self, cents: int) -> None:
        """Begin with all of ``cents`` free."""
        if cents < 0:
            raise InvariantBroken(f"capacity cannot begin below zero: {cents} cents")
        self.free = self.total = cents
        self.reserved = self.spent = 0

    def reserve(self, cents: int) -> None:
        """Bind free cash to an order."""
        self._require(cents, self.free, "reserve", "free")
        self.free -= cents
        self.reserved += cents

    def release(self, cents: int) -> None:
        """Free what an order no longer needs."""
        self._require(cents, self.reserved, "release", "reserved")
        self.reserved -= cents
        self.free += cents

    def fill(self, cents: int) -> None:
        """Spend reserved cash on a fill."""
        self._require(cents, self.reserved, "fill", "reserved")
        self.reserved -= cents
        self.spent += cents

    def settle(self, cost_cents: int, proceeds_cents: int) -> None:
        """Take back the proceeds of what ``cost_cents`` had bought; the difference is profit."""
        self._require(cost_cents, self.spent, "settle", "spent")
        self._require(proceeds_cents, proceeds_cents, "settle", "proceeds")
        self.spent -= cost_cents
        self.free += proceeds_cents
        self.total += proceeds_cents - cost_cents

    def deposit(self, cents: int) -> None:
        """Add free capacity."""
        self._require(cents, cents, "deposit", "deposited")
        self.free += cents
        self.total += cents

    def withdraw(self, cents: int) -> None:
        """Take away free capacity; what is bound must be released first."""
        self._require(cents, self.free, "withdraw", "free")
        self.free -= cents
        self.total -= cents

    def _require(self, cents: int, most: int, verb: str, place: str) -> None:
        if not 0 <= cents <= most:
            raise InvariantBroken(
                f"cannot {verb} {cents} cents: {most} are {place} "
                f"(free {self.free}, reserved {self.reserved}, spent {self.spent})"
            )
