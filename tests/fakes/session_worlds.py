"""A session's bus without a session: a random market's day, told to whoever listens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

from arb_pipelines.backtest.brokers.books import BookBroker
from arb_pipelines.backtest.coordinator import BacktestCoordinator
from arb_pipelines.backtest.reference import book_events, cycle_desk, traded_of
from arb_pipelines.clock import day_start_ns
from arb_pipelines.execution.records.recorder import SessionRecorder
from arb_pipelines.execution.records.values import Batch, SessionHead
from arb_pipelines.trading.book_shelf import BookShelf
from arb_pipelines.trading.portfolio import Portfolio
from arb_pipelines.trading.session_rules import TradingMode
from tests.fakes.backtest_worlds import DAY, World

#: The key of the session that ``head_of`` describes.
KEY = "test-demo-20250101T000000Z"


class Recorded(NamedTuple):
    """A world's day in a recorder: what was taken while it ran, and what is in hand at its end."""

    recorder: SessionRecorder
    taken: list[Batch]
    portfolio: Portfolio


def head_of(world: World, *, session: str = KEY) -> SessionHead:
    """Describe a paper session that trades a world."""
    return SessionHead(
        session=session,
        strategy=world.strategy.name,
        venue=world.strategy.exchange,
        mode=TradingMode.PAPER,
        account="0123456789ab",
        strategy_digest=world.strategy.digest,
        ts_started=day_start_ns(DAY),
        cycles=world.scenario.cycles,
    )


def play(world: World, *listeners: Callable[[object], object]) -> Portfolio:
    """Trade a world's day; each listener hears every event. Gives what is in hand at its end."""
    scenario, setting = world.scenario, world.scenario.setting
    traded = traded_of(scenario)
    names, balances = scenario.cycles.currencies, scenario.balances.tolist()
    portfolio = Portfolio(dict(zip(names, balances, strict=True)))

    def hear(event: object) -> None:
        for listener in listeners:
            listener(event)

    broker = BookBroker(
        traded.number,
        setting.terms,
        BookShelf(len(traded.number), world.depth),
        decision_ns=setting.decision_ns,
        leg_ns=setting.leg_ns,
    )
    desk = cycle_desk(traded, world.depth, portfolio, hear)
    coordinator = BacktestCoordinator(desk, broker, portfolio)
    coordinator.run(book_events(scenario.cycles.symbols, [world.books]))
    return portfolio


def record(world: World, *listeners: Callable[[object], object], every: int = 0) -> Recorded:
    """Trade a world's day beside a recorder, from which every so many events a batch is taken.

    Nothing is taken after the last events, nor at all where ``every`` is nought.
    """
    recorder = SessionRecorder(head_of(world), wall_ns=lambda: day_start_ns(DAY))
    taken: list[Batch] = []
    heard = 0

    def hear(event: object) -> None:
        nonlocal heard
        recorder.hear(event)
        heard += 1
        if every and heard % every == 0:
            taken.append(recorder.take())

    return Recorded(recorder, taken, play(world, hear, *listeners))


def joined(batches: Sequence[Batch]) -> Batch:
    """Give the records of all batches in one, which stands as the last of them does."""
    return replace(
        batches[-1],
        executions=tuple(record for batch in batches for record in batch.executions),
        amended=tuple(leg for batch in batches for leg in batch.amended),
        metrics=tuple(metric for batch in batches for metric in batch.metrics),
    )
