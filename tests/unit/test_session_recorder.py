"""What a recorder makes of a session's events: times, ids and fees, in whatever order they come."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from arb_pipelines.execution.orders.fees import FeeConfirmed
from arb_pipelines.execution.orders.given_up import LateFill
from arb_pipelines.execution.records.recorder import SessionRecorder
from arb_pipelines.execution.records.timings import Stage
from arb_pipelines.execution.records.values import (
    ExecutionStatus,
    LegStatus,
    Metric,
    SessionState,
    execution_status,
)
from arb_pipelines.execution.signals.intake import SignalRefused
from arb_pipelines.market.graph import BUY, SELL
from arb_pipelines.trading.events import (
    Approved,
    Cancelled,
    CycleSignal,
    Ended,
    Ending,
    Order,
    OrderFill,
    OrderKind,
    Refused,
    Routed,
    TimeInForce,
)
from arb_pipelines.trading.ledger import Parts
from arb_pipelines.trading.orders import Fill
from arb_pipelines.trading.reports import CycleReport, LegReport
from arb_pipelines.venues.base import Accepted, OrderReport
from tests.fakes.backtest_worlds import random_world
from tests.fakes.session_worlds import head_of

US = 1_000
HEAD = head_of(random_world(3))
SYMBOLS = HEAD.cycles.symbols


class Told:
    """A recorder that is told of one execution's orders, step by step, at times of one's own."""

    def __init__(self) -> None:
        self.now = 0
        self.recorder = SessionRecorder(HEAD, wall_ns=lambda: self.now)
        self.hear: Callable[[object], None] = self.recorder.hear

    def approve(self, at: int, **signal: object) -> Approved:
        """Approve a signal at a time of the wall's clock."""
        self.now = at
        approved = Approved(CycleSignal(100 * US, "s", 0, 1.01, **signal), 100.0)  # type: ignore[arg-type]
        self.hear(approved.signal)
        self.hear(approved)
        return approved

    def order(
        self, name: str, *, symbol: int = 0, side: int = BUY, purse: str | None = "p"
    ) -> None:
        """Make an order."""
        self.hear(
            Order(
                client_id=name,
                ts=0,
                strategy="s",
                symbol=SYMBOLS[symbol],
                side=side,
                kind=OrderKind.LIMIT,
                time_in_force=TimeInForce.IOC,
                size=None,
                funds=1.0,
                limit_px=1.0,
                stop_px=None,
                reserve=1.0,
                execution=purse,
            )
        )

    def fill(
        self, name: str, at: int, *, symbol: int = 0, side: int = BUY, **changes: object
    ) -> None:
        """Fill an order whole."""
        facts = {"spent": 2.0, "received": 1.0, "fee": 0.002, "fee_currency": "USDT"} | changes
        self.hear(
            OrderFill(name, at, SYMBOLS[symbol], side, 1.0, 2.0, final=True, **facts)  # type: ignore[arg-type]
        )

    def leg(self, number: int, *, filled: bool = True, execution: int = 0) -> None:
        """Report the order that ended last."""
        done = Fill(1.0, 2.0, 2.0, 1.0, False) if filled else Fill(0.0, 0.0, 0.0, 0.0, True)
        self.hear(
            LegReport(
                execution, number, False, 0, BUY, 0, 0, 2.0, 2.0, 2.0, 2.0, 1.0, done,
                Parts(2.0, 1.9, 0.1, 0.0, 0.0),
            )
        )  # fmt: skip

    def end(self, approved: Approved, report: CycleReport) -> None:
        """Report the execution, which ends with it."""
        self.hear(report)
        self.hear(Ended(approved, 0))


def report(number: int = 0, **changes: object) -> CycleReport:
    """A report of an execution that was filled, unless changed."""
    facts = {
        "execution": number,
        "cycle": 0,
        "ts_signal": 100 * US,
        "ts_end": 0,
        "legs": 1,
        "legs_filled": 1,
        "unwind_orders": 0,
        "fell_short": False,
        "committed": 100.0,
        "gross": 0.01,
        "predicted": 0.005,
        "spent": 100.0,
        "returned": 100.4,
        "expected_profit": 0.6,
        "fee": 0.1,
        "slippage": 0.06,
        "latency": 0.04,
        "residual": 0.0,
        "unwind": 0.0,
        "residual_value": 0.0,
    }
    return CycleReport(**facts | changes)  # type: ignore[arg-type]


def answered(name: str) -> Accepted:
    """The venue's answer to an order."""
    return Accepted(name, f"venue's {name}", 120 * US, 125 * US)


