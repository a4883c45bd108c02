"""A desk that trades one triangle on signals from outside, and signals for it.

Everything is real but the market and the venue: books are shown by hand, orders are kept
instead of sent, and what becomes of them is told by the test.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

import msgspec
import numpy as np

from arb_pipelines.backtest.reference import traded_of
from arb_pipelines.containers.bus import EventBus
from arb_pipelines.containers.desk import Desk, Outgoing
from arb_pipelines.execution.control.board import Board
from arb_pipelines.execution.control.desk import ControlDesk
from arb_pipelines.execution.controls import Controls
from arb_pipelines.execution.orders.own_trades import OwnTrades
from arb_pipelines.execution.session_risk import SessionRisk
from arb_pipelines.execution.signals.checks import SessionTerms
from arb_pipelines.execution.signals.intake import SignalIntake
from arb_pipelines.market.symbols import FeeSide
from arb_pipelines.trading.book_shelf import BookShelf
from arb_pipelines.trading.cycles.orders import CycleOrderManager
from arb_pipelines.trading.cycles.parallel import ParallelCycleOrders
from arb_pipelines.trading.cycles.risk import CycleRisk
from arb_pipelines.trading.cycles.strategy import CycleStrategy
from arb_pipelines.trading.events import Book, Order, OrderFill, Routed
from arb_pipelines.trading.portfolio import Portfolio
from tests.fakes.backtest_worlds import World, market, strategy
from tests.fakes.orders import a_fill

MS = 1_000_000
#: The time it is, ns; a session of these tests has its time stand still.
NOW = 1_767_603_600_000 * MS
DEPTH = 3
PREFIX = "s-"
#: (symbol, side) of USDT > BTC > ETH > USDT, and the tops at which it earns 10 %.
LEGS = (("BTC-USDT", "buy"), ("ETH-BTC", "buy"), ("ETH-USDT", "sell"))
TOPS = {"BTC-USDT": (99.0, 100.0), "ETH-BTC": (0.09, 0.1), "ETH-USDT": (11.0, 11.1)}
_TERMS: dict[str, Any] = {
    "base_increment": Decimal("0.0001"),
    "quote_increment": Decimal("0.000001"),
    "base_min_size": Decimal("0.01"),
    "taker_fee_bps": 10.0,
    "fee_side": FeeSide.QUOTE,
}


class SignalDesk:
    """One session's desk, intake and control; ``sent`` are the orders that left."""

    def __init__(
        self, *, config: Mapping[str, Any] | None = None, parallel: bool = False, **changes: Any
    ) -> None:
        markets = [market(symbol, **_TERMS) for symbol, _ in LEGS]
        parameters = strategy(**({"fee_bps": None, "slots": 2} | changes))
        self.traded = traded_of(World(parameters, markets, None).scenario)  # type: ignore[arg-type]
        self.bus, self.controls = EventBus(), Controls()
        self.shelf = BookShelf(len(LEGS), DEPTH)
        self.portfolio = Portfolio(parameters.balances)
        self.own = OwnTrades(self.shelf, self.traded.number, DEPTH)
        self.risk = SessionRisk(CycleRisk(self.traded, self.shelf, self.portfolio), self.controls)
        self.orders = (
            ParallelCycleOrders(self.traded, self.shelf, self.portfolio.free, id_prefix=PREFIX)
            if parallel
            else CycleOrderManager(self.traded, self.shelf, id_prefix=PREFIX)
        )
        self._desk = Desk(
            CycleStrategy("test", self.traded, self.shelf, scan=False),
            self.risk,
            self.orders,
            self.portfolio,
            publish=self.bus.publish,
        )
        self.now, self.sent = NOW, list[Order]()
        self.events = list[object]()
        self.bus.subscribe(object, self.events.append)
        self.intake = SignalIntake(
            "test",
            SessionTerms(
                self.traded,
                {m.symbol: m for m in markets},
                {m.symbol: Decimal("0.001") for m in markets},
                live=False,
            ),
            self.shelf,
            self.own,
            self.controls,
            lambda signals: self._hand_over(self._desk.on_signals(signals)),
            self.bus,
            signal_age_ms=1_000.0,
            wall_ns=lambda: self.now,
            id_prefix=PREFIX,
        )
        self.board = Board(self.traded, self.shelf, self.bus, id_prefix=PREFIX)
        self.control = ControlDesk(
            self.intake,
            self.board,
            self.controls,
            self.bus,
            cancel=self.orders.cancel,
            config=config or {},
            strategy_slots=parameters.slots,
            wall_ns=lambda: self.now,
        )

    def show(self, ts_event: int, tops: Mapping[str, tuple[float, float]] = TOPS) -> None:
        """Have the session itself see tops, of 100 base each, at a time of the venue's."""
        for symbol, (bid, ask) in tops.items():
            side = np.array([100.0])
            book = Book(symbol, self.now, np.array([bid]), side, np.array([ask]), side, ts_event)
            news = self.own.admit(book)
            assert news is not None
            self._hand_over(self._desk.on_market(news))

    def send(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """Send a line; give what is answered."""
        return self.say(msgspec.json.encode(document))

    def say(self, line: bytes, client: Any = None) -> dict[str, Any]:
        """Send any line; give what is answered."""
        answer: dict[str, Any] = msgspec.json.decode(self.control.answer(line, client))
        return answer

    def fill(self, order: Order, received: float) -> None:
        """Tell that an order was filled whole, without a fee."""
        spent = order.funds if order.funds is not None else order.size
        assert spent is not None
        self.now += MS
        self._tell(Routed(order.client_id, self.now))
        self._tell(a_fill(order, spent, received, final=True, ts=self.now))
        self.own.ended(order.symbol)

    def _tell(self, news: Routed | OrderFill) -> None:
        self._hand_over(self._desk.on_broker(news))

    def _hand_over(self, outgoing: Iterable[Outgoing]) -> None:
        for step in outgoing:
            assert isinstance(step, Order)
            self.own.sent(step.symbol)
            self.sent.append(step)


def a_signal(name: str = "one", *, at_ms: float = NOW / MS, **changes: Any) -> dict[str, Any]:
    """A signal for the triangle as its sender writes it, good at ``at_ms`` unless changed."""
    return {
        "correlation_id": name,
        "triangle_key": [pair for pair, _ in LEGS],
        "legs": [a_leg(pair, side) for pair, side in LEGS],
        "books": [a_book(pair) for pair, _ in LEGS],
        "starting_volume": "100",
        "predicted_bps": "970.5",
        "primary_quote": "USDT",
        "live": False,
        "book_ts_ms": at_ms,
        "t_sock_arrive_ms": at_ms,
        "t_arrive_ms": at_ms,
        "t_eval_ms": at_ms,
        "ts_ms": at_ms,
    } | changes


def a_leg(pair: str, side: str, **changes: Any) -> dict[str, Any]:
    """A leg on the session's own terms, unless changed."""
    return {
        "pair": pair,
        "side": side,
        "order_param": "funds" if side == "buy" else "size",
        "base_min_size": "0.01",
        "base_increment": "0.0001",
        "quote_increment": "0.000001",
        "fee_rate": "0.001",
        "fee_currency": pair.partition("-")[2],
    } | changes


def a_book(pair: str, size: str = "100") -> dict[str, Any]:
    """The top of a pair's book, as ``TOPS`` has it."""
    bid, ask = TOPS[pair]
    return {"bids": [[str(bid), size]], "asks": [[str(ask), size]]}


def changed_leg(k: int, **changes: Any) -> list[dict[str, Any]]:
    """The legs of ``a_signal`` with one of them changed."""
    legs = [a_leg(pair, side) for pair, side in LEGS]
    legs[k] |= changes
    return legs
