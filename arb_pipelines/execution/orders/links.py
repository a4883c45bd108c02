"""A leg under way and the venue orders that carry it, as ``limit_legs`` follows them."""

from __future__ import annotations

import asyncio
import math
from contextlib import suppress
from dataclasses import dataclass, field

from arb_pipelines.execution.orders.amounts import Booked
from arb_pipelines.execution.orders.capacity import Claim
from arb_pipelines.execution.orders.carrier import Carried
from arb_pipelines.execution.orders.chain import Chain
from arb_pipelines.execution.orders.venue_broker import Untraded
from arb_pipelines.trading.events import Ending, Order, TimeInForce


@dataclass(slots=True, eq=False)
class RestingLeg:
    """A desk's order that is carried by a chain. ``recalled`` names why nothing more may rest."""

    order: Order
    chain: Chain
    opens: bool
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    recalled: str | None = None
    claim: Claim | None = None

    def rouse(self) -> None:
        """Have it look again at whether it may go on as it is."""
        self.wake.set()
        if self.claim is not None:
            self.claim.withdraw()


@dataclass(slots=True, eq=False)
class Link(Carried):
    """One venue order of a chain; it is ``over`` once its end is known.

    It is wanted back from ``due_ms`` on, since it was sent. An ``end`` of ``None``: nobody can
    tell. The other fields are its waits, in ms, for ``followed_to_end``.
    """

    wake: asyncio.Event = field(default_factory=asyncio.Event)
    due_ms: float = math.inf
    end: Booked | Untraded | None = None
    ending: Ending = Ending.CANCELLED
    fill_wait_ms: float = 0.0
    unknown_wait_ms: float = 0.0
    after_due_ms: float = 0.0

    @property
    def rests(self) -> bool:
        """Whether it may wait in the venue's book."""
        return self.new.time_in_force is TimeInForce.GTC

    @property
    def leg_timeout_ms(self) -> float:
        """When it is followed no further where the venue turns us away."""
        return self.due_ms + self.after_due_ms

    def conclude(self, end: Booked | Untraded | None) -> None:
        """Note its end."""
        self.over, self.end = True, end
        self.wake.set()


async def woken(wake: asyncio.Event, within_s: float) -> bool:
    """Wait for an event, for so long at most; whether it came."""
    with suppress(TimeoutError):
        async with asyncio.timeout(within_s):
            await wake.wait()
            return True
    return False
