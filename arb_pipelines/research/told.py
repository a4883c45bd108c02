"""What one side of a comparison told: its signals, what was decided, and what its orders came to.

A session and a backtest publish the same events, so one listener gathers either. What two
of these have in common is said in ``agreement``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from arb_pipelines.execution.orders.client_ids import cycle_of
from arb_pipelines.trading.events import (
    Approved,
    Book,
    Cancelled,
    CycleSignal,
    Ended,
    Ending,
    Order,
    OrderFill,
    Refused,
    Routed,
    Signal,
)

#: What was decided of a signal that became orders; of any other, the name of the check.
TRADED = "traded"
#: Not decided yet when the telling ended.
OPEN = "open"


@dataclass(frozen=True, slots=True)
class OrderTold:
    """One order and what it came to; amounts in its own currencies, times ns.

    ``number`` counts the side's orders as they were given. ``amount`` is the funds of a buy
    and the size of a sell. ``ts_routed`` and ``ts_ended`` are ``None`` until then, and
    ``ending`` is ``None`` for an order that was filled.
    """

    client_id: str
    number: int
    symbol: str
    side: int
    amount: float
    limit_px: float | None
    ts_decided: int
    ts_routed: int | None = None
    ts_ended: int | None = None
    size: float = 0.0
    funds: float = 0.0
    spent: float = 0.0
    received: float = 0.0
    fee: float = 0.0
    ending: Ending | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class SignalTold:
    """One signal: what was decided (``TRADED``, ``OPEN`` or a refusal), and its orders in turn."""

    ts: int
    cycle: int
    product: float
    decided: str
    orders: tuple[OrderTold, ...] = ()


@dataclass(frozen=True, slots=True)
class BookTold:
    """A book that was decided by; ``ts_taken`` is of the newest event known then.

    That is later than ``ts_recv`` for a book that waited until an order had ended.
    """

    symbol: str
    ts_recv: int
    ts_taken: int

    @property
    def waited(self) -> bool:
        """Whether something that happened later was known before it."""
        return self.ts_taken > self.ts_recv


@dataclass(frozen=True, slots=True)
class Told:
    """All signals of cycles, and the books, in the order in which they came."""

    signals: tuple[SignalTold, ...]
    books: tuple[BookTold, ...]

    def executions(self) -> list[SignalTold]:
        """Give the signals that became orders, in the order in which they began."""
        return [signal for signal in self.signals if signal.orders]

    def orders(self) -> list[OrderTold]:
        """Give all orders, in the order in which they were given."""
        every = (order for signal in self.signals for order in signal.orders)
        return sorted(every, key=lambda order: order.number)


class Listener:
    """Hears everything that is published on one side: ``bus.subscribe(object, listener.hear)``."""

    def __init__(self) -> None:
        self._books: list[BookTold] = []
        self._newest = 0
        self._signals: list[CycleSignal] = []
        self._at: dict[Signal, int] = {}
        self._decided: list[str] = []
        self._orders: dict[str, OrderTold] = {}
        self._of: list[list[str]] = []
        self._executions: dict[str, int] = {}
        self._approved = -1

    def hear(self, event: object) -> None:
        """Take in one event; those that are no part of a comparison are passed by."""
        match event:
            case Book():
                self._newest = max(self._newest, event.ts_recv)
                self._books.append(BookTold(event.symbol, event.ts_recv, self._newest))
            case CycleSignal():
                self._at[event] = len(self._signals)
                self._signals.append(event)
                self._decided.append(OPEN)
                self._of.append([])
            case Refused():
                self._decide(event.signal, event.reason)
            case Approved():
                self._approved = self._at.get(event.signal, -1)
            case Ended(declined=str(reason)):
                self._decide(event.approved.signal, reason)
            case Order():
                self._on_order(event)
            case Routed() | OrderFill() | Cancelled() if event.client_id in self._orders:
                self._newest = max(self._newest, event.ts)
                told = self._orders[event.client_id]
                self._orders[event.client_id] = _went_on(told, event)
            case _:
                pass

    def told(self) -> Told:
        """Give all that was heard so far."""
        return Told(
            tuple(
                SignalTold(
                    signal.ts,
                    signal.cycle,
                    signal.product,
                    decided,
                    tuple(self._orders[client_id] for client_id in orders),
                )
                for signal, decided, orders in zip(
                    self._signals, self._decided, self._of, strict=True
                )
            ),
            tuple(self._books),
        )

    def _decide(self, signal: Signal, decided: str) -> None:
        if (at := self._at.get(signal)) is not None:
            self._decided[at] = decided

    def _on_order(self, order: Order) -> None:
        """Give an order to the signal that its execution began with: the one approved last."""
        at = self._executions.setdefault(cycle_of(order.client_id), self._approved)
        amount = order.funds if order.size is None else order.size
        if at < 0 or amount is None:
            return
        self._decided[at] = TRADED
        self._of[at].append(order.client_id)
        self._orders[order.client_id] = OrderTold(
            order.client_id,
            len(self._orders),
            order.symbol,
            order.side,
            amount,
            order.limit_px,
            order.ts,
        )


def _went_on(told: OrderTold, event: Routed | OrderFill | Cancelled) -> OrderTold:
    match event:
        case Routed():
            return replace(told, ts_routed=event.ts)
        case OrderFill():
            return replace(
                told,
                ts_ended=event.ts,
                size=told.size + event.size,
                funds=told.funds + event.funds,
                spent=told.spent + event.spent,
                received=told.received + event.received,
                fee=told.fee + event.fee,
            )
        case Cancelled():
            return replace(told, ts_ended=event.ts, ending=event.ending, reason=event.reason)
