"""What is written of a strategy's cycles when its bus tells of them, and when nothing can be."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

import pytest
from msgspec import structs

from arb_pipelines.errors import Transient
from arb_pipelines.execution.orders.given_up import LateFill
from arb_pipelines.execution.orders.venue_broker import Untraded
from arb_pipelines.execution.state.follower import StateFollower
from arb_pipelines.execution.state.opening import open_state
from arb_pipelines.execution.state.store import StateStore
from arb_pipelines.execution.state.values import CycleState, OrderStatus, Outcome, Purpose
from arb_pipelines.market.graph import BUY, SELL
from arb_pipelines.market.symbols import Market
from arb_pipelines.trading.events import (
    Approved,
    Cancelled,
    CycleSignal,
    Ended,
    Ending,
    Order,
    OrderFill,
    OrderKind,
    TimeInForce,
)
from arb_pipelines.trading.reports import CycleReport
from arb_pipelines.venues.base import Accepted, Match, NewOrder, OrderReport

CYCLE = "abcdef012345-0"
LEGS = (("BTC-USDT", BUY), ("ETH-BTC", BUY), ("ETH-USDT", SELL))
APPROVED = Approved(CycleSignal(1, "s", 0, 1.01), 100.0)
REPORT = CycleReport(
    execution=0, cycle=0, ts_signal=1, ts_end=2, legs=3, legs_filled=3, unwind_orders=0,
    fell_short=False, committed=100.0, gross=0.01, predicted=0.01, spent=100.0, returned=101.0,
    expected_profit=1.0, fee=0.0, slippage=0.0, latency=0.0, residual=0.0, unwind=0.0,
    residual_value=0.0,
)  # fmt: skip


class _Cycles:
    """One triangle, as a session's universe has it."""

    symbols = tuple(symbol for symbol, _ in LEGS)
    currencies = ("USDT", "BTC", "ETH")


class _Traded:
    """The numbers of what there is."""

    cycles = _Cycles
    legs = (((0, BUY), (1, BUY), (2, SELL)),)

    @staticmethod
    def start(cycle: int) -> int:
        return 0


class _Universe:
    """As much of a session's universe as is asked for; no fees, so that sums are seen."""

    traded = _Traded
    markets: ClassVar = {
        symbol: Market("kucoin", symbol, *symbol.split("-"), symbol) for symbol, _ in LEGS
    }
    fees: ClassVar = dict.fromkeys(markets, Decimal(0))


@dataclass
class Session:
    """A follower on its state file, and what it said."""

    store: StateStore
    path: Path
    follower: StateFollower
    troubles: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    taken_over: bool = False

    def hear(self, *events: object) -> None:
        for event in events:
            self.follower.hear(event)

    def order(self, number: int, *, unwinds: bool = False, leg: int | None = None) -> None:
        """Have the desk make an order, and let it leave."""
        symbol, side = LEGS[number if leg is None else leg]
        self.hear(desk_order(number, symbol, side, unwinds), new_order(number, symbol, side))

    def fill(self, number: int, size: str, funds: str, *, whole: bool = True) -> None:
        """Have the venue tell what an order came to, and then the desk."""
        symbol, side = LEGS[min(number, 2)]
        self.hear(
            Accepted(f"{CYCLE}-{number}", f"o{number}", 1, 2),
            report(number, symbol, side, size, funds),
            order_fill(number, symbol, side, size, funds, final=whole),
        )
        if not whole:
            self.hear(Cancelled(f"{CYCLE}-{number}", 3, "the rest found no counterpart"))

    def end(self, **changes: Any) -> None:
        """Have the desk report the cycle, and end it."""
        self.hear(replace(REPORT, **changes), Ended(APPROVED, 9, execution=CYCLE))

    def states(self) -> list[CycleState]:
        return [change.after for change in self.store.transitions(CYCLE)]


