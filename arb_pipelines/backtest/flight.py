"""The kernel's executions: begun by a signal, moved on by each order's arrival, ended.

The compiled counterpart of ``reference``; both follow the model in the package's
docstring and take every decision from ``trading``. How an execution ends is in
``flight_end``.
"""

from __future__ import annotations

from numba import njit

from arb_pipelines.backtest.flight_end import depart, give_back, hold, unwind_or_end
from arb_pipelines.backtest.kernel_books import take_from
from arb_pipelines.backtest.records import LegStatus
from arb_pipelines.backtest.scenario import Setting
from arb_pipelines.backtest.state import LEGS, NEVER, TRADES, Records, State
from arb_pipelines.market.graph import BUY
from arb_pipelines.trading.gate import Refusal, budget, enter, refusal
from arb_pipelines.trading.kelly import committed_share
from arb_pipelines.trading.ledger import leg_parts, value_before
from arb_pipelines.trading.orders import Fill, fill, order_amount
from arb_pipelines.trading.planning import plan


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
    most = budget(rules, committed_share(rules, tally.returns), tally.free[start])
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
    order = order_amount(terms, symbols[0], sides[0], amount, bests[0], limits[0])
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
    depart(setting, state, slot, now)


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
        setting.terms, s, side, flight.order, flight.limit,
        books.px[s, side], books.left[s, side],
    )  # fmt: skip
    if done.size > 0.0:
        take_from(books, s, side, done.size, setting.terms.base_step[s])
    _record_leg(setting, state, slot, done)
    if flight.unwinds:
        _after_unwind(setting, state, slot, done, now)
    else:
        _after_leg(setting, state, slot, done, now)


@njit(cache=True)
def _record_leg(setting: Setting, state: State, slot: int, done: Fill) -> None:
    flights, tally = state.flights, state.tally
    flight = flights.slots[slot]
    seen = flights.seen_px.shape[1] - 1 if flight.unwinds else flight.leg
    parts = leg_parts(
        flight.side, flight.best, flight.value_after,
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
        hold(flights, slot, given, unspent, unspent * flights.value[slot, k])
        flight.fell_short |= done.short
    if not done.received > 0.0:
        unwind_or_end(setting, state, slot, now)
        return
    if k + 1 == setting.length[flight.cycle]:
        give_back(state, slot, start, done.received)
        unwind_or_end(setting, state, slot, now)
        return
    then, then_side = setting.leg_symbol[flight.cycle, k + 1], setting.leg_side[flight.cycle, k + 1]
    best, limit = flights.bests[slot, k + 1], flights.limits[slot, k + 1]
    order = order_amount(setting.terms, then, then_side, done.received, best, limit)
    if order > 0.0:
        _send_leg(setting, state, slot, k + 1, order, done.received, now)
        return
    got = setting.base[s] if side == BUY else setting.quote[s]
    hold(flights, slot, got, done.received, done.received * flights.value[slot, k + 1])
    flight.fell_short = 1
    unwind_or_end(setting, state, slot, now)


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
            give_back(state, slot, start, done.received)
            tally.trades[flight.trade].unwind += moved - done.received
        else:
            hold(flights, slot, got, done.received, moved)
    unwind_or_end(setting, state, slot, now)
