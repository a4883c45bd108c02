"""Orders to a venue through ccxt, against the local exchange: fills, refusals, lost answers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from decimal import Decimal
from itertools import count
from typing import Any

import pytest

from arb_pipelines.errors import OutcomeUnknown, Rejected, Transient
from arb_pipelines.market.graph import BUY, SELL
from arb_pipelines.market.symbols import Market
from arb_pipelines.trading.events import OrderKind, TimeInForce
from arb_pipelines.venues.base import Done, NewOrder, OrderReport, Resting
from arb_pipelines.venues.ccxt_any.connection import CcxtConnection
from tests.e2e.ccxt_at_exchange import SYMBOL, connected, run, subscribed
from tests.e2e.exchange_process import ExchangeProcess, running_exchange

SETTLED_S = 5.0
_numbers = count(1)


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeProcess]:
    """An exchange of ten symbols whose market stands still until it is told to move."""
    home = tmp_path_factory.mktemp("exchange")
    arguments = ("--symbols", "10", "--speed", "0", "--balance", "USDT=100000,BTC=2")
    with running_exchange(home, *arguments) as process:
        yield process


def market_of(connection: CcxtConnection, symbol: str = SYMBOL) -> Market:
    """What the exchange lists of a symbol."""
    return next(market for market in connection.markets if market.symbol == symbol)


def order(side: int = BUY, **fields: Any) -> NewOrder:
    """An order with an id of its own; at market unless a price is given."""
    kind = OrderKind.LIMIT if "price" in fields else OrderKind.MARKET
    return NewOrder(f"ccxt-{next(_numbers)}", SYMBOL, side, kind, **fields)


async def done(connection: CcxtConnection, placed: NewOrder) -> OrderReport:
    """What became of an order that was placed."""
    report = await connection.account.settled(placed.client_id, SETTLED_S)
    assert report is not None
    connection.account.forget(placed.client_id)
    return report


async def best(connection: CcxtConnection) -> tuple[Decimal, Decimal]:
    """Best bid and ask."""
    feed = connection.feed([SYMBOL], channel="level2", depth=5)
    running = asyncio.create_task(feed.run())
    (book,) = await feed.changed()
    running.cancel()
    return Decimal(repr(float(book.bid_px[0]))), Decimal(repr(float(book.ask_px[0])))


def test_orders_at_market_by_funds_and_by_size(exchange: ExchangeProcess) -> None:
    """Fills, fees and balances agree to the last unit."""

    async def body() -> None:
        async with connected(exchange) as connection:
            account, entry = connection.account, connection.entry("rest")
            before = await account.balances()
            bought = order(funds=Decimal("123.456789"))
            accepted = await entry.place(bought)
            buy = await done(connection, bought)
            sold = order(SELL, size=Decimal("0.00123"))
            await entry.place(sold)
            sell = await done(connection, sold)
            after = await account.balances()
            assert (buy.client_id, buy.order_id) == (bought.client_id, accepted.order_id)
            assert 0 < buy.funds <= Decimal("123.456789")
            assert buy.fee == buy.funds / 1000
            assert (buy.fee_currency, buy.active) == ("USDT", False)
            assert sell.size == Decimal("0.00123")
            assert sell.fee is not None
            assert after["BTC"] - before["BTC"] == buy.size - sell.size
            spent = buy.funds + buy.fee - (sell.funds - sell.fee)
            assert before["USDT"] - after["USDT"] == spent

    run(body)


def test_a_limit_order_rests_until_it_is_cancelled(exchange: ExchangeProcess) -> None:
    """The account hears of both; a second cancel is refused."""

    async def body() -> None:
        async with connected(exchange) as connection:
            account, entry = connection.account, connection.entry("rest")
            bid, _ = await best(connection)
            tick = market_of(connection).price_increment
            assert tick is not None
            price = (bid * Decimal("0.8") // tick) * tick
            await subscribed(exchange, "/spotMarket/tradeOrders")
            resting = order(size=Decimal("0.01"), price=price)
            await entry.place(resting)
            open_ = await account.look_up(resting.client_id, SYMBOL)
            assert open_ is not None
            assert open_.active
            await entry.cancel(resting.client_id, SYMBOL)
            ended = await done(connection, resting)
            assert (ended.active, ended.cancelled, ended.size) == (False, True, Decimal(0))
            told: list[Any] = []
            while not any(isinstance(event, Done) for event in told):
                told.append(await account.next_event())
            assert any(isinstance(event, Resting) for event in told)
            with pytest.raises(Rejected):
                await entry.cancel(resting.client_id, SYMBOL)

    run(body)


def test_immediate_or_cancel_takes_what_is_there(exchange: ExchangeProcess) -> None:
    """Above the best ask it fills, below it ends without a fill."""

    async def body() -> None:
        async with connected(exchange) as connection:
            entry = connection.entry("rest")
            _, ask = await best(connection)
            tick = market_of(connection).price_increment
            assert tick is not None
            for factor, fills in ((Decimal("1.01"), True), (Decimal("0.9"), False)):
                price = (ask * factor // tick) * tick
                sent = order(size=Decimal("0.001"), price=price, time_in_force=TimeInForce.IOC)
                await entry.place(sent)
                report = await done(connection, sent)
                assert not report.active
                assert (report.size > 0) is fills

    run(body)


@pytest.mark.parametrize("kind", ["lost_acknowledgement", "drop_after", "server_error"])
def test_a_lost_answer_is_unknown_until_it_is_looked_up(
    exchange: ExchangeProcess, kind: str
) -> None:
    """The order went out once and filled; nothing is sent again."""

    async def body() -> None:
        async with connected(exchange) as connection:
            account, entry = connection.account, connection.entry("rest")
            before = await account.balances()
            fault = {"kind": kind, "match": "POST /api/v1/hf/orders"}
            await asyncio.to_thread(exchange.operate, "POST", "/faults", fault)
            sent = order(SELL, size=Decimal("0.002"))
            with pytest.raises(OutcomeUnknown):
                await entry.place(sent)
            report = await done(connection, sent)
            assert report.size == Decimal("0.002")
            after = await account.balances()
            assert before["BTC"] - after["BTC"] == Decimal("0.002")

    run(body)


def test_what_did_not_arrive_is_not_known_to_the_exchange(exchange: ExchangeProcess) -> None:
    """A connection dropped before the order: unknown too, and the look-up finds nothing."""

    async def body() -> None:
        async with connected(exchange) as connection:
            fault = {"kind": "drop_before", "match": "POST /api/v1/hf/orders"}
            await asyncio.to_thread(exchange.operate, "POST", "/faults", fault)
            sent = order(SELL, size=Decimal("0.002"))
            with pytest.raises(OutcomeUnknown):
                await connection.entry("rest").place(sent)
            assert await connection.account.look_up(sent.client_id, SYMBOL) is None

    run(body)


def test_refusals_say_that_nothing_happened(exchange: ExchangeProcess) -> None:
    """Too little money, too small an amount, too many requests, an amount ccxt would change."""

    async def body() -> None:
        async with connected(exchange) as connection:
            account, entry = connection.account, connection.entry("rest")
            before = await account.balances()
            with pytest.raises(Rejected, match="InsufficientFunds"):
                await entry.place(order(funds=Decimal("9000000")))
            with pytest.raises(Rejected):
                await entry.place(order(funds=Decimal("0.01")))
            with pytest.raises(Rejected, match=r"make size 0\.001000000001 into 0\.001; not sent"):
                await entry.place(order(SELL, size=Decimal("0.001000000001")))
            with pytest.raises(Rejected, match="not sent"):
                await entry.place(order(funds=Decimal("10.12345678901")))
            fault = {"kind": "too_many_requests", "match": "POST /api/v1/hf/orders"}
            await asyncio.to_thread(exchange.operate, "POST", "/faults", fault)
            with pytest.raises(Transient):
                await entry.place(order(SELL, size=Decimal("0.001")))
            assert await account.balances() == before

    run(body)


def test_a_checked_order_leaves_no_trace(exchange: ExchangeProcess) -> None:
    """Nor does one that would be refused."""

    async def body() -> None:
        async with connected(exchange) as connection:
            account, entry = connection.account, connection.entry("rest")
            before = await account.balances()
            tried = order(funds=Decimal("50"))
            await entry.test(tried)
            with pytest.raises(Rejected):
                await entry.test(order(funds=Decimal("0.01")))
            assert await account.look_up(tried.client_id, SYMBOL) is None
            assert await account.balances() == before

    run(body)
