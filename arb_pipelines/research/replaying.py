"""A session's books through the backtest, with the delays that the session measured.

The venue that the backtest models is then as fast as the real one was, order by order, so
what is left between the two is the model: see ``agreement``.
"""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from arb_pipelines.backtest.brokers.books import BookBroker
from arb_pipelines.backtest.coordinator import BacktestCoordinator
from arb_pipelines.backtest.journal import Journal
from arb_pipelines.backtest.records import Outcome
from arb_pipelines.backtest.reference import cycle_desk, traded_of
from arb_pipelines.backtest.scenario import Books, Int64, Scenario
from arb_pipelines.execution.orders.client_ids import cycle_of
from arb_pipelines.research.told import Listener, OrderTold, SignalTold, Told
from arb_pipelines.trading.book_shelf import BookShelf
from arb_pipelines.trading.events import Book, BrokerEvent, Event, MarketEvent, Order
from arb_pipelines.trading.portfolio import Portfolio
from arb_pipelines.trading.reports import Report

#: By which an execution of one side is found on the other: see ``MeasuredDelays``.
Key = tuple[int, str, int]


def replay(
    scenario: Scenario, books: Sequence[Book], session: Told, *, parallel: bool = False
) -> tuple[Told, Outcome]:
    """Trade the books, in order of receipt and all of one depth, as fast as the session did.

    A book that waited in the session comes when the session took it in; its signals are told
    by its receipt, as the session tells them. ``parallel`` is as for ``cycle_desk``. Gives
    what the reference engine told, and the records that any engine makes of it.
    """
    listener, journal = Listener(), Journal(scenario.cycles)

    def publish(event: Event | Report) -> None:
        listener.hear(event)
        journal.hear(event)

    taken_in = taken_in_at(session)
    market = [replace(book, ts_recv=taken_in.get(book.ts_recv, book.ts_recv)) for book in books]
    market.sort(key=lambda book: book.ts_recv)
    broker = MeasuredBroker(scenario, _depth(books), MeasuredDelays.of(session))
    balances = zip(scenario.cycles.currencies, scenario.balances.tolist(), strict=True)
    portfolio = Portfolio(dict(balances))
    traded = traded_of(scenario)
    desk = cycle_desk(traded, _depth(books), portfolio, publish, parallel=parallel)
    BacktestCoordinator(desk, broker, portfolio).run(market)
    return _by_receipt(listener.told(), taken_in), journal.outcome()


def taken_in_at(session: Told) -> Mapping[int, int]:
    """Say when the books that waited were taken in, by their receipt: right after the news."""
    return {book.ts_recv: book.ts_taken + 1 for book in session.books if book.waited}


def with_measured_delays(scenario: Scenario, session: Told) -> Scenario:
    """Put a session's own delays in the place of drawn ones, one an execution and an order.

    They fit as long as the backtest makes the same orders in the same turn, one leg after
    the other.
    """
    took = MeasuredDelays.of(session).orders
    firsts = [execution.orders[0].client_id for execution in session.executions()]
    decision_ns = [took[first].departure_ns for first in firsts]
    begin = set(firsts)
    leg_ns = [
        took[order.client_id].arrival_ns(departs=order.client_id in begin)
        for order in session.orders()
    ]
    setting = scenario.setting._replace(decision_ns=_table(decision_ns), leg_ns=_table(leg_ns))
    return replace(scenario, setting=setting)


def columns(symbols: Sequence[str], books: Sequence[Book]) -> Books:
    """Lay books out as the kernel takes them."""
    number = {symbol: i for i, symbol in enumerate(symbols)}
    return Books(
        np.array([number[book.symbol] for book in books], np.int32),
        np.array([book.ts_recv for book in books], np.int64),
        np.array([book.bid_px for book in books]),
        np.array([book.bid_sz for book in books]),
        np.array([book.ask_px for book in books]),
        np.array([book.ask_sz for book in books]),
    )


class Took(NamedTuple):
    """How long an order took, ns: from its decision to its departure, and to its end."""

    departure_ns: int
    whole_ns: int

    def arrival_ns(self, *, departs: bool) -> int:
        """Say how long it was on its way, from departure or, if it leaves at once, decision."""
        return self.whole_ns - self.departure_ns if departs else self.whole_ns


