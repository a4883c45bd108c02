"""One cycle under way: its plan, the order that is out, what it has in hand, its ledger."""

from __future__ import annotations

from dataclasses import dataclass, field

from arb_pipelines.trading.events import Approved, OrderFill
from arb_pipelines.trading.ledger import Parts, leg_parts
from arb_pipelines.trading.orders import Fill
from arb_pipelines.trading.reports import CycleReport, LegReport
from arb_pipelines.trading.terms import Floats

_NOTHING = Fill(0.0, 0.0, 0.0, 0.0, False)


@dataclass(frozen=True, slots=True)
class Plan:
    """What was decided at the signal, by leg.

    ``values`` are of one unit of the currency before each leg, and after the
    last, in start currency; ``planned`` what each leg should spend and receive;
    ``seen`` the levels (prices, sizes left) that were looked at.
    """

    committed: float
    bests: tuple[float, ...]
    limits: tuple[float, ...]
    values: tuple[float, ...]
    planned: tuple[tuple[float, float], ...]
    seen: tuple[tuple[Floats, Floats], ...]

    @property
    def gross(self) -> float:
        """Edge of the best prices, before fees, as a fraction."""
        return self.values[0] - 1.0

    @property
    def predicted(self) -> float:
        """Edge of the whole walk through the levels seen, after fees, as a fraction."""
        return self.planned[-1][1] / self.planned[0][0] - 1.0


@dataclass(slots=True, eq=False)
class LegOrder:
    """An order that is out. ``leg`` is its place in the cycle, None when it unwinds.

    ``number`` counts the execution's orders as they are sent, from 0. ``amount`` is funds
    for a buy and size for a sell, ``available`` what was in hand for it, both in the
    currency given; ``value_after`` the value of one unit of the currency received.
    ``done`` adds up its fills.
    """

    number: int
    leg: int | None
    symbol: int
    side: int
    amount: float
    limit: float
    best: float
    available: float
    value_after: float
    planned: tuple[float, float]
    seen: tuple[Floats, Floats]
    ts_sent: int
    done: Fill = _NOTHING

    def add(self, fill: OrderFill) -> None:
        """Count one execution."""
        done = self.done
        self.done = Fill(
            done.size + fill.size,
            done.funds + fill.funds,
            done.spent + fill.spent,
            done.received + fill.received,
            done.short,
        )


@dataclass(slots=True, eq=False)
class Execution:
    """One cycle under way; amounts in start currency where nothing else is said."""

    number: int
    approved: Approved
    cycle: int
    start: int
    plan: Plan
    #: All legs left at once, each paid from what was free.
    together: bool = False
    #: Somebody took it back: no further leg leaves, what is in hand is brought home.
    cancelled: bool = False
    #: Currency -> amount in hand, and its value at the decision.
    holdings: dict[int, tuple[float, float]] = field(default_factory=dict)
    #: Symbols on which the venue refused an order of it: ways back that are tried last.
    refused: set[int] = field(default_factory=set)
    sent: int = 0
    ended: int = 0
    legs: int = 0
    legs_filled: int = 0
    unwind_orders: int = 0
    fell_short: bool = False
    spent: float = 0.0
    returned: float = 0.0
    missing: float = 0.0
    expected_profit: float = 0.0
    fee: float = 0.0
    slippage: float = 0.0
    latency: float = 0.0
    unwind: float = 0.0

    def hold(self, currency: int, amount: float, value: float) -> None:
        """Note what it has in hand outside its start currency, and its value."""
        if amount != 0.0:
            held, worth = self.holdings.get(currency, (0.0, 0.0))
            self.holdings[currency] = (held + amount, worth + value)

    def move(self, currency: int, spent: float) -> float:
        """Take what an unwinding order spent out of what is held; gives its value."""
        held, value = self.holdings[currency]
        if spent >= held:
            self.holdings[currency] = (0.0, 0.0)
            return value
        moved = value * (spent / held)
        self.holdings[currency] = (held - spent, value - moved)
        return moved

    def write_off(self, currency: int, missing: float) -> None:
        """Take from what was returned what is missing of a currency, valued at the decision."""
        amount, value = self.holdings[currency]
        self.holdings[currency] = (amount, value + missing)
        self.missing += missing
        self.returned -= missing

    def settle(self, order: LegOrder, ts: int) -> LegReport:
        """Book an order that has ended, and report it."""
        done = order.done
        parts = leg_parts(order.side, order.best, order.value_after, *order.seen, done)
        if order.leg is not None:
            self._book(order.leg, done, parts)
        report = LegReport(
            execution=self.number,
            number=order.number,
            unwinds=order.leg is None,
            symbol=order.symbol,
            side=order.side,
            ts_sent=order.ts_sent,
            ts_filled=ts,
            best_px=order.best,
            limit_px=order.limit,
            order=order.amount,
            planned_spent=order.planned[0],
            planned_received=order.planned[1],
            done=done,
            parts=parts,
        )
        self.ended += 1
        return report

    def _book(self, leg: int, done: Fill, parts: Parts) -> None:
        self.legs += 1
        self.legs_filled += done.size > 0.0 and not done.short
        self.fee += parts.fee
        self.slippage += parts.slippage
        self.latency += parts.latency
        if leg == 0:
            self.spent = done.spent
            self.expected_profit = parts.expected - done.spent

    def report(self, ts: int, residual: float, residual_value: float) -> CycleReport:
        """Report the whole, when nothing more is to come."""
        plan = self.plan
        return CycleReport(
            execution=self.number,
            cycle=self.cycle,
            ts_signal=self.approved.signal.ts,
            ts_end=ts,
            legs=self.legs,
            legs_filled=self.legs_filled,
            unwind_orders=self.unwind_orders,
            fell_short=self.fell_short,
            committed=plan.committed,
            gross=plan.gross,
            predicted=plan.predicted,
            spent=self.spent,
            returned=self.returned,
            expected_profit=self.expected_profit,
            fee=self.fee,
            slippage=self.slippage,
            latency=self.latency,
            residual=residual,
            unwind=self.unwind,
            residual_value=residual_value - self.missing,
            missing=self.missing,
            cancelled=self.cancelled,
        )