def test_every_stage_is_timed_from_the_book_to_the_last_fill() -> None:
    """Each by its own two moments, however long the others take."""
    told = Told()
    approved = told.approve(103 * US, ts_book=90 * US, correlation_id="x")
    told.order("a")
    told.hear(Routed("a", 110 * US))
    told.hear(answered("a"))
    told.fill("a", 150 * US)
    told.leg(0)
    told.order("b")
    told.hear(Routed("b", 155 * US))
    told.fill("b", 195 * US)
    told.leg(1)
    told.end(approved, report())
    spreads = told.recorder.timings.spreads()
    assert {stage: spread.max_us for stage, spread in spreads.items()} == {
        Stage.BOOK: 10.0,
        Stage.SIGNAL: 3.0,
        Stage.FIRST_ORDER: 7.0,
        Stage.ANSWER: 5.0,
        Stage.FILL: 40.0,
        Stage.NEXT_LEG: 5.0,
        Stage.CYCLE: 95.0,
    }
    (record,) = told.recorder.take().executions
    assert (record.ts_book_event, record.ts_decided) == (90 * US, 103 * US)
    assert (record.ts_first_sent, record.ts_last_fill) == (110 * US, 195 * US)
    assert record.correlation_id == "x"
    assert [leg.client_id for leg in record.legs] == ["a", "b"]
    assert [leg.ts_answered for leg in record.legs] == [125 * US, None]


@pytest.mark.parametrize("late", ["before its end", "before the next", "after all", "after a take"])
def test_the_venues_word_finds_its_order_whenever_it_comes(late: str) -> None:
    """A fill overtakes the answer, and fees come when there is time: the leg has it all."""
    told = Told()

    def venue_tells(when: str) -> None:
        if when == late:
            told.hear(answered("a"))
            told.hear(FeeConfirmed("a", Decimal("0.001"), "KCS", Decimal("0.002"), "USDT"))
            told.hear(
                OrderReport(
                    "a", "venue's a", SYMBOLS[0], BUY, False, False, Decimal(1), Decimal(2), None,
                    None, 0,
                )
            )  # fmt: skip

    approved = told.approve(0)
    told.order("a")
    told.hear(Routed("a", 0))
    venue_tells("before its end")
    told.fill("a", 10)
    told.leg(0)
    venue_tells("before the next")
    told.order("b")
    told.fill("b", 20)
    told.leg(1)
    told.end(approved, report())
    venue_tells("after all")
    batches = [told.recorder.take()]
    venue_tells("after a take")
    batches.append(told.recorder.take())
    legs = {}
    for batch in batches:
        for leg in (*(leg for record in batch.executions for leg in record.legs), *batch.amended):
            legs[leg.client_id] = leg
    leg = legs["a"]
    assert (leg.order_id, leg.ts_answered) == ("venue's a", 125 * US)
    assert (leg.fee_told, leg.fee_told_currency) == (0.001, "KCS")
    assert (leg.fee_booked, leg.fee_currency) == (0.002, "USDT")
    assert legs["b"].order_id is None
    assert len(batches[1].amended) == 3 * (late == "after a take")
    booked = told.recorder.booked()
    assert booked["KCS"] == Decimal("-0.001")
    assert booked["USDT"] == Decimal("-4.0") + Decimal("0.002")


def test_legs_that_leave_at_once_belong_to_their_own_execution() -> None:
    """Orders without a purse, of two executions, ending mixed up: each report finds its own."""
    told = Told()
    approvals = {}
    for name in "mn":
        approvals[name] = told.approve(0)
        for k in range(3):
            told.order(f"{name}{k}", purse=None)
            told.hear(Routed(f"{name}{k}", 0))
    assert told.recorder.in_flight == 2
    for at, (name, k) in enumerate([("m", 1), ("n", 0), ("n", 2), ("m", 0), ("n", 1), ("m", 2)]):
        told.fill(f"{name}{k}", at)
        told.leg(k, execution="mn".index(name))
        if (name, k) == ("n", 1):
            told.end(approvals["n"], report(1))
    told.end(approvals["m"], report(0))
    first, second = told.recorder.take().executions
    assert [leg.client_id for leg in first.legs] == ["n0", "n1", "n2"]
    assert [leg.client_id for leg in second.legs] == ["m0", "m1", "m2"]
    assert told.recorder.in_flight == 0


def test_an_order_that_was_refused_says_why() -> None:
    """Its leg is rejected, its execution failed, and both repeat the venue's words."""
    told = Told()
    approved = told.approve(0)
    told.order("a")
    told.hear(Routed("a", 0))
    told.hear(Cancelled("a", 5, "200004: balance insufficient", Ending.REJECTED))
    told.leg(0, filled=False)
    told.end(approved, report(spent=0.0, returned=0.0, expected_profit=0.0, legs_filled=0))
    (record,) = told.recorder.take().executions
    assert (record.status, record.reason) == ("failed", "200004: balance insufficient")
    assert [(leg.status, leg.reason) for leg in record.legs] == [
        (LegStatus.REJECTED, "200004: balance insufficient")
    ]
    assert record.ts_last_fill is None
    assert Stage.BOOK not in told.recorder.timings.spreads()


