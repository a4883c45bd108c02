"""The fast engine: one loop over the day's book states, compiled."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numba import njit

from arb_pipelines.backtest.flight import consider, next_due, settle
from arb_pipelines.backtest.kernel_books import show_again
from arb_pipelines.backtest.records import Outcome
from arb_pipelines.backtest.scenario import Books, Scenario, Setting, peek_depth
from arb_pipelines.backtest.state import LEGS, NEVER, TRADES, State, grown, new_state
from arb_pipelines.trading.signals import rank_signals, top_rates


def run_kernel(scenario: Scenario, parts: Iterable[Books]) -> Outcome:
    """Replay a day given as consecutive parts, all of one depth.

    Memory is that of one part, whatever the length of the day.
    """
    depth, parts = peek_depth(parts)
    state, updates = new_state(scenario, depth), 0
    for part in parts:
        books, done = _read_only(part), 0
        while (done := _replay(scenario.setting, state, books, done)) < len(books.ts_recv):
            state = state._replace(tally=grown(state.tally))
        updates += len(books.ts_recv)
    while not _finish(scenario.setting, state):
        state = state._replace(tally=grown(state.tally))
    tally = state.tally
    trades = tally.trades[: tally.counts[TRADES]]
    legs = tally.legs[: tally.counts[LEGS]]
    by_trade = np.lexsort((legs["leg_no"], legs["trade_no"]))
    return Outcome(trades, legs[by_trade], tally.signals, tally.refused, updates)


def _read_only(books: Books) -> Books:
    """Give views that refuse writes, for numba compiles a second kernel for arrays that do not.

    Books shared by processes are read-only by themselves.
    """
    views: list[Any] = [array.view() for array in books]
    for view in views:
        view.flags.writeable = False
    return Books(*views)


@njit(cache=True, nogil=True)
def _replay(setting: Setting, state: State, books: Books, first: int) -> int:
    """Apply the book states from ``first`` on; returns where it stopped for want of room."""
    symbol, ts_recv, bid_px, bid_sz, ask_px, ask_sz = books
    now_books, flights, tally = state
    rate, px, left = now_books.rate, now_books.px, now_books.left
    step = setting.terms.base_step
    ptr, legs, keep = setting.ptr, setting.entry_legs, setting.keep
    threshold = 1.0 + setting.rules.min_profit
    depth = px.shape[2]
    most = 0
    for s in range(ptr.shape[0] - 1):
        most = max(most, ptr[s + 1] - ptr[s])
    entries, products = np.empty(most, np.int32), np.empty(most)
    due, slot = next_due(flights.slots)
    for i in range(first, symbol.shape[0]):
        if tally.trades.shape[0] - tally.counts[TRADES] < setting.rules.slots:
            return i
        now = ts_recv[i]
        if due < now:
            while due < now:
                if tally.counts[LEGS] == tally.legs.shape[0]:
                    return i
                settle(setting, state, slot)
                due, slot = next_due(flights.slots)
        s = symbol[i]
        now_books.updated[s] = now
        if now_books.touched[s]:
            show_again(now_books, s, bid_px[i], bid_sz[i], ask_px[i], ask_sz[i], step[s])
        else:
            for level in range(depth):
                px[s, 0, level] = ask_px[i, level]
                px[s, 1, level] = bid_px[i, level]
                left[s, 0, level] = ask_sz[i, level] if ask_sz[i, level] > 0.0 else 0.0
                left[s, 1, level] = bid_sz[i, level] if bid_sz[i, level] > 0.0 else 0.0
            rate[2 * s], rate[2 * s + 1] = top_rates(px, left, s)
        found = rank_signals(rate, legs, keep, ptr[s], ptr[s + 1], threshold, entries, products)
        for j in range(found):
            consider(setting, state, setting.entry_cycle[entries[j]], now)
        if found:
            due, slot = next_due(flights.slots)
    return len(symbol)


@njit(cache=True)
def _finish(setting: Setting, state: State) -> bool:
    """Let the orders still on their way meet the last books; False for want of room."""
    due, slot = next_due(state.flights.slots)
    while due < NEVER:
        if state.tally.counts[LEGS] == state.tally.legs.shape[0]:
            return False
        settle(setting, state, slot)
        due, slot = next_due(state.flights.slots)
    return True
