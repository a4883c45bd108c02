"""The life of an order: an independent oracle agrees with every step and every refusal."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from arb_pipelines.errors import InvariantBroken
from arb_pipelines.market.graph import BUY, SELL
from arb_pipelines.trading.events import (
    BrokerEvent,
    Cancelled,
    Ending,
    Order,
    OrderFill,
    OrderKind,
    Routed,
    TimeInForce,
)
from arb_pipelines.trading.lifecycle import (
    TERMINAL,
    OrderState,
    OrderStatus,
    Validated,
    apply,
    received,
)

#: Every step there is, by the words of the issue, written out apart from the module's own table.
STEPS = {
    ("received", "validated"), ("received", "rejected"),
    ("validated", "routed"), ("validated", "cancelled"), ("validated", "rejected"),
    ("validated", "expired"),
    ("routed", "partial"), ("routed", "filled"), ("routed", "cancelled"),
    ("routed", "rejected"), ("routed", "expired"),
    ("partial", "partial"), ("partial", "filled"), ("partial", "cancelled"),
    ("partial", "expired"),
}  # fmt: skip
sixteenths = st.integers(0, 64).map(lambda n: n / 16)


def _order(*, size: float | None = None, funds: float | None = None, ts: int = 0) -> Order:
    return Order(
        client_id="a",
        ts=ts,
        strategy="s",
        symbol="BTC-USDT",
        side=SELL if funds is None else BUY,
        kind=OrderKind.MARKET,
        time_in_force=TimeInForce.IOC,
        size=size,
        funds=funds,
        limit_px=None,
        stop_px=None,
        reserve=size or funds or 0.0,
    )


def _fill(ts: int, *, size: float, funds: float, final: bool, client_id: str = "a") -> OrderFill:
    return OrderFill(client_id, ts, "BTC-USDT", SELL, size, funds, size, funds, 0.0, "USDT", final)


class OrderLives(RuleBasedStateMachine):
    """Throws every event at an order, in any order, beside a list of what was allowed."""

    def __init__(self) -> None:
        super().__init__()
        self.state: OrderState | None = None

    @precondition(lambda self: self.state is None)
    @rule(amount=st.integers(1, 48).map(lambda n: n / 16), in_funds=st.booleans())
    def receive(self, amount: float, in_funds: bool) -> None:
        self.state = received(_order(funds=amount) if in_funds else _order(size=amount))
        self.in_funds, self.ordered = in_funds, Fraction(amount)
        self.at, self.filled, self.ts = "received", Fraction(0), 0

    def _try(self, event: Validated | BrokerEvent, to: str, amount: Fraction) -> None:
        before = self.state
        assert before is not None
        fits = self.filled + amount <= self.ordered
        empty = isinstance(event, OrderFill) and amount == 0 and not event.final
        if (self.at, to) in STEPS and event.ts >= self.ts and fits and not empty:
            self.state = apply(before, event)
            self.at, self.ts, self.filled = to, event.ts, self.filled + amount
        else:
            with pytest.raises(InvariantBroken):
                apply(before, event)
            assert self.state is before

    @precondition(lambda self: self.state is not None)
    @rule(ts=st.integers(0, 9))
    def validate(self, ts: int) -> None:
        self._try(Validated("a", ts), "validated", Fraction(0))

    @precondition(lambda self: self.state is not None)
    @rule(ts=st.integers(0, 9))
    def route(self, ts: int) -> None:
        self._try(Routed("a", ts), "routed", Fraction(0))

    @precondition(lambda self: self.state is not None)
    @rule(ts=st.integers(0, 9), size=sixteenths, funds=sixteenths, final=st.booleans())
    def fill(self, ts: int, size: float, funds: float, final: bool) -> None:
        event = _fill(ts, size=size, funds=funds, final=final)
        amount = Fraction(funds if self.in_funds else size)
        self._try(event, "filled" if final else "partial", amount)

    @precondition(lambda self: self.state is not None)
    @rule(ts=st.integers(0, 9), ending=st.sampled_from(Ending))
    def end(self, ts: int, ending: Ending) -> None:
        self._try(Cancelled("a", ts, "why", ending), ending.value, Fraction(0))

    @invariant()
    def agrees_with_the_oracle(self) -> None:
        if self.state is not None:
            assert self.state.status == self.at
            assert Fraction(self.state.filled) == self.filled <= self.ordered
            assert self.state.open == (self.at in {"received", "validated", "routed", "partial"})
            assert self.state.ts == self.ts


TestOrderLives = OrderLives.TestCase


@given(ending=st.sampled_from(sorted(TERMINAL)), ts=st.integers(1, 10))
def test_no_terminal_state_is_left(ending: OrderStatus, ts: int) -> None:
    """Whatever comes after an order's end is refused, and says from where to where."""
    over = OrderState("a", ending, 1.0, False, 0.5, 0)
    events: list[Validated | BrokerEvent] = [
        Validated("a", ts),
        Routed("a", ts),
        _fill(ts, size=0.1, funds=1.0, final=False),
        _fill(ts, size=0.1, funds=1.0, final=True),
        *(Cancelled("a", ts, "late", kind) for kind in Ending),
    ]
    for event in events:
        with pytest.raises(InvariantBroken, match=f"cannot go from {ending} to"):
            apply(over, event)


def test_a_fill_beyond_the_order_is_refused_and_named() -> None:
    """A venue that fills more than was ordered stops the run with all three amounts."""
    routed = apply(apply(received(_order(size=1.0)), Validated("a", 0)), Routed("a", 1))
    partial = apply(routed, _fill(2, size=0.75, funds=1.0, final=False))
    with pytest.raises(InvariantBroken, match=r"filled by 0\.5 after 0\.75; 1\.0 were ordered"):
        apply(partial, _fill(3, size=0.5, funds=1.0, final=True))


def test_noise_of_the_research_arithmetic_is_no_overfill() -> None:
    """A fill a few last places beyond the order is a whole fill."""
    routed = apply(apply(received(_order(size=0.3)), Validated("a", 0)), Routed("a", 1))
    done = apply(routed, _fill(2, size=0.1 + 0.2, funds=1.0, final=True))
    assert done.status is OrderStatus.FILLED


def test_an_event_of_another_order_is_refused() -> None:
    """Events find their order by client id, and no other order takes them."""
    with pytest.raises(InvariantBroken, match="order b came to a"):
        apply(received(_order(size=1.0)), Validated("b", 0))


@pytest.mark.parametrize(
    ("size", "funds"), [(None, None), (1.0, 1.0), (0.0, None), (None, float("nan"))]
)
def test_an_order_without_one_amount_is_refused(size: float | None, funds: float | None) -> None:
    """Exactly one of size and funds, above zero, begins a life."""
    with pytest.raises(InvariantBroken, match="exactly one of them"):
        received(_order(size=size, funds=funds))
