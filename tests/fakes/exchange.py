"""Symbols, orders and feeds in which the local exchange's engine is tried."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from arb_pipelines.exchange.engine.events import Change, Event, OrderChanged
from arb_pipelines.exchange.engine.exchange import Exchange
from arb_pipelines.exchange.engine.orders import NewOrder, Order, OrderType, Side
from arb_pipelines.exchange.engine.symbols import FeeSchedule, ListedSymbol

D = Decimal
BTC = "BTC-USDT"
ETH = "ETH-USDT"


def listed(symbol: str = BTC, **changes: object) -> ListedSymbol:
    """A symbol with whole-number-friendly increments; ``changes`` replace fields."""
    base, _, quote = symbol.partition("-")
    values: dict[str, object] = {
        "symbol": symbol,
        "base": base,
        "quote": quote,
        "base_increment": D("0.1"),
        "quote_increment": D("0.01"),
        "price_increment": D("0.5"),
        "base_min_size": D("0.1"),
        "quote_min_size": D("0.1"),
        "base_max_size": D("1000"),
        "quote_max_size": D("100000"),
        "min_funds": D("1"),
    } | changes
    return ListedSymbol(**values)  # type: ignore[arg-type]


def exchange(*symbols: ListedSymbol, fee: str = "0.001") -> Exchange:
    """An exchange with accounts ``ann`` and ``bob`` of 100,000 USDT and 1,000 of each base."""
    symbols = symbols or (listed(),)
    venue = Exchange(symbols, FeeSchedule(taker=D(fee), maker=D(fee)))
    money = {each.base: D(1000) for each in symbols} | {"USDT": D(100_000)}
    for user in ("ann", "bob"):
        venue.open_account(user, money)
    return venue


def limit(side: Side, price: str, size: str, **changes: object) -> NewOrder:
    """A limit order on BTC-USDT."""
    values: dict[str, object] = {"symbol": BTC, "price": D(price), "size": D(size)} | changes
    return NewOrder(side=side, type=OrderType.LIMIT, **values)  # type: ignore[arg-type]


def market(side: Side, *, size: str | None = None, funds: str | None = None) -> NewOrder:
    """A market order on BTC-USDT, by size or by funds."""
    return NewOrder(
        BTC,
        side,
        OrderType.MARKET,
        size=None if size is None else D(size),
        funds=None if funds is None else D(funds),
    )


def levels(*pairs: tuple[str, str]) -> list[tuple[Decimal, Decimal]]:
    """Levels from texts."""
    return [(D(price), D(size)) for price, size in pairs]


def life(events: Iterable[Event], order_id: str) -> list[str]:
    """The changes of one order, as ``type/status``."""
    return [
        f"{event.change}/{event.status}"
        for event in events
        if isinstance(event, OrderChanged) and event.order.id == order_id
    ]


def received(events: Iterable[Event]) -> Order:
    """The order that a call accepted."""
    return next(
        event.order
        for event in events
        if isinstance(event, OrderChanged) and event.change is Change.RECEIVED
    )