@contextmanager
def session(folder: Path) -> Iterator[Session]:
    """A follower on a file of its own."""
    path = folder / "state.sqlite"
    with open_state(path) as store:
        made: list[Session] = []

        def on_left(cycle: str) -> bool:
            made[0].left.append(cycle)
            return made[0].taken_over

        universe: Any = _Universe
        follower = StateFollower(
            store, universe, "key", id_prefix=CYCLE[:-1],
            trouble=lambda what: made[0].troubles.append(what), on_left=on_left,
        )  # fmt: skip
        made.append(Session(store, path, follower))
        yield made[0]


def desk_order(number: int, symbol: str, side: int, unwinds: bool) -> Order:
    buys = side == BUY
    return Order(
        f"{CYCLE}-{number}", 1, "s", symbol, side, OrderKind.LIMIT, TimeInForce.IOC,
        None if buys else 1.0, 100.0 if buys else None, 1.0, None, 100.0, CYCLE, unwinds=unwinds,
    )  # fmt: skip


def new_order(number: int, symbol: str, side: int) -> NewOrder:
    buys, amount = side == BUY, Decimal(100)
    return NewOrder(
        f"{CYCLE}-{number}", symbol, side, OrderKind.MARKET,
        size=None if buys else amount, funds=amount if buys else None,
    )  # fmt: skip


def report(number: int, symbol: str, side: int, size: str, funds: str) -> OrderReport:
    return OrderReport(
        f"{CYCLE}-{number}", f"o{number}", symbol, side, active=False, cancelled=False,
        size=Decimal(size), funds=Decimal(funds), fee=None, fee_currency=None, ts_event=3,
    )  # fmt: skip


def order_fill(
    number: int, symbol: str, side: int, size: str, funds: str, *, final: bool
) -> OrderFill:
    spent, received = (funds, size) if side == BUY else (size, funds)
    return OrderFill(
        f"{CYCLE}-{number}", 3, symbol, side, float(size), float(funds), float(spent),
        float(received), 0.0, "USDT", final,
    )  # fmt: skip


def test_an_intent_is_there_before_its_order_leaves(tmp_path: Path) -> None:
    """With its cycle, and what recovery needs of both; an end before the next leg."""
    with session(tmp_path) as s:
        s.hear(APPROVED, desk_order(0, *LEGS[0], False))
        assert not s.store.open_cycles()
        s.hear(new_order(0, *LEGS[0]))
        cycle, (order,) = s.store.cycle(CYCLE), s.store.orders(CYCLE)
        assert (cycle.strategy, cycle.session, cycle.start) == ("s", "key", "USDT")
        assert (cycle.legs, cycle.initial) == (LEGS, Decimal(100))
        assert (order.status, order.leg, order.funds) == (OrderStatus.INTENDED, 0, Decimal(100))
        s.fill(0, "0.002", "100")
        s.order(1)
        first, second = s.store.orders(CYCLE)
        assert (first.status, first.order_id, first.received) == ("done", "o0", Decimal("0.002"))
        assert second.status is OrderStatus.INTENDED
        assert s.store.cycle(CYCLE).current == ("BTC", Decimal("0.002"))


def test_a_cycle_whose_legs_fill_is_completed(tmp_path: Path) -> None:
    """Its profit is what its orders changed the start currency by, with the fee told later."""
    with session(tmp_path) as s:
        s.hear(APPROVED)
        for number, (size, funds) in enumerate((("2", "100"), ("40", "100"), ("100", "101.5"))):
            s.order(number)
            s.fill(number, size, funds)
        s.end()
        cycle = s.store.cycle(CYCLE)
        assert (cycle.state, cycle.outcome) == (CycleState.COMPLETED, Outcome.FILLED)
        assert cycle.profit == Decimal("1.5")
        assert s.states() == ["pending", "validating", "active", "completed"]
        late = replace(report(2, *LEGS[2], "100", "101.5"), fee=Decimal("0.2"), fee_currency="USDT")
        s.hear(late)
        assert s.store.cycle(CYCLE).profit == Decimal("1.3")
        assert not s.left


