"""Whatever order signals, people and fills come in, the pipeline does what it says.

The oracle knows the checks by their order and nothing of how they are made.
"""

from __future__ import annotations

from collections import Counter

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from arb_pipelines.trading.events import Order
from tests.fakes.signals import MS, TOPS, SignalDesk, a_signal

AGE_MS = 1_000


class SignalMachine(RuleBasedStateMachine):
    """A session on one triangle, and what is known of it."""

    @initialize()
    def begin(self) -> None:
        self.desk = SignalDesk(balances={"USDT": 1e9})
        self.names = 0
        self.accepted: list[str] = []
        self.counted: Counter[str] = Counter()
        self.paused = False
        self.slots: int | None = None
        self.flying: Order | None = None
        self.cancelled = False
        self.traded_until = -1

    def expected(self, made: int, volume: float, *, again: bool) -> str | None:
        """The first check that a signal fails, by the documents."""
        if self.paused:
            return "paused"
        if again:
            return "invalid"
        if self.desk.now - made > AGE_MS * MS or made <= self.traded_until:
            return "stale"
        if volume < 1:
            return "volume"
        if self.slots is not None and (self.flying is not None) >= self.slots:
            return "slots"
        return "triangle" if self.flying is not None else None

    @rule(
        age_ms=st.integers(0, 3) | st.integers(AGE_MS - 2, AGE_MS + 2),
        volume=st.sampled_from([0.5, 5.0, 100.0]),
        again=st.booleans(),
    )
    def send(self, age_ms: int, volume: float, again: bool) -> None:
        """A signal made a while ago, under a new name or one that was accepted."""
        again = again and bool(self.accepted)
        self.names += not again
        name = self.accepted[-1] if again else str(self.names)
        made = self.desk.now - age_ms * MS
        wanted = self.expected(made, volume, again=again)
        # another size each time: what was taken of the book before is there again
        sizes = str(100 + self.names / 1_000)
        books = [
            {"bids": [[str(bid), sizes]], "asks": [[str(ask), sizes]]} for bid, ask in TOPS.values()
        ]
        document = a_signal(
            name,
            at_ms=made / MS,
            book_ts_ms=self.desk.now / MS,
            starting_volume=str(volume),
            books=books,
        )
        answer = self.desk.send(document)
        assert answer.get("reason") == wanted, answer
        if wanted is None:
            assert answer["execution"] == len(self.accepted)
            self.accepted.append(name)
            self.flying, self.cancelled = self.desk.sent[-1], False
        else:
            self.counted[wanted] += 1

    @rule(ms=st.integers(1, 2_000))
    def wait(self, ms: int) -> None:
        """Time passes."""
        self.desk.now += ms * MS

    @rule()
    def pause_or_resume(self) -> None:
        """Somebody changes their mind."""
        self.paused = not self.paused
        self.desk.say(b'{"op":"pause"}' if self.paused else b'{"op":"resume"}')

    @rule(slots=st.none() | st.integers(0, 2))
    def bound_slots(self, slots: int | None) -> None:
        """Somebody bounds what may be in flight."""
        self.slots = slots
        self.desk.say(f'{{"op":"slots","slots":{"null" if slots is None else slots}}}'.encode())

    @precondition(lambda self: self.flying is not None)
    @rule()
    def cancel(self) -> None:
        """Somebody takes the execution back; that changes something before its last leg."""
        assert self.flying is not None
        legs = [order for order in self._orders() if not order.unwinds]
        between = len(legs) < 3 and not self.flying.unwinds
        assert bool(self.desk.say(b'{"op":"cancel"}')["cancelled"]) == between
        self.cancelled |= between

    @precondition(lambda self: self.flying is not None)
    @rule()
    def fill(self) -> None:
        """The order that is out is filled at the top of its book."""
        order = self.flying
        assert order is not None
        (bid, ask), sent = TOPS[order.symbol], len(self.desk.sent)
        amount = order.funds / ask if order.funds is not None else (order.size or 0.0) * bid
        self.desk.fill(order, amount)
        after = self.desk.sent[sent:]
        assert len(after) <= 1
        self.flying = after[0] if after else None
        if self.flying is None:
            self.traded_until = self.desk.now
        elif self.cancelled:
            assert self.flying.unwinds  # no leg leaves that was taken back

    @invariant()
    def everything_is_counted(self) -> None:
        """Signals are accepted or refused, executions in flight or reported; nothing else."""
        desk = self.desk
        health = desk.say(b'{"op":"health"}')
        assert health["accepted"] == len(self.accepted)
        assert health["refused"] == dict(self.counted)
        assert health["signals"] == len(self.accepted) + sum(self.counted.values())
        flying = desk.board.in_flight()
        assert len(flying) == (self.flying is not None) == desk.risk.in_flight
        assert len(desk.board.reports(1_000)) == len(self.accepted) - len(flying)
        assert [f.out for f in flying] == ([[self.flying.client_id]] if self.flying else [])

    def _orders(self) -> list[Order]:
        assert self.flying is not None
        return [order for order in self.desk.sent if order.execution == self.flying.execution]


SignalMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestSignals = SignalMachine.TestCase