@dataclass(frozen=True, slots=True)
class MeasuredDelays:
    """How long a session took, by client id.

    ``begun`` are its executions by time of decision, symbol and side of their first orders,
    in turn; ``usual`` are medians, for what the session did not do.
    """

    orders: Mapping[str, Took]
    begun: Mapping[Key, Sequence[SignalTold]]
    usual: Took

    @classmethod
    def of(cls, session: Told) -> MeasuredDelays:
        """Measure a session's orders, up to the news of their ends."""
        taken_in = taken_in_at(session)
        orders: dict[str, Took] = {}
        begun: defaultdict[Key, list[SignalTold]] = defaultdict(list)
        for execution in session.executions():
            for order in execution.orders:
                decided = taken_in.get(order.ts_decided, order.ts_decided)
                orders[order.client_id] = _took(order, decided)
            first = execution.orders[0]
            decided = taken_in.get(first.ts_decided, first.ts_decided)
            begun[decided, first.symbol, first.side].append(execution)
        usual = (_median(column) for column in zip(*orders.values(), strict=True))
        return cls(orders, begun, Took(*usual) if orders else Took(0, 0))


class MeasuredBroker:
    """A modelled venue that takes as long for an order as the session's did for the same one."""

    def __init__(self, scenario: Scenario, depth: int, delays: MeasuredDelays) -> None:
        symbols, terms = scenario.cycles.symbols, scenario.setting.terms
        self._delays = delays
        self._decision_ns, self._leg_ns = np.zeros(1, np.int64), np.zeros(1, np.int64)
        self._inner = BookBroker(
            {symbol: i for i, symbol in enumerate(symbols)},
            terms,
            BookShelf(len(symbols), depth, terms.base_step),
            decision_ns=self._decision_ns,  # tables of one draw, set before each order
            leg_ns=self._leg_ns,
        )
        self._to_come = {key: deque(executions) for key, executions in delays.begun.items()}
        self._executions: dict[str, SignalTold | None] = {}
        self._sent: Counter[str] = Counter()

    def submit(self, order: Order) -> None:
        """Look up the order's delays, and send it on its way."""
        key = cycle_of(order.client_id)
        departs = order.execution is None or key not in self._executions  # as the inner one has it
        if key not in self._executions:
            to_come = self._to_come.get((order.ts, order.symbol, order.side))
            self._executions[key] = to_come.popleft() if to_come else None
        execution, number = self._executions[key], self._sent[key]
        self._sent[key] += 1
        took = self._delays.usual
        if execution is not None and number < len(execution.orders):
            took = self._delays.orders[execution.orders[number].client_id]
        self._decision_ns[0] = took.departure_ns
        self._leg_ns[0] = took.arrival_ns(departs=departs)
        self._inner.submit(order)

    def cancel(self, client_id: str, ts: int) -> None:
        """Pass a wish on."""
        self._inner.cancel(client_id, ts)

    def on_market(self, event: MarketEvent) -> Iterable[BrokerEvent]:
        """Fill what arrives before a book, then show the book."""
        return self._inner.on_market(event)

    def close(self) -> Iterator[BrokerEvent]:
        """Let the orders still on their way meet the last books."""
        return self._inner.close()


def _depth(books: Sequence[Book]) -> int:
    return len(books[0].bid_px) if books else 1


def _by_receipt(told: Told, taken_in: Mapping[int, int]) -> Told:
    """Tell the signals of books that waited by the time of their receipt."""
    received = {at: ts_recv for ts_recv, at in taken_in.items()}
    signals = (replace(told_, ts=received.get(told_.ts, told_.ts)) for told_ in told.signals)
    return replace(told, signals=tuple(signals))


def _took(order: OrderTold, decided: int) -> Took:
    departure_ns = 0 if order.ts_routed is None else max(0, order.ts_routed - decided)
    ended = order.ts_ended
    return Took(departure_ns, departure_ns if ended is None else max(departure_ns, ended - decided))


def _median(delays: Iterable[int]) -> int:
    return round(statistics.median(delays))


def _table(delays: Sequence[int]) -> Int64:
    return np.array(delays or [0], np.int64)