def test_a_leg_that_fills_in_part_goes_on(tmp_path: Path) -> None:
    """Partly filled until the next order's intent, then active; its way home is no leg."""
    with session(tmp_path) as s:
        s.hear(APPROVED)
        s.order(0)
        s.fill(0, "1", "40", whole=False)
        assert s.store.state_of(CYCLE) is CycleState.PARTIALLY_FILLED
        s.order(1, leg=0, unwinds=True)
        assert s.store.state_of(CYCLE) is CycleState.ACTIVE
        (_, back) = s.store.orders(CYCLE)
        assert (back.purpose, back.leg) == (Purpose.UNWIND, None)


@pytest.mark.parametrize("taken_over", [False, True])
def test_what_is_left_is_offered_before_the_cycle_ends(tmp_path: Path, taken_over: bool) -> None:
    """Who takes it over ends the cycle; else it ends with a residual, and says why."""
    with session(tmp_path) as s:
        s.taken_over = taken_over
        s.hear(APPROVED)
        s.order(0)
        s.fill(0, "2", "100")
        s.order(1)
        s.hear(Cancelled(f"{CYCLE}-1", 4, "no such symbol", Ending.REJECTED))
        assert s.store.orders(CYCLE)[1].status is OrderStatus.REFUSED
        s.end(fell_short=True, returned=0.0, residual=100.0, legs_filled=1)
        cycle = s.store.cycle(CYCLE)
        assert s.left == [CYCLE]
        assert (cycle.ended_ns is None) == taken_over
        if not taken_over:
            assert (cycle.state, cycle.outcome) == (CycleState.FAILED, Outcome.RESIDUAL)
            assert cycle.error == "no such symbol"
            assert cycle.held == {"BTC": Decimal(2)}


def test_an_order_that_never_arrived_is_asked_for_on(tmp_path: Path) -> None:
    """It is lost, not refused; what it traded after all stands in its ended cycle."""
    with session(tmp_path) as s:
        s.hear(APPROVED)
        s.order(0)
        s.hear(Cancelled(f"{CYCLE}-0", 4, "it never reached the venue", Ending.EXPIRED))
        s.end(spent=0.0, returned=0.0, legs_filled=0)
        cycle, (order,) = s.store.cycle(CYCLE), s.store.orders(CYCLE)
        assert (cycle.outcome, order.status) == (Outcome.NOTHING, OrderStatus.LOST)
        s.hear(
            report(0, *LEGS[0], "2", "100"),
            LateFill(f"{CYCLE}-0", "BTC-USDT", BUY, Decimal(2), Decimal(100), {}),
        )
        cycle = s.store.cycle(CYCLE)
        assert (cycle.profit, cycle.held) == (Decimal(-100), {"BTC": Decimal(2)})
        assert "traded 2 BTC-USDT after it was given up" in str(cycle.error)


def test_executions_are_kept_once_and_only_ours(tmp_path: Path) -> None:
    """Written with the next step, whichever of the account's orders the venue tells of."""
    with session(tmp_path) as s:
        s.hear(APPROVED)
        s.order(0)
        ours = Match(f"{CYCLE}-0", "o0", "t1", "BTC-USDT", BUY, Decimal(50), Decimal(2), True, 3, 3)
        for match in (ours, ours, structs.replace(ours, client_id="a person's", trade_id="t2")):
            s.follower.on_account(match)
        s.fill(0, "2", "100")
        (fill,) = s.store.fills(f"{CYCLE}-0")
        assert (fill.trade_id, fill.size, fill.price) == ("t1", Decimal(2), Decimal(50))


