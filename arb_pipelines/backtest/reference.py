"""The readable engine: events in time order, one after the other, in plain Python.

Says what a backtest means; ``kernel`` says it fast. Decisions come from
``trading``, the venue's side from the execution model in the package's docstring.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable

import numpy as np

from arb_pipelines.backtest.records import Outcome
from arb_pipelines.backtest.reference_books import BookShelf
from arb_pipelines.backtest.reference_journal import Execution, Journal, Order, status_of
from arb_pipelines.backtest.scenario import Books, Floats, Scenario, peek_depth
from arb_pipelines.market.cycles import BUY
from arb_pipelines.trading.gate import Refusal, budget, enter, leave, open_gate, refusal
from arb_pipelines.trading.ledger import value_before
from arb_pipelines.trading.orders import Fill, fill, limit_price, order_amount
from arb_pipelines.trading.planning import best_price, plan
from arb_pipelines.trading.unwind import WORTH_AN_ORDER, choose_route, worth


def run_reference(scenario: Scenario, parts: Iterable[Books]) -> Outcome:
    """Replay a day given as consecutive parts, all of one depth."""
    depth, parts = peek_depth(parts)
    replay = _Replay(scenario, depth)
    for books in parts:
        for symbol, ts, bid_px, bid_sz, ask_px, ask_sz in zip(*books, strict=True):
            replay.arrive(before=int(ts))
            replay.update(int(symbol), int(ts), (ask_px, ask_sz), (bid_px, bid_sz))
    replay.arrive(before=None)
    return replay.journal.outcome()


class _Replay:
    def __init__(self, scenario: Scenario, depth: int) -> None:
        setting, cycles = scenario.setting, scenario.cycles
        self.setting, self.cycles = setting, cycles
        self.books = BookShelf(len(cycles.symbols), depth)
        sets = int(setting.symbol_set.max()) + 1
        self.gate = open_gate(sets, len(cycles.symbols), len(cycles.currencies))
        self.free = scenario.balances.tolist()
        self.on_their_way: list[tuple[int, int, Order]] = []
        self.orders_sent = 0
        self.journal = Journal(len(cycles.currencies))
        self.keep = dict(zip(setting.entry_cycle.tolist(), setting.keep.tolist(), strict=True))
        self.cycle_legs = [
            list(zip(symbols[:n].tolist(), sides[:n].tolist(), strict=True))
            for symbols, sides, n in zip(
                cycles.leg_symbol, cycles.leg_side, cycles.length, strict=True
            )
        ]

    # -- events ------------------------------------------------------------------------

    def update(
        self, symbol: int, ts: int, asks: tuple[Floats, Floats], bids: tuple[Floats, Floats]
    ) -> None:
        """Receive a book, and consider the cycles through it, the most promising first."""
        self.journal.updates += 1
        self.books.show(symbol, ts, asks, bids)
        threshold = 1.0 + self.setting.rules.min_profit
        through = [
            (-self._product(cycle), cycle)
            for cycle, legs in enumerate(self.cycle_legs)
            if any(leg_symbol == symbol for leg_symbol, _ in legs)
        ]
        for product, cycle in sorted(through):
            if -product >= threshold:
                self._consider(cycle, ts)

    def arrive(self, *, before: int | None) -> None:
        """Fill the orders that arrive before a time, in order of arrival; None for all."""
        while self.on_their_way and (before is None or self.on_their_way[0][0] < before):
            now, _, order = heapq.heappop(self.on_their_way)
            self._fill(order, now)

    # -- decisions ---------------------------------------------------------------------

    def _product(self, cycle: int) -> float:
        product = 1.0
        for symbol, side in self.cycle_legs[cycle]:
            product *= self.books.rates[symbol][side]
        return float(product * self.keep[cycle])

    def _consider(self, cycle: int, now: int) -> None:
        start = int(self.cycles.start[cycle])
        self.journal.signals[start] += 1
        reason = self._begin(cycle, start, now)
        if reason != Refusal.NONE:
            self.journal.refused[start, reason] += 1

    def _begin(self, cycle: int, start: int, now: int) -> int:
        setting, books = self.setting, self.books
        terms, rules = setting.terms, setting.rules
        n = int(self.cycles.length[cycle])
        symbols, sides = self.cycles.leg_symbol[cycle, :n], self.cycles.leg_side[cycle, :n]
        symbol_set = int(setting.symbol_set[cycle])
        reason = refusal(self.gate, rules, symbols, symbol_set, start, books.updated, now)
        if reason != Refusal.NONE:
            return reason
        most = budget(rules, self.free[start])
        if not most > 0.0:
            return Refusal.FUNDS
        bests, limits, spent, received = (np.zeros(n) for _ in range(4))
        reason, amount = plan(
            terms, rules, books.px, books.left, symbols, sides, most, bests, limits, spent, received
        )
        if reason != Refusal.NONE:
            return reason

        values = [1.0]
        for side, best in zip(sides[::-1].tolist(), bests[::-1].tolist(), strict=True):
            values.insert(0, value_before(side, best, values[0]))
        trade = self.journal.begin(
            cycle=cycle,
            ts_signal=now,
            committed=amount,
            gross=values[0] - 1.0,
            predicted=received[-1] / spent[0] - 1.0,
        )
        self.free[start] -= amount
        enter(self.gate, symbols, symbol_set, start)
        execution = Execution(
            trade=trade,
            legs=self.cycle_legs[cycle],
            start=start,
            symbol_set=symbol_set,
            bests=bests,
            limits=limits,
            planned=list(zip(spent.tolist(), received.tolist(), strict=True)),
            values=values,
            seen=[self._levels(s, side) for s, side in self.cycle_legs[cycle]],
        )
        delays = setting.decision_ns
        departs = now + int(delays[int(trade["trade_no"]) % len(delays)])
        self._send_leg(execution, 0, amount, departs)
        return Refusal.NONE

    def _levels(self, symbol: int, side: int) -> tuple[Floats, Floats]:
        return self.books.px[symbol, side].copy(), self.books.left[symbol, side].copy()

    def _send_leg(self, execution: Execution, leg: int, available: float, now: int) -> bool:
        """Send the order of a leg; False if what is in hand makes none."""
        symbol, side = execution.legs[leg]
        best = float(execution.bests[leg])
        amount = order_amount(self.setting.terms, symbol, side, available, best)
        if not amount > 0.0:
            return False
        self._send(
            Order(
                execution,
                leg,
                symbol,
                side,
                amount,
                float(execution.limits[leg]),
                best,
                available,
                execution.values[leg + 1],
                execution.planned[leg],
                execution.seen[leg],
                now,
            )
        )
        return True

    def _send(self, order: Order) -> None:
        delays = self.setting.leg_ns
        due = order.sent + int(delays[self.orders_sent % len(delays)])
        heapq.heappush(self.on_their_way, (due, self.orders_sent, order))
        self.orders_sent += 1

    def _fill(self, order: Order, now: int) -> None:
        symbol, side = order.symbol, order.side
        px, left = self._levels(symbol, side)
        done = fill(self.setting.terms, symbol, side, order.amount, order.limit, px, left)
        self.books.take(symbol, side, done.size)
        self.journal.record(order, done, now)
        if order.leg is None:
            self._after_unwind(order, done, now)
        else:
            self._after_leg(order, order.leg, done, now)

    def _after_leg(self, order: Order, leg: int, done: Fill, now: int) -> None:
        """Go on with what the leg gave, or bring back what it left."""
        execution = order.execution
        given, got = self._currencies(order)
        unspent = order.available - done.spent
        if leg == 0:
            self.free[execution.start] += unspent
        else:
            execution.hold(given, unspent, unspent * execution.values[leg])
            execution.fell_short |= done.short
        if done.received > 0.0:
            if leg + 1 == len(execution.legs):
                self._return(execution, done.received)
            elif self._send_leg(execution, leg + 1, done.received, now):
                return
            else:
                execution.hold(got, done.received, done.received * execution.values[leg + 1])
                execution.fell_short = True
        self._unwind_or_end(execution, now)

    def _after_unwind(self, order: Order, done: Fill, now: int) -> None:
        execution = order.execution
        given, got = self._currencies(order)
        if done.spent > 0.0:
            held, value = execution.holdings[given]
            whole = done.spent >= held
            moved = value if whole else value * (done.spent / held)
            execution.holdings[given] = (0.0, 0.0) if whole else (held - done.spent, value - moved)
            if got == execution.start:
                self._return(execution, done.received)
                execution.trade["unwind"] += moved - done.received
            else:
                execution.hold(got, done.received, moved)
        self._unwind_or_end(execution, now)

    def _currencies(self, order: Order) -> tuple[int, int]:
        base, quote = int(self.setting.base[order.symbol]), int(self.setting.quote[order.symbol])
        return (quote, base) if order.side == BUY else (base, quote)

    def _return(self, execution: Execution, amount: float) -> None:
        execution.trade["returned"] += amount
        self.free[execution.start] += amount

    def _unwind_or_end(self, execution: Execution, now: int) -> None:
        """Send the next order that brings a residual back; end the execution if there is none."""
        trade, rules = execution.trade, self.setting.rules
        if trade["unwind_orders"] < rules.unwind_orders:
            for currency, (amount, value) in execution.holdings.items():
                if value > WORTH_AN_ORDER * trade["spent"] and self._unwind(
                    execution, currency, amount, now
                ):
                    trade["unwind_orders"] += 1
                    return
        self._end(execution, now)

    def _unwind(self, execution: Execution, currency: int, amount: float, now: int) -> bool:
        terms, routes = self.setting.terms, self.setting.routes
        slippage = self.setting.rules.unwind_slippage
        books = self.books
        route = choose_route(
            terms, routes, books.px, books.left, slippage, currency, execution.start, amount
        )
        if route < 0:
            return False
        symbol, side = int(routes.first[route]), int(routes.first_side[route])
        value_after = 1.0
        if routes.second[route] >= 0:
            then, then_side = int(routes.second[route]), int(routes.second_side[route])
            value_after = value_before(then_side, best_price(*self._levels(then, then_side)), 1.0)
        px, left = self._levels(symbol, side)
        best = best_price(px, left)
        order = order_amount(terms, symbol, side, amount, best)
        limit = limit_price(terms, symbol, side, best, slippage)
        hoped = fill(terms, symbol, side, order, limit, px, left)
        self._send(
            Order(
                execution,
                None,
                symbol,
                side,
                order,
                limit,
                best,
                amount,
                value_after,
                (hoped.spent, hoped.received),
                (px, left),
                now,
            )
        )
        return True

    def _end(self, execution: Execution, now: int) -> None:
        trade, setting = execution.trade, self.setting
        for currency, (amount, value) in execution.holdings.items():
            trade["residual"] += value
            if amount > 0.0:
                trade["residual_value"] += worth(
                    setting.terms,
                    setting.routes,
                    self.books.px,
                    self.books.left,
                    currency,
                    execution.start,
                    amount,
                )
        trade["profit"] = trade["returned"] - trade["spent"]
        trade["ts_end"] = now
        trade["status"] = status_of(execution)
        symbols = np.array([symbol for symbol, _ in execution.legs], np.int32)
        leave(self.gate, setting.rules, symbols, execution.symbol_set, execution.start, now)
