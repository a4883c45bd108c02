"""Factories for strategies of single orders on bars, and those that every backtest uses."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace

from arb_pipelines.backtest.bars.arrays import BarArrays
from arb_pipelines.backtest.bars.execution import BarExecution
from arb_pipelines.backtest.brokers.bars import BarBroker
from arb_pipelines.backtest.coordinator import BacktestCoordinator, EventClock, RunResult
from arb_pipelines.containers.container import Container
from arb_pipelines.containers.desk import open_desk
from arb_pipelines.containers.factories import NoParams
from arb_pipelines.containers.spec import (
    BROKER,
    CLOCK,
    MARKET_DATA,
    PORTFOLIO,
)
from arb_pipelines.errors import ConfigError
from arb_pipelines.trading.events import Bar, MarketEvent
from arb_pipelines.trading.portfolio import Portfolio
from arb_pipelines.trading.single_orders import SingleOrderRisk, SingleOrders
from arb_pipelines.trading.sma_cross import SmaCross, SmaCrossStrategy
from arb_pipelines.trading.validation import OrderValidator


@dataclass(frozen=True, slots=True)
class Balances:
    """What is in hand at the beginning, by currency.

    Raises:
        ConfigError: an amount is no finite number of at least 0.
    """

    balances: dict[str, float]

    def __post_init__(self) -> None:
        for currency, amount in self.balances.items():
            if not 0.0 <= amount < math.inf:
                raise ConfigError(f"{amount} {currency}: give a finite amount of at least 0")


@dataclass(frozen=True, slots=True)
class OneSymbol:
    """A canonical symbol, BASE-QUOTE."""

    symbol: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SmaCrossOn(SmaCross):
    """The SMA cross's parameters, and the symbol it trades."""

    symbol: str


@dataclass(frozen=True, slots=True)
class VenueRules:
    """Which of a venue's rules count. Recorded prices may be off the ``ticks`` it lists today."""

    ticks: bool = True


def event_clock(params: NoParams, container: Container) -> EventClock:
    """Tell the time of the newest event."""
    return EventClock()


def balances(params: Balances, container: Container) -> Portfolio:
    """Hold balances."""
    return Portfolio(params.balances)


def shared_bars(params: OneSymbol, container: Container) -> BarArrays:
    """Play the bars of a symbol out of ``shared.bars``, by symbol."""
    bars = container.shared.bars
    if params.symbol not in bars:
        raise ConfigError(f"there are no shared bars of {params.symbol}", source=container.name)
    found: BarArrays = bars[params.symbol]
    return found


def bar_broker(params: BarExecution, container: Container) -> BarBroker:
    """Fill orders from bars."""
    return BarBroker(params)


def sma_cross(params: SmaCrossOn, container: Container) -> SmaCrossStrategy:
    """Trade the SMA cross with all the quote currency that is in hand."""
    cash = container.get(PORTFOLIO).balances().get(params.symbol.partition("-")[2], 0.0)
    own = {field.name: getattr(params, field.name) for field in fields(SmaCross)}
    return SmaCrossStrategy(SmaCross(**own), params.symbol, cash)


def portfolio_of(container: Container) -> Portfolio:
    """Give the portfolio, which risk and validator ask what is free."""
    portfolio = container.get(PORTFOLIO)
    if not isinstance(portfolio, Portfolio):
        raise ConfigError("its portfolio is to be one of balances", source=container.name)
    return portfolio


def order_validator(params: VenueRules, container: Container) -> OrderValidator:
    """Hold orders to ``shared.markets`` and to what is in hand."""
    markets = container.shared.markets
    if not params.ticks:
        markets = [replace(market, price_increment=None) for market in markets]
    by_symbol = {market.symbol: market for market in markets}
    return OrderValidator(by_symbol, portfolio_of(container).available)


def single_order_risk(params: NoParams, container: Container) -> SingleOrderRisk:
    """Stop what the balances do not cover."""
    return SingleOrderRisk(portfolio_of(container))


def single_orders(params: NoParams, container: Container) -> SingleOrders:
    """Send each signal as one order."""
    return SingleOrders(container.spec.name)


class BacktestRun:
    """Plays the market data through a desk; the value is a ``RunResult``.

    Marks what is in hand after each bar, in the quote currency of the bars.
    """

    def __init__(self, params: NoParams, container: Container) -> None:
        pass

    def run(self, container: Container) -> RunResult:
        """Run the backtest.

        Raises:
            DataError, InvariantBroken: as ``BacktestCoordinator.run``.
        """
        portfolio, clock = container.get(PORTFOLIO), container.get(CLOCK)
        if not isinstance(clock, EventClock):
            raise ConfigError("a backtest's clock is event_clock", source=container.name)
        coordinator = BacktestCoordinator(
            open_desk(container), container.get(BROKER), portfolio, clock=clock
        )
        return coordinator.run(_marked(container))


def _marked(container: Container) -> Iterator[MarketEvent]:
    """Give the market data, and mark the value in hand once each bar has been dealt with."""
    portfolio = container.get(PORTFOLIO)
    closes: dict[str, float] = {}
    for event in container.get(MARKET_DATA):
        yield event
        if isinstance(event, Bar):
            base, _, quote = event.symbol.partition("-")
            closes |= {base: event.close, quote: 1.0}
            in_hand = portfolio.balances()
            if in_hand.keys() <= closes.keys():
                value = sum(amount * closes[currency] for currency, amount in in_hand.items())
                container.meter.mark(event.ts_close, value)
