"""The event bus of one container: who hears of what happens in it, and in which order.

Synchronous and deterministic: events are heard in the order in which they were
published, each by its handlers in the order in which they subscribed. It is for
listening (metrics, journals, alerts); who decides what is the desk's.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from arb_pipelines.errors import InvariantBroken


@dataclass(slots=True, eq=False)
class Subscription:
    """A handler's place on a bus, ``live`` until it is cancelled, which may be done twice."""

    _bus: EventBus
    kind: type[Any]
    handler: Callable[[Any], object]
    live: bool = True

    def cancel(self) -> None:
        """Hear no more, not even of events already published."""
        self._bus.drop(self)


class EventBus:
    """Hands events to handlers, first in, first out.

    An event that a handler publishes waits until the present one has been heard by
    all. A handler that raises ends the publishing call with its error, and nothing
    that was waiting is heard: the container has failed. A closed bus refuses.
    """

    def __init__(self) -> None:
        self._subscriptions: list[Subscription] = []
        self._hearers: dict[type[Any], tuple[Subscription, ...]] = {}
        self._waiting: deque[object] = deque()
        self._hearing = False
        self._closed = False

    def subscribe(self, kind: type[Any], handler: Callable[[Any], object]) -> Subscription:
        """Let ``handler`` hear of events that are a ``kind``; ``object`` hears of all.

        Raises:
            InvariantBroken: the bus is closed.
        """
        self._check_open()
        subscription = Subscription(self, kind, handler)
        self._subscriptions.append(subscription)
        self._hearers.clear()
        return subscription

    def publish(self, event: object) -> None:
        """Let the event be heard, after those that are waiting.

        Raises:
            InvariantBroken: the bus is closed.
            Exception: whatever a handler raised.
        """
        self._check_open()
        self._waiting.append(event)
        if self._hearing:
            return
        self._hearing = True
        try:
            while self._waiting:
                self._hear(self._waiting.popleft())
        finally:
            self._hearing = False
            self._waiting.clear()

    def drop(self, subscription: Subscription) -> None:
        """Forget a subscription; one that is not there is none."""
        subscription.live = False
        self._subscriptions = [kept for kept in self._subscriptions if kept is not subscription]
        self._hearers.clear()

    def close(self) -> None:
        """Drop every subscription and every event that waits, and refuse new ones."""
        self._closed = True
        for subscription in self._subscriptions[:]:
            self.drop(subscription)
        self._waiting.clear()

    def __len__(self) -> int:
        """Count the subscriptions."""
        return len(self._subscriptions)

    def _hear(self, event: object) -> None:
        # those who subscribe while it is heard hear the next one; see drop for those who leave
        for subscription in self._hearers_of(type(event)):
            if subscription.live:
                subscription.handler(event)

    def _hearers_of(self, kind: type[Any]) -> tuple[Subscription, ...]:
        """Give who hears of a kind of event; found out once for each kind."""
        hearers = self._hearers.get(kind)
        if hearers is None:
            hearers = tuple(one for one in self._subscriptions if issubclass(kind, one.kind))
            self._hearers[kind] = hearers
        return hearers

    def _check_open(self) -> None:
        if self._closed:
            raise InvariantBroken("the container of this event bus has been torn down")
