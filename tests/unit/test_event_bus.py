"""The event bus: order, subscriptions, failures, closing."""

from __future__ import annotations

import pytest

from arb_pipelines.containers.bus import EventBus
from arb_pipelines.errors import InvariantBroken


def test_events_are_heard_in_order_by_handlers_in_order() -> None:
    """First published is first heard, by the first who subscribed; a handler's events wait."""
    bus, heard = EventBus(), []

    def first(event: int) -> None:
        heard.append(("first", event))
        if event < 3:
            bus.publish(event + 10)

    bus.subscribe(int, first)
    bus.subscribe(object, lambda event: heard.append(("second", event)))
    bus.publish(1)
    bus.publish("text")
    assert heard == [("first", 1), ("second", 1), ("first", 11), ("second", 11), ("second", "text")]


def test_a_cancelled_subscription_hears_no_more() -> None:
    """Also of the event that is being heard; cancelling again changes nothing."""
    bus, heard = EventBus(), []
    late = bus.subscribe(object, heard.append)
    early = EventBus()  # another bus's handle is nobody's here
    bus.drop(early.subscribe(object, heard.append))
    bus.publish(1)
    late.cancel()
    late.cancel()
    bus.publish(2)
    assert heard == [1]
    assert len(bus) == 0

    second = bus.subscribe(object, lambda event: third.cancel())
    third = bus.subscribe(object, heard.append)
    bus.publish(3)
    assert heard == [1]
    second.cancel()
    assert len(bus) == 0


def test_who_subscribes_while_an_event_is_heard_hears_the_next() -> None:
    """The handlers of an event are those of the moment it is heard."""
    bus, heard = EventBus(), []
    handle = bus.subscribe(object, lambda event: bus.subscribe(object, heard.append))
    bus.publish(1)
    handle.cancel()
    bus.publish(2)
    assert heard == [2]


def test_a_handler_that_raises_ends_the_publishing_and_what_waited() -> None:
    """The error reaches the publisher; nothing that was waiting is heard later."""
    bus, heard = EventBus(), []

    def fail(event: int) -> None:
        bus.publish("waiting")
        raise ValueError(f"not {event}")

    handle = bus.subscribe(int, fail)
    bus.subscribe(str, heard.append)
    with pytest.raises(ValueError, match="not 1"):
        bus.publish(1)
    handle.cancel()
    bus.publish("next")
    assert heard == ["next"]


def test_a_closed_bus_has_no_subscription_and_takes_none() -> None:
    """Who kept the bus of a container that is gone is told so."""
    bus = EventBus()
    bus.subscribe(object, print)
    bus.close()
    assert len(bus) == 0
    with pytest.raises(InvariantBroken, match="torn down"):
        bus.publish(1)
    with pytest.raises(InvariantBroken, match="torn down"):
        bus.subscribe(object, print)


def test_closing_while_an_event_is_heard_ends_it_there() -> None:
    """A handler that has its container torn down is the last that hears."""
    bus, heard = EventBus(), []
    bus.subscribe(object, lambda event: bus.close())
    bus.subscribe(object, heard.append)
    bus.publish(1)
    assert heard == []
