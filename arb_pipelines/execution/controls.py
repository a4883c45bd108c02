"""What a person may tell a running session: pause, resume, fewer slots, stop."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field


@dataclass(slots=True)
class Controls:
    """The state of a session's switches; changed by people and limits, read by the gate.

    ``paused`` names why nothing new begins, ``None`` while signals are taken. ``slots``
    bounds executions in flight below what the strategy allows. ``stopping`` is set once
    and for good.
    """

    paused: str | None = None
    slots: int | None = None
    stop_reason: str | None = None
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    def stop(self, reason: str) -> None:
        """Take no more signals, settle what is in flight, and end; the first reason stands."""
        if self.stop_reason is None:
            self.stop_reason = reason
        self.stopping.set()
