"""What a person may tell a running session: pause, resume, fewer slots, stop."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass, field


@dataclass(slots=True)
class Controls:
    """The state of a session's switches; changed by people and limits, read by the gate.

    ``paused`` names why nothing new begins, ``None`` while signals are taken. ``slots``
    bounds executions in flight below what the strategy allows. ``stopping`` is set once
    and for good; ``settle_s`` then bounds the time that what is in flight has, below the
    strategy's.
    """

    paused: str | None = None
    slots: int | None = None
    stop_reason: str | None = None
    settle_s: float = math.inf
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    def stop(self, reason: str, *, settle_s: float = math.inf) -> None:
        """Take no more signals, settle what is in flight, and end; the first reason stands.

        Whoever is in more of a hurry than those before shortens the settling.
        """
        if self.stop_reason is None:
            self.stop_reason = reason
        self.settle_s = min(self.settle_s, settle_s)
        self.stopping.set()
