"""A session's books through the backtest, with the delays that the session measured.

The venue that the backtest models is then as fast as the real one was, order by order, so
what is left between the two is the model: see ``agreement``.
"""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from arb_pipelines.backtest.brokers.books import BookBroker
from arb_pipelines.backtest.coordinator import BacktestCoordinator
from arb_pipelines.backtest.journal import Journal
from arb_pipelines.backtest.records import Outcome
from arb_pipelines.backtest.reference import cycle_desk, traded_of
from arb_pipelines.backtest.scenario import Books, Int64, Scenario
from arb_pipelines.containers.desk import Publish
from arb_pipelines.research.told import Listener, OrderTold, SignalTold, Told
from arb_pipelines.trading.book_shelf import BookShelf
from arb_pipelines.trading.events import Book, BrokerEvent, Event, MarketEvent, Order
from arb_pipelines.trading.portfolio import Portfolio
from arb_pipelines.trading.reports import Report

#: By which an execution of one side is found on the other: see ``MeasuredDelays``.
Key = tuple[int, str, int]


def replay(scenario: Scenario, books: Sequence[Book], session: Told) -> tuple[Told, Outcome]:
    """Trade the books, in order of receipt and all of one depth, as fast as the session did.

    A book that waited in the session comes when the session took it in; its signals are told
    by its receipt, as the session tells them. Gives what the reference engine told, and the
    records that any engine makes of it.
    """
    listener, journal = Listener(), Journal(scenario.cycles)

    def publish(event: Event | Report) -> None:
        listener.hear(event)
        journal.hear(event)

    taken_in = taken_in_at(session)
    market = [replace(book, ts_recv=taken_in.get(book.ts_recv, book.ts_recv)) for book in books]
    market.sort(key=lambda book: book.ts_recv)
    depth = len(books[0].bid_px) if books else 1
    _open(scenario, depth, MeasuredDelays.of(session), publish).run(market)
    return _by_receipt(listener.told(), taken_in), journal.outcome()


def taken_in_at(session: Told) -> Mapping[int, int]:
    """Say when the books that waited were taken in, by their receipt: right after the news."""
    return {book.ts_recv: book.ts_taken + 1 for book in session.books if book.waited}


def with_measured_delays(scenario: Scenario, session: Told) -> Scenario:
    """Put a session's own delays in the place of drawn ones, one an execution and an order.

    They fit as long as the backtest makes the same orders in the same turn.
    """
    delays = MeasuredDelays.of(session)
    decision_ns = [delays.decision_ns(execution) for execution in session.executions()]
    leg_ns = [delays.leg_ns[order.client_id] for order in session.orders()]
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


@dataclass(frozen=True, slots=True)
class MeasuredDelays:
    """How long a session took, ns: ``leg_ns`` of each order, by client id.

    ``begun`` are its executions by time of decision, symbol and side of their first orders,
    in turn; ``usual`` are the medians of decision and leg, for what the session did not do.
    """

    taken_in: Mapping[int, int]
    leg_ns: Mapping[str, int]
    begun: Mapping[Key, Sequence[SignalTold]]
    usual: tuple[int, int]

    @classmethod
    def of(cls, session: Told) -> MeasuredDelays:
        """Measure a session: decision to departure, and from there to the news of the end."""
        taken_in, executions = taken_in_at(session), session.executions()
        leg_ns: dict[str, int] = {}
        begun: defaultdict[Key, list[SignalTold]] = defaultdict(list)
        for execution in executions:
            for number, order in enumerate(execution.orders):
                leg_ns[order.client_id] = _leg_ns(order, first=number == 0)
            first = execution.orders[0]
            decided = taken_in.get(first.ts_decided, first.ts_decided)
            begun[decided, first.symbol, first.side].append(execution)
        measured = cls(taken_in, leg_ns, begun, (0, 0))
        decisions = [measured.decision_ns(execution) for execution in executions]
        return replace(measured, usual=(_median(decisions), _median(leg_ns.values())))

    def decision_ns(self, execution: SignalTold) -> int:
        """Say how long an execution's first order took to leave."""
        first = execution.orders[0]
        decided = self.taken_in.get(first.ts_decided, first.ts_decided)
        return 0 if first.ts_routed is None else max(0, first.ts_routed - decided)


class MeasuredBroker:
    """A modelled venue that takes as long for an order as the session's did for the same one."""

    def __init__(
        self, inner: BookBroker, delays: MeasuredDelays, decision_ns: Int64, leg_ns: Int64
    ) -> None:
        self._inner, self._delays = inner, delays
        self._decision_ns, self._leg_ns = decision_ns, leg_ns  # what the inner one draws from
        self._to_come = {key: deque(executions) for key, executions in delays.begun.items()}
        self._executions: dict[str, SignalTold | None] = {}
        self._sent: Counter[str] = Counter()

    def submit(self, order: Order) -> None:
        """Look up the order's delays, and send it on its way."""
        purse = order.execution or order.client_id
        if purse not in self._executions:
            to_come = self._to_come.get((order.ts, order.symbol, order.side))
            self._executions[purse] = to_come.popleft() if to_come else None
        execution, number = self._executions[purse], self._sent[purse]
        self._sent[purse] += 1
        decision_ns, leg_ns = self._delays.usual
        if execution is not None:
            decision_ns = self._delays.decision_ns(execution)
            if number < len(execution.orders):
                leg_ns = self._delays.leg_ns[execution.orders[number].client_id]
        self._decision_ns[0], self._leg_ns[0] = decision_ns, leg_ns
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


def _open(
    scenario: Scenario, depth: int, delays: MeasuredDelays, publish: Publish
) -> BacktestCoordinator:
    traded, terms = traded_of(scenario), scenario.setting.terms
    balances = zip(scenario.cycles.currencies, scenario.balances.tolist(), strict=True)
    portfolio = Portfolio(dict(balances))
    decision_ns, leg_ns = np.zeros(1, np.int64), np.zeros(1, np.int64)
    venue = BookBroker(
        traded.number,
        terms,
        BookShelf(len(traded.number), depth, terms.base_step),
        decision_ns=decision_ns,
        leg_ns=leg_ns,
    )
    broker = MeasuredBroker(venue, delays, decision_ns, leg_ns)
    return BacktestCoordinator(cycle_desk(traded, depth, portfolio, publish), broker, portfolio)


def _by_receipt(told: Told, taken_in: Mapping[int, int]) -> Told:
    """Tell the signals of books that waited by the time of their receipt."""
    received = {at: ts_recv for ts_recv, at in taken_in.items()}
    signals = (replace(told_, ts=received.get(told_.ts, told_.ts)) for told_ in told.signals)
    return replace(told, signals=tuple(signals))


def _leg_ns(order: OrderTold, *, first: bool) -> int:
    """From departure to the news of the end; the backtest lets later legs leave at once."""
    left = order.ts_routed if first and order.ts_routed is not None else order.ts_decided
    return 0 if order.ts_ended is None else order.ts_ended - left


def _median(delays: Iterable[int]) -> int:
    known = list(delays)
    return round(statistics.median(known)) if known else 0


def _table(delays: Sequence[int]) -> Int64:
    return np.array(delays or [0], np.int64)
