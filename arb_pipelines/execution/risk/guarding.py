"""Putting a strategy's guard together from what its container has."""

from __future__ import annotations

from arb_pipelines.clock import steady_ns
from arb_pipelines.containers.bus import EventBus
from arb_pipelines.execution.orders.balances import FreeBalances
from arb_pipelines.execution.universe import SessionUniverse
from arb_pipelines.trading.events import Book
from arb_pipelines.trading.portfolio import Portfolio
from arb_pipelines.trading.risk.activity import Commitments, OrdersOfAMinute
from arb_pipelines.trading.risk.checks import checks_of
from arb_pipelines.trading.risk.guard import RiskGuard
from arb_pipelines.trading.risk.references import References
from arb_pipelines.trading.risk.views import CycleViews
from arb_pipelines.venues.base import NewOrder


def session_guard(
    universe: SessionUniverse,
    portfolio: Portfolio,
    commitments: Commitments,
    bus: EventBus,
    account: FreeBalances | None,
) -> RiskGuard:
    """Make the guard of a strategy; it learns of orders and books on its ``bus``.

    ``account`` are the venue's own balances, where the strategy's orders are paid from them.
    """
    strategy = universe.strategy
    rules, orders = strategy.risk, OrdersOfAMinute()
    bus.subscribe(NewOrder, lambda new: orders.add(steady_ns()))
    references = None
    if rules.price_band is not None:
        references = References(rules.price_band.minutes, rules.price_band.warm_up_s)
        bus.subscribe(Book, references.on_book)

    def free(currency: str) -> float:
        here = portfolio.free(currency)
        there = None if account is None else account.free(currency)
        return here if there is None else min(here, float(there))

    views = CycleViews(
        strategy.name, universe.traded, universe.seen, commitments, orders, references, free
    )
    return RiskGuard(
        strategy.name, checks_of(rules), views, universe.traded, commitments, steady_ns
    )
