"""How the kernel's executions end: what is left is brought back, then the trade is closed."""

from __future__ import annotations

from numba import njit

from arb_pipelines.backtest.records import TradeStatus
from arb_pipelines.backtest.scenario import Setting
from arb_pipelines.backtest.state import NEVER, ORDERS, Flights, State
from arb_pipelines.trading.gate import leave
from arb_pipelines.trading.kelly import note_return
from arb_pipelines.trading.orders import fill, limit_price, order_amount
from arb_pipelines.trading.planning import best_price
from arb_pipelines.trading.reports import LEFT_OUT
from arb_pipelines.trading.unwind import (
    WORTH_AN_ORDER,
    choose_route,
    value_after_first,
    worth,
)


@njit(cache=True)
def depart(setting: Setting, state: State, slot: int, now: int) -> None:
    """Send the order of ``slot``: it takes the next leg delay."""
    flight = state.flights.slots[slot]
    number = state.tally.counts[ORDERS]
    state.tally.counts[ORDERS] += 1
    flight.order_no = number
    flight.sent = now
    flight.due = now + setting.leg_ns[number % setting.leg_ns.shape[0]]


@njit(cache=True)
def give_back(state: State, slot: int, start: int, amount: float) -> None:
    """Add to what the execution returned of its start currency."""
    state.tally.trades[state.flights.slots[slot].trade].returned += amount
    state.tally.free[start] += amount


@njit(cache=True)
def hold(flights: Flights, slot: int, currency: int, amount: float, value: float) -> None:
    """Note what an execution has in hand outside its start currency, and its value."""
    if amount == 0.0:
        return
    flight = flights.slots[slot]
    currencies = flights.held_currency[slot]
    at = 0
    while at < flight.holdings and currencies[at] != currency:
        at += 1
    if at == flight.holdings:
        flight.holdings += 1
        currencies[at] = currency
        flights.held_amount[slot, at] = 0.0
        flights.held_value[slot, at] = 0.0
    flights.held_amount[slot, at] += amount
    flights.held_value[slot, at] += value


@njit(cache=True)
def unwind_or_end(setting: Setting, state: State, slot: int, now: int) -> None:
    """Send the next order that brings a residual back; end the execution if there is none."""
    books, flights, tally = state
    terms, rules, routes = setting.terms, setting.rules, setting.routes
    flight = flights.slots[slot]
    trade = tally.trades[flight.trade]
    start = setting.start[flight.cycle]
    if trade.unwind_orders < rules.unwind_orders:
        for at in range(flight.holdings):
            if flights.held_value[slot, at] <= WORTH_AN_ORDER * trade.spent:
                continue
            amount = flights.held_amount[slot, at]
            currency = flights.held_currency[slot, at]
            route = choose_route(
                terms, routes, books.px, books.left, rules.unwind_slippage, currency, start, amount
            )
            if route >= 0:
                flight.holding = at
                _send_unwind(setting, state, slot, route, amount, now)
                return
    _end(setting, state, slot, now)


@njit(cache=True)
def _send_unwind(
    setting: Setting, state: State, slot: int, route: int, amount: float, now: int
) -> None:
    books, flights, tally = state
    terms, routes = setting.terms, setting.routes
    flight = flights.slots[slot]
    s, side = routes.symbol[route, 0], routes.side[route, 0]
    px, left = books.px[s, side], books.left[s, side]
    value_after = value_after_first(routes, route, books.px, books.left)
    best = best_price(px, left)
    limit = limit_price(terms, s, side, best, setting.rules.unwind_slippage)
    order = order_amount(terms, s, side, amount, best, limit)
    hoped = fill(terms, s, side, order, limit, px, left)
    row = flights.seen_px.shape[1] - 1
    flights.seen_px[slot, row] = px
    flights.seen_left[slot, row] = left
    flight.unwinds = 1
    flight.symbol = s
    flight.side = side
    flight.order = order
    flight.available = amount
    flight.best = best
    flight.limit = limit
    flight.value_after = value_after
    flight.planned_spent = hoped.spent
    flight.planned_received = hoped.received
    tally.trades[flight.trade].unwind_orders += 1
    depart(setting, state, slot, now)


@njit(cache=True)
def _end(setting: Setting, state: State, slot: int, now: int) -> None:
    books, flights, tally = state
    flight = flights.slots[slot]
    cycle = flight.cycle
    n, start = setting.length[cycle], setting.start[cycle]
    trade = tally.trades[flight.trade]
    for at in range(flight.holdings):
        amount = flights.held_amount[slot, at]
        trade.residual += flights.held_value[slot, at]
        if amount > 0.0:
            trade.residual_value += worth(
                setting.terms, setting.routes, books.px, books.left,
                flights.held_currency[slot, at], start, amount,
            )  # fmt: skip
    trade.profit = trade.returned - trade.spent
    trade.ts_end = now
    note_return(tally.returns, trade.spent, trade.profit)
    if not trade.spent > 0.0:
        trade.status = TradeStatus.MISSED.value
    elif not flight.fell_short:
        trade.status = TradeStatus.COMPLETED.value
    elif trade.residual > LEFT_OUT * trade.spent:
        trade.status = TradeStatus.RESIDUAL.value
    else:
        trade.status = TradeStatus.UNWOUND.value
    symbol_set = setting.symbol_set[cycle]
    leave(tally.gate, setting.rules, setting.leg_symbol[cycle, :n], symbol_set, start, now)
    flight.active = 0
    flight.due = NEVER