@pytest.mark.parametrize(
    ("status", "changes"),
    [
        ("filled", {}),
        ("filled", {"cancelled": True}),  # too late to change anything
        ("failed", {"spent": 0.0, "returned": 0.0}),
        ("unwound", {"fell_short": True, "residual": 1.0}),
        ("residual", {"fell_short": True, "residual": 1.01}),
        ("residual", {"fell_short": True, "missing": 2.0}),
        ("unwound", {"fell_short": True, "missing": 0.5}),
        ("residual", {"fell_short": True, "residual": 50.0, "cancelled": True}),
        ("aborted", {"fell_short": True, "cancelled": True}),
        ("unwound", {"spent": 0.0, "returned": 5.0}),  # of legs at once the first found nothing
        ("residual", {"spent": 0.0, "returned": 5.0, "missing": 3.0}),
    ],
)
def test_how_an_execution_ended_has_one_word(status: str, changes: dict[str, object]) -> None:
    """A hundredth of the input may be left out without being a residual."""
    assert execution_status(report(**changes)) is ExecutionStatus(status)


def test_refusals_are_counted_by_reason_wherever_they_happen() -> None:
    """Before the desk, at its gate, and by a plan that found nothing worth an order."""
    told = Told()
    told.hear(SignalRefused(0, None, "invalid", "no JSON"))
    told.hear(Refused(CycleSignal(0, "s", 0, 1.0), "slots"))
    told.hear(Refused(CycleSignal(0, "s", 0, 1.0), "slots"))
    approved = told.approve(0)
    told.hear(Ended(approved, 0, "depth"))
    counts = told.recorder.counts()
    assert counts.refused == {"invalid": 1, "slots": 2, "depth": 1}
    assert counts.in_flight == 0


def test_gauges_and_the_end_are_in_the_next_batch() -> None:
    """A number stands for itself, numbers by label for each of them."""
    recorder = SessionRecorder(
        HEAD, wall_ns=lambda: 7, gauges=lambda: {"dropped": 3, "unexplained": {"BTC": 0.5}}
    )
    assert recorder.take().end_reason is None
    recorder.end(SessionState.FAILED, "no connection")
    batch = recorder.take()
    assert (batch.number, batch.ts, batch.state) == (1, 7, "failed")
    assert batch.end_reason == "no connection"
    assert {Metric("dropped", 3), Metric("unexplained", 0.5, "BTC")} <= set(batch.metrics)


def test_what_trades_when_it_was_given_up_is_booked_and_counted() -> None:
    """The balances are explained by it, and nothing else is said to have happened."""
    told = Told()
    before = told.recorder.counts()
    changes = {"BTC": Decimal("-0.1"), "USDT": Decimal("9.99")}
    told.hear(LateFill("a", "BTC-USDT", SELL, Decimal("0.1"), Decimal(10), changes))
    assert told.recorder.booked() == changes
    assert Metric("late_fills", 1) in told.recorder.take().metrics
    assert told.recorder.counts() == before


def test_what_is_sold_and_bought_and_a_third_currencys_fee_are_booked() -> None:
    """Balances change by what was spent, received, and taken elsewhere, to the last digit."""
    told = Told()
    told.approve(0)
    base, _, quote = SYMBOLS[0].partition("-")
    told.order("a")
    told.order("b", side=SELL)
    told.fill("a", 1, spent=0.1, received=0.2, fee=0.3, fee_currency="KCS")
    told.fill("b", 1, side=SELL, spent=0.1, received=0.7, fee_currency=quote)
    assert told.recorder.booked() == {
        quote: Decimal("0.6"),
        base: Decimal("0.1"),
        "KCS": Decimal("-0.3"),
    }


def test_the_fees_of_an_order_that_several_carried_are_told_as_one() -> None:
    """Two confirmed while it was under way, the last one afterwards."""
    told = Told()
    approved = told.approve(0)
    told.order("a-0")
    told.hear(Routed("a-0", 10))
    for name, fee in (("a-0", "0.25"), ("a-0_1", "0.5")):
        told.hear(FeeConfirmed(name, Decimal(fee), "USDT", Decimal(fee), "USDT"))
    told.fill("a-0", 20)
    told.leg(0)
    told.end(approved, report())
    (record,) = told.recorder.take().executions
    assert record.legs[0].fee_told == 0.75
    told.hear(FeeConfirmed("a-0_2", Decimal("0.125"), "USDT", Decimal("0.125"), "USDT"))
    (leg,) = told.recorder.take().amended
    assert (leg.client_id, leg.fee_told, leg.fee_told_currency) == ("a-0", 0.875, "USDT")
