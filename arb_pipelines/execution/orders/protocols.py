"""What a session asks of a broker beyond what a desk does."""

from __future__ import annotations

from typing import Protocol

from arb_pipelines.containers.protocols import Broker
from arb_pipelines.trading.events import BrokerEvent


class SessionBroker(Broker, Protocol):
    """A broker whose news comes when it comes."""

    async def run(self) -> None:
        """Carry orders until cancelled; running before the first is submitted."""
        ...

    async def next_event(self) -> BrokerEvent:
        """Wait for the next piece of news, in the order it became known."""
        ...

    def hurry(self) -> None:
        """Let nothing rest any longer: the session is to settle what is in flight."""
        ...

    async def finish(self, within_s: float) -> None:
        """Wait for what is still to be heard of ended orders, for so long at most."""
        ...
