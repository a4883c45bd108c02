"""Several strategies' resting buys on one capital: the allocator between desk and broker.

``AllocatedBroker`` stands in front of a simulated broker. A resting limit buy reaches
that only while it holds capacity; one that is stolen from is taken back and waits
again with what is left of it, and its desk does not notice: to it the order rests all
the while. Sales need no capital and pass through; what they bring is capacity again.

Decisions are taken once for each time of the data, when all bars of that time are
known, with their closes as prices; an order that is entered takes part in bars that
open then or later. So the order of the symbols in the data decides nothing, and
nothing is known early.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace

from arb_pipelines.allocation.allocator import Allocator
from arb_pipelines.allocation.audit import Audit
from arb_pipelines.allocation.decisions import Cancel, Decision, Enter, Steal
from arb_pipelines.allocation.orders import MarketKind, RestingOrder, State
from arb_pipelines.containers.protocols import Broker
from arb_pipelines.errors import DataError
from arb_pipelines.market.graph import BUY
from arb_pipelines.trading.events import (
    Bar,
    BrokerEvent,
    Cancelled,
    Ending,
    MarketEvent,
    Order,
    OrderFill,
    OrderKind,
    Routed,
    TimeInForce,
)

_CENTS = 100.0


@dataclass(slots=True)
class _Buy:
    """A resting buy: what is left of it, base and quote, and how often it has entered."""

    order: Order
    size: float
    reserve: float
    entries: int = 0


@dataclass(slots=True)
class _Holding:
    """What is in hand of a symbol, base, and the cents that it cost."""

    size: float = 0.0
    cost_cents: int = 0


class AllocatedBroker:
    """A broker whose buys compete for the allocator's cash, in hundredths of ``quote``.

    A fill's cents are rounded against us, up when spent and down when received, so
    the allocator never believes in more cash than there is, and falls behind the
    portfolio by less than a cent a fill. ``stocks`` are the symbols that keep
    market hours; all others are crypto.
    """

    def __init__(
        self,
        inner: Broker,
        allocator: Allocator,
        audit: Audit,
        *,
        quote: str,
        stocks: Collection[str] = (),
    ) -> None:
        self._inner, self._allocator, self._audit = inner, allocator, audit
        self._quote, self._stocks = quote, frozenset(stocks)
        self._buys: dict[str, _Buy] = {}
        self._entered: dict[str, str] = {}  # id at the inner broker: id here
        self._holdings: dict[str, _Holding] = {}
        self._prices: dict[str, float] = {}
        self._now: int | None = None
        self._unwanted: list[str] = []

    def submit(self, order: Order) -> None:
        """Let a buy wait for capacity; pass a sale on.

        Raises:
            DataError: a buy does not rest, by size and at a limit, or pays in another
                currency than the capital's.
        """
        if order.side != BUY:
            self._inner.submit(order)
            return
        rests = order.kind is OrderKind.LIMIT and order.time_in_force is TimeInForce.GTC
        if not rests or order.oco is not None or order.size is None or order.limit_px is None:
            raise DataError(
                "is no resting limit buy by size; others cannot wait for capacity",
                source=f"order {order.client_id}",
            )
        if not order.symbol.endswith(f"-{self._quote}"):
            raise DataError(
                f"pays for {order.symbol} in another currency than the shared {self._quote}",
                source=f"order {order.client_id}",
            )
        kind = MarketKind.STOCK if order.symbol in self._stocks else MarketKind.CRYPTO
        self._buys[order.client_id] = _Buy(order, order.size, order.reserve)
        self._allocator.submit(
            RestingOrder(
                order.client_id,
                order.strategy,
                order.symbol,
                kind,
                order.side,
                order.limit_px,
                math.ceil(order.reserve * _CENTS),
            )
        )

    def cancel(self, client_id: str, ts: int) -> None:
        """Take an order back; a buy that waits for capacity ends before the next bar."""
        if client_id in self._buys:
            self._unwanted.append(client_id)
        else:
            self._inner.cancel(client_id, ts)

    def on_market(self, event: MarketEvent) -> Iterator[BrokerEvent]:
        """Decide on what was known before this bar, then tell what it did to entered orders.

        Raises:
            DataError: the event is a book.
        """
        if not isinstance(event, Bar):
            raise DataError(f"capacity is shared on bars, and this is a book of {event.symbol}")
        yield from self._give_up()
        if self._now is not None and event.ts_close > self._now:
            self._act(self._allocator.tick(self._now, self._prices))
            yield from self._expire(event.ts_close)
        yield from self._pass_on(self._inner.on_market(event))
        self._prices[event.symbol] = event.close
        self._now = event.ts_close

    def close(self) -> Iterator[BrokerEvent]:
        """End every buy, wherever it waits or rests, and close the inner broker."""
        yield from self._give_up()
        for client_id in tuple(self._buys):
            yield from self._withdraw(client_id, "the data is over", Ending.CANCELLED)
        yield from self._pass_on(self._inner.close())

    # --- towards the inner broker

    def _act(self, decisions: Iterable[Decision]) -> None:
        """Do what the allocator decided, and write it down."""
        decisions = tuple(decisions)
        self._audit.record(decisions)
        for decision in decisions:
            match decision:
                case Enter():
                    self._enter(decision)
                case Steal():
                    for loss in decision.victims:
                        self._take_back(loss.order.order_id, decision.ts_ns)
                case Cancel():
                    self._take_back(decision.order.order_id, decision.ts_ns)
                case _:
                    pass  # only to be known

    def _enter(self, enter: Enter) -> None:
        buy = self._buys[enter.order.order_id]
        buy.entries += 1
        order = replace(
            buy.order,
            client_id=_inner_id(buy),
            ts=max(enter.ts_ns, buy.order.ts),
            size=buy.size,
            reserve=buy.reserve,
        )
        self._entered[order.client_id] = buy.order.client_id
        self._inner.submit(order)

    def _take_back(self, client_id: str, ts: int) -> None:
        self._inner.cancel(_inner_id(self._buys[client_id]), ts)

    def _expire(self, ts_close: int) -> Iterator[BrokerEvent]:
        """End what waits beyond its time, as the inner broker does with what rests there."""
        for client_id, buy in tuple(self._buys.items()):
            expires = buy.order.expires
            if expires is None or expires >= ts_close:
                continue
            if self._allocator.state(client_id) in (State.WAITING, State.FUNDING):
                yield from self._withdraw(client_id, "its time is over", Ending.EXPIRED)

    def _give_up(self) -> Iterator[BrokerEvent]:
        while self._unwanted:
            client_id = self._unwanted.pop(0)
            if client_id in self._buys:
                yield from self._withdraw(client_id, "taken back", Ending.CANCELLED)

    def _withdraw(self, client_id: str, reason: str, ending: Ending) -> Iterator[BrokerEvent]:
        """End a buy: at once if it waits here, else when the inner broker says so."""
        buy = self._buys[client_id]
        now = buy.order.ts if self._now is None else max(self._now, buy.order.ts)
        self._act(self._allocator.cancel(now, client_id))
        if self._allocator.state(client_id) is None:
            del self._buys[client_id]
            yield Cancelled(client_id, now, reason, ending)

    # --- from the inner broker

    def _pass_on(self, events: Iterable[BrokerEvent]) -> Iterator[BrokerEvent]:
        """Tell what happened under the ids the desk knows, and nothing of thefts."""
        for event in events:
            client_id = self._entered.get(event.client_id)
            match event:
                case OrderFill():
                    yield from self._filled(event, client_id)
                case _ if client_id is None:
                    yield event
                case Routed():
                    if self._buys[client_id].entries == 1:
                        yield replace(event, client_id=client_id)
                case Cancelled():
                    yield from self._ended(event, client_id)

    def _filled(self, fill: OrderFill, client_id: str | None) -> Iterator[BrokerEvent]:
        holding = self._holdings.setdefault(fill.symbol, _Holding())
        if client_id is None:
            self._settle(holding, fill)
            yield fill
            return
        buy = self._buys[client_id]
        cents = min(math.ceil(fill.spent * _CENTS), self._allocator.held_cents(client_id))
        buy.size, buy.reserve = buy.size - fill.size, buy.reserve - fill.spent
        holding.size, holding.cost_cents = holding.size + fill.received, holding.cost_cents + cents
        if fill.final:
            del self._buys[client_id], self._entered[fill.client_id]
        self._act(self._allocator.on_fill(fill.ts, client_id, cents, final=fill.final))
        yield replace(fill, client_id=client_id)

    def _settle(self, holding: _Holding, fill: OrderFill) -> None:
        """Turn what a sale brought into capacity."""
        left = holding.size - fill.spent
        kept = 0 if left <= 1e-9 * holding.size else round(holding.cost_cents * left / holding.size)
        sold = holding.cost_cents - kept
        holding.size, holding.cost_cents = (left, kept) if kept else (0.0, 0)
        self._allocator.cash.settle(sold, math.floor(fill.received * _CENTS))

    def _ended(self, cancelled: Cancelled, client_id: str) -> Iterator[BrokerEvent]:
        del self._entered[cancelled.client_id]
        self._act(self._allocator.on_cancelled(cancelled.ts, client_id))
        if self._allocator.state(client_id) is None:
            del self._buys[client_id]
            yield replace(cancelled, client_id=client_id)


def _inner_id(buy: _Buy) -> str:
    """Id of the newest entry: a venue takes none twice."""
    suffix = f"~{buy.entries}" if buy.entries > 1 else ""
    return buy.order.client_id + suffix
