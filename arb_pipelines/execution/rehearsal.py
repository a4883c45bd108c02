"""Keeping the way from a signal to its order warm while nothing happens.

What has not run for some milliseconds takes two to three times as long: code and data have left
the processor's caches, to whatever ran since. Opportunities are rare, so each would find
everything cold. So a signal is rehearsed again and again while nothing is in flight: it goes by
the sessions' own code through intake, gate, risk, plan, records and log to an order that is
made ready for the venue, and is refused there. It goes step by step, so that a true signal
waits for one short step at most.

All of it happens in a session of its own, at a venue that is nowhere, on a state that keeps
nothing; the sessions that trade share no object with it.
"""

from __future__ import annotations

import asyncio
import math
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, closing, suppress
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import structlog

from arb_pipelines.awake import Awake
from arb_pipelines.clock import NS_PER_MS, now_ns, steady_ns
from arb_pipelines.containers.container import Container
from arb_pipelines.containers.desk import open_desk
from arb_pipelines.containers.spec import CONNECTION, CONTROLS
from arb_pipelines.errors import InvariantBroken, Rejected
from arb_pipelines.execution.components import run_of, strategy_spec, universe_of
from arb_pipelines.execution.control.board import Board
from arb_pipelines.execution.records.journal_lines import event_line
from arb_pipelines.execution.records.recorder import SessionRecorder
from arb_pipelines.execution.records.values import SessionHead
from arb_pipelines.execution.signals.checks import SessionTerms
from arb_pipelines.execution.signals.intake import SignalIntake
from arb_pipelines.execution.state.follower import StateFollower
from arb_pipelines.execution.state.intents import intent_log
from arb_pipelines.execution.state.migrate import migrate
from arb_pipelines.execution.state.store import StateStore
from arb_pipelines.execution.universe import SessionUniverse
from arb_pipelines.execution.venue_line import VenueLine, parent_spec
from arb_pipelines.execution.warm_up import FEES, MARKETS, paying_book
from arb_pipelines.market.graph import BUY
from arb_pipelines.precedence import going_first
from arb_pipelines.trading.events import Book, Order, Refused, Signal
from arb_pipelines.trading.parameters import FixedAmount, Strategy, Universe
from arb_pipelines.trading.session_rules import SessionRules, TradingMode
from arb_pipelines.venues.base import Accepted, NewOrder, OrderReport
from arb_pipelines.venues.status import VenueStatus
from arb_pipelines.venues.tasks import worst_error

#: A rehearsal is so many steps: intake, desk, order, and its end.
STEPS = 4
_NAME = "rehearsal"
_PREFIX = f"{_NAME}-"
#: Records are given away once in so many rehearsals, so that they do not grow.
_KEPT = 128

_log = structlog.get_logger()
#: Does all that sending an order to the true venue takes, but for the sending.
MakeReady = Callable[[NewOrder], object]


class Rehearsal:
    """One signal, again and again, through a session that is nobody's; made by ``rehearsing``."""

    def __init__(self, container: Container, store: StateStore, head: SessionHead) -> None:
        universe, run, bus = universe_of(container), run_of(container), container.bus
        strategy = universe.strategy
        self._desk, self._broker = open_desk(container), run.broker
        self._bus = bus
        self._handed: list[Signal] = []
        self._intake = SignalIntake(
            strategy.name,
            SessionTerms(universe.traded, universe.markets, universe.fees, live=False),
            universe.seen,
            run.own,
            container.get(CONTROLS),
            self._hand_over,
            bus,
            signal_age_ms=strategy.session.signal_age_ms,
            wall_ns=steady_ns,
            id_prefix=_PREFIX,
        )
        Board(universe.traded, universe.seen, bus, id_prefix=_PREFIX)
        self._recorder = SessionRecorder(head, wall_ns=steady_ns)
        self._universe, self._store = universe, store
        self._follower: StateFollower | None = None
        bus.subscribe(NewOrder, lambda new: event_line(steady_ns(), new))
        bus.subscribe(object, self._follow)
        bus.subscribe(object, self._recorder.hear)
        for symbol, side in universe.traded.legs[0]:
            name = universe.symbols[symbol]
            self._desk.on_market(paying_book(name, side, strategy.session.depth, now_ns()))
        self._signal, self._numbers = _signal_of(universe), count()

    async def run(self, every_s: float, is_idle: Callable[[], bool]) -> None:
        """Rehearse each ``every_s`` while all are idle, until cancelled."""
        with worst_error():
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._broker.run())
                # a processor that rests gives its caches to others at once
                with going_first() as first, Awake(math.inf):
                    _log.info("session.rehearses", every_ms=every_s * 1e3, goes_first=first)
                    while True:
                        await asyncio.sleep(every_s / STEPS)
                        if is_idle():
                            await self._once(every_s / STEPS)

    async def _once(self, pause_s: float) -> None:
        """Take one signal to its end."""
        self._follower = self._new_follower()
        self._take()
        await asyncio.sleep(pause_s)
        orders = self._desk.on_signals(self._handed)
        await asyncio.sleep(pause_s)
        for order in orders:
            assert isinstance(order, Order)
            self._broker.submit(order)
            self._store.settle(order.client_id)
        self._follower = None  # what it was to write nobody wants
        await asyncio.sleep(pause_s)
        while self._desk.open_orders:
            self._desk.on_broker(await self._broker.next_event())

    def _follow(self, event: object) -> None:
        if self._follower is not None:
            self._follower.hear(event)

    def _new_follower(self) -> StateFollower:
        return StateFollower(
            self._store,
            self._universe,
            _NAME,
            id_prefix=_PREFIX,
            trouble=_unheard,
            later=_unheard,
        )

    def _take(self) -> None:
        number, now_ms = next(self._numbers), steady_ns() / NS_PER_MS
        if number % _KEPT == 0:
            self._recorder.take()
        times = dict.fromkeys(("t_sock_arrive_ms", "t_arrive_ms", "t_eval_ms", "ts_ms"), now_ms)
        self._handed.clear()
        line = self._signal | times | {"correlation_id": f"{_PREFIX}{number}"}
        answer = self._intake.take_line(msgspec.json.encode(line))
        if not self._handed:
            raise InvariantBroken(f"the rehearsal was refused: {answer.reason}, {answer.detail}")

    def _hand_over(self, signals: Iterable[Signal]) -> None:
        """Keep a signal for the next step; whoever asks has to hear something of it."""
        self._handed += signals
        for signal in self._handed:
            self._bus.publish(Refused(signal, "slots"))


