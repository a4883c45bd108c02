"""One backtest of several strategies that rest buys on one capital, put together and run.

What it is made of: the desk and coordinator of any backtest, a team in the place of
the one strategy, a risk that leaves capital to the allocator, and ``AllocatedBroker``
between desk and bar broker.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import merge

from arb_pipelines.allocation.allocator import Allocator
from arb_pipelines.allocation.audit import Audit
from arb_pipelines.allocation.hours import Hours
from arb_pipelines.allocation.parameters import AllocationSettings
from arb_pipelines.backtest.allocated import AllocatedBroker
from arb_pipelines.backtest.bars.arrays import BarArrays
from arb_pipelines.backtest.bars.execution import BarExecution
from arb_pipelines.backtest.brokers.bars import BarBroker
from arb_pipelines.backtest.coordinator import BacktestCoordinator, RunResult
from arb_pipelines.containers.desk import Desk
from arb_pipelines.containers.protocols import Strategy
from arb_pipelines.errors import InvariantBroken
from arb_pipelines.market.graph import BUY
from arb_pipelines.trading.events import (
    Approved,
    Bar,
    BrokerEvent,
    Cancelled,
    Ended,
    Event,
    MarketEvent,
    Order,
    OrderFill,
    OrderSignal,
    Refused,
    Signal,
)
from arb_pipelines.trading.portfolio import Portfolio
from arb_pipelines.trading.reports import Report
from arb_pipelines.trading.single_orders import SingleOrders

_BPS = 10_000.0


@dataclass(slots=True)
class Team:
    """Strategies that share a desk: each hears of all market data, and of its own orders only."""

    strategies: Mapping[str, Strategy]
    _owners: dict[str, str] = field(default_factory=dict)

    def hear(self, event: Event | Report) -> None:
        """Note whose an order is; the desk tells of it before anything can become of it."""
        if isinstance(event, Order):
            self._owners[event.client_id] = event.strategy

    def on_market(self, event: MarketEvent) -> Iterable[Signal]:
        """Ask each strategy, in the order they were given."""
        for strategy in self.strategies.values():
            yield from strategy.on_market(event)

    def on_broker(self, event: BrokerEvent) -> Iterable[Signal]:
        """Tell the order's strategy; orders that close positions at the end are nobody's."""
        owner = self.strategies.get(self._owners[event.client_id])
        if isinstance(event, Cancelled) or (isinstance(event, OrderFill) and event.final):
            del self._owners[event.client_id]
        return () if owner is None else owner.on_broker(event)


class SharedCapitalRisk:
    """Leaves the capital of buys to the allocator, and lets nobody sell what is not in hand.

    A buy may spend its limit's worth and ``fee_reserve_bps`` on top of it. Whether
    that is there is not asked here: the order waits until it is.
    """

    def __init__(self, portfolio: Portfolio, fee_reserve_bps: float) -> None:
        self._portfolio, self._on_top = portfolio, 1.0 + fee_reserve_bps / _BPS

    def review(self, signal: Signal) -> Approved | Refused:
        """Let an order pass with what it may spend, or refuse it: ``limit`` or ``funds``."""
        if not isinstance(signal, OrderSignal):
            raise InvariantBroken(f"{signal} is no signal for a single order")
        if signal.side == BUY:
            if signal.size is None or signal.limit_px is None:
                return Refused(signal, "limit")
            return Approved(signal, signal.size * signal.limit_px * self._on_top)
        free = self._portfolio.free(signal.symbol.partition("-")[0])
        if signal.size is None or not 0.0 < signal.size <= free:
            return Refused(signal, "funds")
        return Approved(signal, signal.size)

    def on_ended(self, ended: Ended) -> None:
        """Nothing to give back: an approval takes no place here."""


@dataclass(frozen=True, slots=True)
class AllocatedOutcome:
    """What a run came to.

    ``equity`` is the worth of all in hand at the last known closes, in the capital's
    currency, one value for each time of the data; ``final_value`` is after all
    positions were closed.
    """

    result: RunResult
    audit: Audit
    fills: tuple[OrderFill, ...]
    equity: tuple[float, ...]
    final_value: float


def run_allocated(
    bars: Sequence[BarArrays],
    strategies: Mapping[str, Strategy],
    settings: AllocationSettings,
    execution: BarExecution,
    hours: Hours,
    *,
    capital: float,
    quote: str,
    fee_reserve_bps: float,
    stocks: Sequence[str] = (),
) -> AllocatedOutcome:
    """Run strategies, by name, over bars of all their symbols on one capital.

    ``capital`` is in ``quote``; its hundredths are the allocator's cents, and what
    is less than one is not allocated.

    Raises:
        DataError: a strategy buys otherwise than by a resting limit, or pays in
            another currency; or a bar is outside the market calendar.
    """
    portfolio = Portfolio({quote: capital})
    team = Team(strategies)
    fills: list[OrderFill] = []

    def publish(event: Event | Report) -> None:
        team.hear(event)
        if isinstance(event, OrderFill):
            fills.append(event)

    audit = Audit(settings)
    broker = AllocatedBroker(
        BarBroker(execution),
        Allocator(settings, int(capital * 100), hours),
        audit,
        quote=quote,
        stocks=stocks,
    )
    risk = SharedCapitalRisk(portfolio, fee_reserve_bps)
    desk = Desk(team, risk, SingleOrders("shared"), portfolio, publish=publish)
    equity = _Equity(portfolio, quote)
    result = BacktestCoordinator(desk, broker, portfolio).run(equity.watch(_in_time(bars)))
    return AllocatedOutcome(
        result, audit, tuple(fills), tuple(equity.values), result.balances.get(quote, 0.0)
    )


def _in_time(bars: Sequence[BarArrays]) -> Iterator[Bar]:
    """Give bars of all symbols in order of their closes, then of symbols."""
    return merge(*bars, key=lambda bar: (bar.ts_close, bar.symbol))


@dataclass(slots=True)
class _Equity:
    """Values the portfolio once all bars of a time are played."""

    portfolio: Portfolio
    quote: str
    values: list[float] = field(default_factory=list)

    def watch(self, bars: Iterable[Bar]) -> Iterator[Bar]:
        rates, now = {self.quote: 1.0}, None
        for bar in bars:
            if now is not None and bar.ts_close > now:
                self.values.append(self.portfolio.equity(rates))
            now = bar.ts_close
            yield bar
            rates[bar.symbol.partition("-")[0]] = bar.close
        if now is not None:
            self.values.append(self.portfolio.equity(rates))