def test_orders_that_are_only_tested_are_booked_by_their_fills(tmp_path: Path) -> None:
    """No venue reports them: what the desk heard is what there is."""
    with session(tmp_path) as s:
        s.hear(APPROVED)
        s.order(0)
        s.hear(order_fill(0, *LEGS[0], "0.7", "33.3", final=True))
        (order,) = s.store.orders(CYCLE)
        assert (order.status, order.filled, order.spent) == (
            OrderStatus.DONE, Decimal("0.7"), Decimal("33.3"),
        )  # fmt: skip


def test_a_file_that_cannot_be_written_keeps_orders_here_and_loses_nothing(tmp_path: Path) -> None:
    """What comes meanwhile is written, in order, as soon as it can be; the session is to stop."""
    with session(tmp_path) as s:
        s.store._db.execute("PRAGMA busy_timeout = 0")
        s.hear(APPROVED)
        s.order(0)
        with closing(sqlite3.connect(s.path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            s.fill(0, "2", "100")
            s.hear(desk_order(1, *LEGS[1], False))
            with pytest.raises(Transient, match=f"{CYCLE}-1 stays here"):
                s.hear(new_order(1, *LEGS[1]))
            s.hear(Cancelled(f"{CYCLE}-1", 4, "stays here", Ending.REJECTED))
            assert s.troubles[0].startswith("the state file cannot be written")
            assert s.store.orders(CYCLE)[0].status is OrderStatus.INTENDED
            s.end(fell_short=True, returned=0.0, residual=100.0, legs_filled=1)
            other.execute("ROLLBACK")
        assert s.follower.flush()
        (order,) = s.store.orders(CYCLE)
        assert (order.status, order.order_id) == (OrderStatus.DONE, "o0")
        assert s.store.state_of(CYCLE) is CycleState.ACTIVE  # what is left is the next start's


def test_a_full_disk_has_room_for_what_is_in_flight(tmp_path: Path) -> None:
    """The reserve is given up once; what fills it is refused as before."""
    with session(tmp_path) as s:
        s.hear(APPROVED)
        s.order(0)
        reserve = s.path.with_suffix(".reserve")
        assert reserve.stat().st_size == 4 << 20
        freed = s.store.give_up_reserve
        (pages,) = s.store._db.execute("PRAGMA page_count").fetchone()
        s.store._db.execute(f"PRAGMA max_page_count = {pages}")

        def make_room() -> bool:
            s.store._db.execute(f"PRAGMA max_page_count = {pages + 100}")
            return freed()

        s.store.give_up_reserve = make_room  # type: ignore[method-assign]
        for number in range(300):
            s.follower.on_account(
                Match(
                    f"{CYCLE}-0", "o0", f"t{number}", "B-U", BUY, Decimal(1), Decimal(1), True, 3, 3
                )
            )
        s.fill(0, "2", "100")
        assert not reserve.exists()
        assert s.store.orders(CYCLE)[0].status is OrderStatus.DONE
        assert len(s.store.fills(f"{CYCLE}-0")) == 300
        assert "full" in s.troubles[0]


def test_of_the_orders_that_carry_a_leg_each_has_an_end_of_its_own(tmp_path: Path) -> None:
    """One that came to nothing books nothing, whatever the leg came to."""
    with session(tmp_path) as s:
        s.hear(APPROVED)
        s.order(0)
        name, again = f"{CYCLE}-0", f"{CYCLE}-0_1"
        s.hear(
            Untraded(name, "it would trade", lost=False),
            replace(new_order(0, *LEGS[0]), client_id=again),
            replace(report(0, *LEGS[0], "1", "50"), client_id=again),
            order_fill(0, *LEGS[0], "1", "50", final=False),
            Cancelled(name, 3, "its limit was not reached"),
        )
        ends = [(o.client_id, o.leg, o.status, o.filled) for o in s.store.orders(CYCLE)]
        assert ends == [(name, 0, "refused", 0), (again, 0, "done", 1)]
        assert s.store.cycle(CYCLE).changes == {"USDT": Decimal(-50), "BTC": Decimal(1)}
