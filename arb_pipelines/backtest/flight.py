"""The kernel's executions: begun by a signal, moved on by each order's arrival, ended.

The compiled counterpart of ``reference.Execution``; both follow the model in the
package's docstring and take every decision from ``trading``.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from arb_pipelines.backtest.records import LEFT_OUT, LegStatus, TradeStatus
from arb_pipelines.backtest.scenario import Setting
from arb_pipelines.backtest.state import (
    LEGS,
    NEVER,
    ORDERS,
    TRADES,
    BookState,
    Flights,
    Floats,
    Records,
    State,
)
from arb_pipelines.market.graph import BUY
from arb_pipelines.trading.gate import Refusal, budget, enter, leave, refusal
from arb_pipelines.trading.ledger import leg_parts, value_before
from arb_pipelines.trading.orders import Fill, fill, limit_price, order_amount, take
from arb_pipelines.trading.planning import best_price, plan
from arb_pipelines.trading.unwind import WORTH_AN_ORDER, choose_route, worth


@njit(cache=True)
def consider(setting: Setting, state: State, cycle: int, now: int) -> None:
    """Put one signal through gate and plan; begin its execution or count why not."""
    books, flights, tally = state
    rules, terms = setting.rules, setting.terms
    n = setting.length[cycle]
    symbols, sides = setting.leg_symbol[cycle, :n], setting.leg_side[cycle, :n]
    start, symbol_set = setting.start[cycle], setting.symbol_set[cycle]
    tally.signals[start] += 1
    reason = refusal(tally.gate, rules, symbols, symbol_set, start, books.updated, now)
    if reason != Refusal.NONE.value:
        tally.refused[start, reason] += 1
        return
    most = budget(rules, tally.free[start])
    if not most > 0.0:
        tally.refused[start, Refusal.FUNDS.value] += 1
        return
    slot = 0
    while flights.slots[slot].active:
        slot += 1
    bests, limits = flights.bests[slot], flights.limits[slot]
    spent, received = flights.spent[slot], flights.received[slot]
    reason, amount = plan(
        terms, rules, books.px, books.left, symbols, sides, most, bests, limits, spent, received
    )
    if reason != Refusal.NONE.value:
        tally.refused[start, reason] += 1
        return

    value = flights.value[slot]
    value[n] = 1.0
    for k in range(n - 1, -1, -1):
        value[k] = value_before(sides[k], bests[k], value[k + 1])
        flights.seen_px[slot, k] = books.px[symbols[k], sides[k]]
        flights.seen_left[slot, k] = books.left[symbols[k], sides[k]]
    number = tally.counts[TRADES]
    tally.counts[TRADES] += 1
    trade = tally.trades[number]
    trade.trade_no = number
    trade.cycle = cycle
    trade.ts_signal = now
    trade.committed = amount
    trade.gross = value[0] - 1.0
    trade.predicted = received[n - 1] / spent[0] - 1.0
    tally.free[start] -= amount
    enter(tally.gate, symbols, symbol_set, start)

    flight = flights.slots[slot]
    flight.active = 1
    flight.trade = number
    flight.cycle = cycle
    flight.leg = 0
    flight.unwinds = 0
    flight.fell_short = 0
    flight.holdings = 0
    flight.legs_sent = 0
    departs = now + setting.decision_ns[number % setting.decision_ns.shape[0]]
    order = order_amount(terms, symbols[0], sides[0], amount, bests[0])
    _send_leg(setting, state, slot, 0, order, amount, departs)


@njit(cache=True)
def _send_leg(
    setting: Setting, state: State, slot: int, k: int, order: float, available: float, now: int
) -> None:
    flights = state.flights
    flight = flights.slots[slot]
    flight.leg = k
    flight.symbol = setting.leg_symbol[flight.cycle, k]
    flight.side = setting.leg_side[flight.cycle, k]
    flight.order = order
    flight.available = available
    flight.best = flights.bests[slot, k]
    flight.limit = flights.limits[slot, k]
    flight.value_after = flights.value[slot, k + 1]
    flight.planned_spent = flights.spent[slot, k]
    flight.planned_received = flights.received[slot, k]
    _depart(setting, state, slot, now)


@njit(cache=True)
def _depart(setting: Setting, state: State, slot: int, now: int) -> None:
    flight = state.flights.slots[slot]
    number = state.tally.counts[ORDERS]
    state.tally.counts[ORDERS] += 1
    flight.order_no = number
    flight.sent = now
    flight.due = now + setting.leg_ns[number % setting.leg_ns.shape[0]]


@njit(cache=True)
def next_due(slots: Records) -> tuple[int, int]:
    """Find the order that arrives next: its time and slot; ``NEVER`` if none is on its way."""
    due, order_no, found = NEVER, NEVER, -1
    for slot in range(slots.shape[0]):
        flight = slots[slot]
        if flight.due < due or (flight.due == due and flight.order_no < order_no and due < NEVER):
            due, order_no, found = flight.due, flight.order_no, slot
    return due, found


@njit(cache=True)
def settle(setting: Setting, state: State, slot: int) -> None:
    """Fill the order of ``slot`` against the books as they are and decide what comes next."""
    books = state.books
    flight = state.flights.slots[slot]
    s, side, now = flight.symbol, flight.side, flight.due
    done = fill(
        setting.terms, s, side, flight.order, flight.limit, flight.available,
        books.px[s, side], books.left[s, side],
    )  # fmt: skip
    if done.size > 0.0:
        _take(state, s, side, done.size)
    _record_leg(setting, state, slot, done)
    if flight.unwinds:
        _after_unwind(setting, state, slot, done, now)
    else:
        _after_leg(setting, state, slot, done, now)


@njit(cache=True)
def _take(state: State, s: int, side: int, size: float) -> None:
    books = state.books
    left, shown, taken = books.left[s, side], books.shown[s, side], books.taken[s, side]
    for i in range(left.shape[0]):
        if taken[i] == 0.0:
            shown[i] = left[i]
    take(left, taken, size)
    for i in range(left.shape[0]):
        if taken[i] > 0.0:
            left[i] = max(0.0, shown[i] - taken[i])
    books.touched[s] = 1


@njit(cache=True)
def _record_leg(setting: Setting, state: State, slot: int, done: Fill) -> None:
    flights, tally = state.flights, state.tally
    flight = flights.slots[slot]
    seen = flights.seen_px.shape[1] - 1 if flight.unwinds else flight.leg
    parts = leg_parts(
        setting.terms, flight.symbol, flight.side, flight.best, flight.value_after,
        flights.seen_px[slot, seen], flights.seen_left[slot, seen], done,
    )  # fmt: skip
    leg = tally.legs[tally.counts[LEGS]]
    tally.counts[LEGS] += 1
    leg.trade_no = flight.trade
    leg.leg_no = flight.legs_sent
    leg.unwinds = flight.unwinds
    leg.symbol = flight.symbol
    leg.side = flight.side
    leg.status = _leg_status(done)
    leg.ts_sent = flight.sent
    leg.ts_filled = flight.due
    leg.best_px = flight.best
    leg.limit_px = flight.limit
    leg.order = flight.order
    leg.planned_spent = flight.planned_spent
    leg.planned_received = flight.planned_received
    leg.size = done.size
    leg.funds = done.funds
    leg.spent = done.spent
    leg.received = done.received
    leg.expected = parts.expected
    leg.filled = parts.filled
    leg.fee = parts.fee
    leg.slippage = parts.slippage
    leg.latency = parts.latency
    flight.legs_sent += 1
    if not flight.unwinds:
        trade = tally.trades[flight.trade]
        trade.legs += 1
        trade.legs_filled += leg.status == LegStatus.FILLED.value
        trade.fee += parts.fee
        trade.slippage += parts.slippage
        trade.latency += parts.latency
        if flight.leg == 0:
            trade.spent = done.spent
            trade.expected_profit = parts.expected - done.spent


@njit(cache=True)
def _leg_status(done: Fill) -> int:
    if done.size <= 0.0:
        return LegStatus.MISSED.value
    return LegStatus.PARTIAL.value if done.short else LegStatus.FILLED.value


@njit(cache=True)
def _after_leg(setting: Setting, state: State, slot: int, done: Fill, now: int) -> None:
    flights, tally = state.flights, state.tally
    flight = flights.slots[slot]
    k, s, side = flight.leg, flight.symbol, flight.side
    start = setting.start[flight.cycle]
    unspent = flight.available - done.spent
    if k == 0:
        tally.free[start] += unspent
    else:
        given = setting.quote[s] if side == BUY else setting.base[s]
        _hold(flights, slot, given, unspent, unspent * flights.value[slot, k])
        flight.fell_short |= done.short
    if not done.received > 0.0:
        _unwind_or_end(setting, state, slot, now)
        return
    if k + 1 == setting.length[flight.cycle]:
        _return(state, slot, start, done.received)
        _unwind_or_end(setting, state, slot, now)
        return
    then, then_side = setting.leg_symbol[flight.cycle, k + 1], setting.leg_side[flight.cycle, k + 1]
    order = order_amount(setting.terms, then, then_side, done.received, flights.bests[slot, k + 1])
    if order > 0.0:
        _send_leg(setting, state, slot, k + 1, order, done.received, now)
        return
    got = setting.base[s] if side == BUY else setting.quote[s]
    _hold(flights, slot, got, done.received, done.received * flights.value[slot, k + 1])
    flight.fell_short = 1
    _unwind_or_end(setting, state, slot, now)


@njit(cache=True)
def _return(state: State, slot: int, start: int, amount: float) -> None:
    state.tally.trades[state.flights.slots[slot].trade].returned += amount
    state.tally.free[start] += amount


@njit(cache=True)
def _hold(flights: Flights, slot: int, currency: int, amount: float, value: float) -> None:
    if not amount > 0.0:
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
def _after_unwind(setting: Setting, state: State, slot: int, done: Fill, now: int) -> None:
    flights, tally = state.flights, state.tally
    flight = flights.slots[slot]
    held, value = flights.held_amount[slot], flights.held_value[slot]
    at = flight.holding
    if done.spent > 0.0:
        whole = done.spent >= held[at]
        moved = value[at] if whole else value[at] * (done.spent / held[at])
        value[at] = 0.0 if whole else value[at] - moved
        held[at] = 0.0 if whole else held[at] - done.spent
        start = setting.start[flight.cycle]
        s = flight.symbol
        got = setting.base[s] if flight.side == BUY else setting.quote[s]
        if got == start:
            _return(state, slot, start, done.received)
            tally.trades[flight.trade].unwind += moved - done.received
        else:
            _hold(flights, slot, got, done.received, moved)
    _unwind_or_end(setting, state, slot, now)


@njit(cache=True)
def _unwind_or_end(setting: Setting, state: State, slot: int, now: int) -> None:
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
    s, side = routes.first[route], routes.first_side[route]
    px, left = books.px[s, side], books.left[s, side]
    value_after = 1.0
    if routes.second[route] >= 0:
        then, then_side = routes.second[route], routes.second_side[route]
        then_best = best_price(books.px[then, then_side], books.left[then, then_side])
        value_after = value_before(then_side, then_best, 1.0)
    best = best_price(px, left)
    order = order_amount(terms, s, side, amount, best)
    limit = limit_price(terms, s, side, best, setting.rules.unwind_slippage)
    hoped = fill(terms, s, side, order, limit, amount, px, left)
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
    _depart(setting, state, slot, now)


@njit(cache=True)
def _end(setting: Setting, state: State, slot: int, now: int) -> None:
    books, flights, tally = state
    flight = flights.slots[slot]
    cycle = flight.cycle
    n, start = setting.length[cycle], setting.start[cycle]
    trade = tally.trades[flight.trade]
    for at in range(flight.holdings):
        amount = flights.held_amount[slot, at]
        if amount > 0.0:
            trade.residual += flights.held_value[slot, at]
            trade.residual_value += worth(
                setting.terms, setting.routes, books.px, books.left,
                flights.held_currency[slot, at], start, amount,
            )  # fmt: skip
    trade.profit = trade.returned - trade.spent
    trade.ts_end = now
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


@njit(cache=True)
def show(books: BookState, s: int, side: int, px: Floats, sz: Floats) -> None:
    """Replace one side of a book by newly shown levels; keep what we took of unchanged ones."""
    depth = px.shape[0]
    shown, taken = np.zeros(depth), np.zeros(depth)
    for i in range(depth):
        for j in range(depth):
            same = books.taken[s, side, j] > 0.0 and books.px[s, side, j] == px[i]
            if same and books.shown[s, side, j] == sz[i]:
                shown[i], taken[i] = sz[i], books.taken[s, side, j]
    for i in range(depth):
        books.px[s, side, i] = px[i]
        size = sz[i] if sz[i] > 0.0 else 0.0
        books.left[s, side, i] = max(0.0, shown[i] - taken[i]) if taken[i] > 0.0 else size
    books.shown[s, side] = shown
    books.taken[s, side] = taken
