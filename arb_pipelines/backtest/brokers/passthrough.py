"""A broker that fills nothing itself: it forwards orders and gives back what it hears.

Behind it stands a sink, whatever it is: a venue's adapter, which hears of fills when
the network brings them; another broker; a recording. What the sink says is passed
on unchanged and in order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from arb_pipelines.trading.events import BrokerEvent, MarketEvent, Order


class Sink(Protocol):
    """Where orders go, and where news of them comes from."""

    def send(self, order: Order) -> None:
        """Take an order; its client id is known before any news of it can come."""
        ...

    def cancel(self, client_id: str, ts: int) -> None:
        """Ask to take an order back; what came of that is news too."""
        ...

    def heard(self) -> Iterable[BrokerEvent]:
        """Give what came in since last asked, oldest first; each once."""
        ...

    def end(self) -> Iterable[BrokerEvent]:
        """Bring every open order to its end, and give the rest of the news."""
        ...


class PassThroughBroker:
    """Forwards every order to ``sink`` and every word of it back."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    def submit(self, order: Order) -> None:
        """Forward an order as it is."""
        self._sink.send(order)

    def cancel(self, client_id: str, ts: int) -> None:
        """Forward the wish to take an order back."""
        self._sink.cancel(client_id, ts)

    def heard(self) -> Iterator[BrokerEvent]:
        """Give the news; a session asks when the sink rings, a backtest with each market event."""
        yield from self._sink.heard()

    def on_market(self, event: MarketEvent) -> Iterator[BrokerEvent]:
        """Give the news; the market itself is the sink's own affair."""
        return self.heard()

    def close(self) -> Iterator[BrokerEvent]:
        """Have the sink end what is open."""
        yield from self._sink.end()