def _unheard(what: object) -> None:
    """Do nothing about it."""


@asynccontextmanager
async def rehearsing(
    every_s: float, make_ready: MakeReady, is_idle: Callable[[], bool]
) -> AsyncIterator[None]:
    """Rehearse within the block, if ``every_s`` is not 0; what goes wrong ends rehearsing alone."""
    if not every_s:
        yield
        return
    task = asyncio.create_task(_rehearse(every_s, make_ready, is_idle), name=_NAME)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _rehearse(every_s: float, make_ready: MakeReady, is_idle: Callable[[], bool]) -> None:
    try:
        with ExitStack() as opened:
            rehearsal = _rehearsal(make_ready, opened)
            await rehearsal.run(every_s, is_idle)
    except Exception as error:  # noqa: BLE001 - nobody's trade may end by it
        _log.warning("session.rehearsal_failed", error=str(error))


def _rehearsal(make_ready: MakeReady, opened: ExitStack) -> Rehearsal:
    """Set the stage; what is opened for it is closed by ``opened``."""
    parent = Container(parent_spec(_NAME))
    opened.callback(parent.teardown)
    parent.initialise()
    line: VenueLine = parent.get(CONNECTION)
    line.open(_Nowhere(make_ready))  # type: ignore[arg-type]  # as much of one as is asked for
    strategy = Strategy(
        name=_NAME,
        exchange="nowhere",
        universe=Universe(start=("A",)),
        min_profit_bps=1.0,
        capital_allocation=FixedAmount(mode="fixed_amount", amount=1.0),
        balances={"A": 1e6},
        max_age_ms=1e12,
        session=SessionRules(scan=False),
    )
    spec = strategy_spec(strategy, places_orders=True, id_prefix=_PREFIX, max_cycles=10)
    container = parent.add_child(spec)
    db = opened.enter_context(closing(sqlite3.connect(":memory:", isolation_level=None)))
    db.row_factory = sqlite3.Row
    migrate(db, Path(_NAME))
    store = StateStore(db, now_ns)
    folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix=f"arb-{_NAME}-")))
    store.intents = opened.enter_context(intent_log(folder / "state.intents"))
    cycles = universe_of(container).traded.cycles
    head = SessionHead(_NAME, _NAME, "nowhere", TradingMode.PAPER, "", "", now_ns(), cycles)
    return Rehearsal(container, store, head)


def _signal_of(universe: SessionUniverse) -> dict[str, Any]:
    """Give a signal for the first cycle, but for what tells it from others."""
    legs, books, traded = [], [], universe.traded
    for symbol, side in traded.legs[0]:
        market = universe.markets[universe.symbols[symbol]]
        legs.append(
            {
                "pair": market.symbol,
                "side": "buy" if side == BUY else "sell",
                "order_param": "funds" if side == BUY else "size",
                "base_min_size": market.base_min_size or 0,
                "base_increment": market.base_increment,
                "quote_increment": market.quote_increment,
                "fee_rate": universe.fees[market.symbol],
                "fee_currency": market.quote,
            }
        )
        books.append({"bids": [["1", "1"]], "asks": [["2", "1"]]})
    return {
        "triangle_key": [leg["pair"] for leg in legs],
        "legs": legs,
        "books": books,
        "starting_volume": "1",
        "predicted_bps": "1",
        "primary_quote": traded.cycles.currencies[traded.start(0)],
        "live": False,
        "book_ts_ms": 1,  # the shelf has newer ones
    }


# -- a venue that is nowhere ---------------------------------------------------------------


class _Nowhere:
    """A connection on which every order is made ready, and refused."""

    venue, local, account_id, can_withdraw = "nowhere", True, "nowhere", False
    markets, fees = MARKETS, FEES

    def __init__(self, make_ready: MakeReady) -> None:
        self.account, self.status = _NoAccount(), VenueStatus("nowhere")
        self._entry = _Refusing(make_ready)

    def entry(self, way: str) -> _Refusing:
        return self._entry

    def feed(self, symbols: Sequence[str], *, channel: str, depth: int) -> _NoBooks:
        return _NoBooks()

    def room(self) -> bool:
        return False


class _Refusing:
    """Order entry."""

    def __init__(self, make_ready: MakeReady) -> None:
        self._make_ready = make_ready

    async def place(self, order: NewOrder) -> Accepted:
        self._make_ready(order)
        raise Rejected("this was a rehearsal")


class _NoAccount:
    """Nothing happens to it."""

    def forget(self, client_id: str) -> None:
        return

    async def settled(self, client_id: str, timeout_s: float) -> OrderReport | None:
        await asyncio.Event().wait()
        return None


class _NoBooks:
    """Market data of which nothing comes."""

    dropped: Mapping[str, int] = {}

    async def run(self) -> None:
        await asyncio.Event().wait()

    async def changed(self) -> list[Book]:
        await asyncio.Event().wait()
        return []
