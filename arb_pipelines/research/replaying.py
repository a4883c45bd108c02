"""A session's books through the backtest, with the delays that the session measured.

The venue that the backtest models is then as fast as the real one was, order by order, so
what is left between the two is the model: see ``agreement``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from arb_pipelines.backtest.journal import Journal
from arb_pipelines.backtest.records import Outcome
from arb_pipelines.backtest.reference import open_replay
from arb_pipelines.backtest.scenario import Books, Int64, Scenario
from arb_pipelines.research.told import Listener, OrderTold, SignalTold, Told
from arb_pipelines.trading.events import Book, Event
from arb_pipelines.trading.reports import Report


def replay(scenario: Scenario, books: Sequence[Book], session: Told) -> tuple[Told, Outcome]:
    """Trade the books, in order of receipt and all of one depth, as fast as the session did.

    Gives what the reference engine told, and the records that any engine makes of it.
    """
    listener, journal = Listener(), Journal(scenario.cycles)

    def publish(event: Event | Report) -> None:
        listener.hear(event)
        journal.hear(event)

    depth = len(books[0].bid_px) if books else 1
    open_replay(with_measured_delays(scenario, session), depth, publish).run(books)
    return listener.told(), journal.outcome()


def with_measured_delays(scenario: Scenario, session: Told) -> Scenario:
    """Put a session's own delays in the place of drawn ones, one an execution and an order."""
    firsts = {execution.orders[0].client_id for execution in session.executions()}
    decision_ns = [_decision_ns(execution) for execution in session.executions()]
    leg_ns = [_leg_ns(order, order.client_id in firsts) for order in session.orders()]
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


def _decision_ns(execution: SignalTold) -> int:
    first = execution.orders[0]
    return 0 if first.ts_routed is None else first.ts_routed - first.ts_decided


def _leg_ns(order: OrderTold, first: bool) -> int:
    """From departure to the news of the end; the backtest lets later legs leave at once."""
    left = order.ts_routed if first and order.ts_routed is not None else order.ts_decided
    return 0 if order.ts_ended is None else order.ts_ended - left


def _table(delays: Sequence[int]) -> Int64:
    return np.array(delays or [0], np.int64)
