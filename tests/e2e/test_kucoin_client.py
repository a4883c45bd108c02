"""Our KuCoin client against the local exchange: orders, events, balances, books, and faults."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from pydantic import SecretStr

from arb_pipelines.errors import OutcomeUnknown, Rejected, Transient
from arb_pipelines.market.graph import BUY, SELL
from arb_pipelines.trading.events import OrderKind, TimeInForce
from arb_pipelines.venues.base import BalanceChanged, Match, NewOrder
from arb_pipelines.venues.kucoin import rest
from arb_pipelines.venues.kucoin.account import KucoinAccount
from arb_pipelines.venues.kucoin.books import BookFeed, Channel
from arb_pipelines.venues.kucoin.codec import FullBook, Reader
from arb_pipelines.venues.kucoin.order_entry import RestOrderEntry, SocketOrderEntry
from arb_pipelines.venues.kucoin.rest import Rest
from arb_pipelines.venues.kucoin.signing import Credentials, Signer
from arb_pipelines.venues.retry import Patience
from tests.e2e.exchange_process import ExchangeProcess, running_exchange

SYMBOL = "BTC-USDT"
SOON = Patience(first_wait_s=0.005, longest_wait_s=0.05)
TIMEOUT_S = 30.0
FULL = Reader(FullBook, "a full book")


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeProcess]:
    """An exchange of four symbols whose market moves when it is told to."""
    home = tmp_path_factory.mktemp("exchange")
    arguments = ("--symbols", "4", "--speed", "0", "--balance", "USDT=100000,BTC=10")
    with running_exchange(home, *arguments) as process:
        yield process
        process.operate("DELETE", "/faults")


@dataclass(frozen=True)
class Session:
    """A client with its account followed and both ways to send orders."""

    client: Rest
    account: KucoinAccount
    by_rest: RestOrderEntry
    by_socket: SocketOrderEntry


@asynccontextmanager
async def session(exchange: ExchangeProcess) -> AsyncIterator[Session]:
    """Connect everything, and end it."""
    keys = Credentials(*map(SecretStr, (exchange.key, exchange.secret, exchange.passphrase)))
    async with Rest(exchange.rest, Signer(keys)) as client:
        account = KucoinAccount(client, patience=SOON)
        entry = SocketOrderEntry(client, account, f"{exchange.ws}/v1/private", patience=SOON)
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(work.run()) for work in (account, entry)]
            await account.in_service.wait()
            await entry.in_service.wait()
            yield Session(client, account, RestOrderEntry(client, account), entry)
            for task in running:
                task.cancel()


def run(body: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run one test's coroutine, which shall not take long."""
    asyncio.run(asyncio.wait_for(body(), TIMEOUT_S))


async def operate(exchange: ExchangeProcess, path: str, document: object) -> Any:
    """Call the operator's endpoint beside the loop."""
    return await asyncio.to_thread(exchange.operate, "POST", path, document)


def market_buy(funds: str = "100") -> NewOrder:
    return NewOrder(uuid4().hex, SYMBOL, BUY, OrderKind.MARKET, funds=Decimal(funds))


@pytest.mark.parametrize("way", ["by_rest", "by_socket"])
def test_a_market_order_is_filled_told_and_paid(exchange: ExchangeProcess, way: str) -> None:
    """Its executions come on the private stream, and the balances move by them and the fee."""

    async def body() -> None:
        async with session(exchange) as s:
            before = await s.account.balances()
            order = market_buy()
            accepted = await getattr(s, way).place(order)
            told = await s.account.settled(order.client_id, 5)
            looked_up = await s.account.look_up(order.client_id, SYMBOL)
            after = await s.account.balances()
            assert told is not None
            assert looked_up is not None
            assert told.order_id == looked_up.order_id == accepted.order_id
            assert (told.size, told.funds) == (looked_up.size, looked_up.funds)
            assert not told.active
            assert 99 < told.funds <= 100
            assert looked_up.fee_currency == "USDT"
            assert after["BTC"] - before["BTC"] == told.size
            assert after["USDT"] - before["USDT"] == -(told.funds + looked_up.fee)
            fills = await s.account.executions(accepted.order_id, SYMBOL)
            trades: set[str] = set()
            matched, paid = Decimal(0), Decimal(0)
            while matched < told.size or paid != after["USDT"]:
                event = await s.account.next_event()
                if isinstance(event, Match) and event.client_id == order.client_id:
                    matched += event.size
                    trades.add(event.trade_id)
                elif isinstance(event, BalanceChanged) and event.currency == "USDT":
                    paid = event.available
            assert matched == told.size
            assert trades == {str(fill.trade_id) for fill in fills}
            assert looked_up.fee == sum(fill.fee for fill in fills)

    run(body)


@pytest.mark.parametrize("way", ["by_rest", "by_socket"])
def test_limit_orders_rest_are_cancelled_and_refused(exchange: ExchangeProcess, way: str) -> None:
    """A limit rests until it is taken back; IOC never rests; nonsense and no money are refused."""

    async def body() -> None:
        async with session(exchange) as s:
            entry = getattr(s, way)
            far = {"kind": OrderKind.LIMIT, "size": Decimal("0.01"), "price": Decimal("1000")}
            resting = NewOrder(uuid4().hex, SYMBOL, BUY, **far)
            await entry.place(resting)
            known = await s.account.look_up(resting.client_id, SYMBOL)
            assert known is not None
            assert known.active
            await entry.cancel(resting.client_id, SYMBOL)
            ended = await s.account.settled(resting.client_id, 5)
            assert ended is not None
            assert (ended.active, ended.cancelled, ended.size) == (False, True, 0)
            at_once = NewOrder(uuid4().hex, SYMBOL, BUY, **far, time_in_force=TimeInForce.IOC)
            await entry.place(at_once)
            ended = await s.account.settled(at_once.client_id, 5)
            assert ended is not None
            assert (ended.active, ended.cancelled) == (False, True)
            with pytest.raises(Rejected) as poor:
                await entry.place(market_buy("99999999"))
            assert poor.value.code == "200004"
            with pytest.raises(Rejected):
                await entry.cancel("never-placed", SYMBOL)
            assert await s.account.look_up("never-placed", SYMBOL) is None
            await entry.test(market_buy())
            with pytest.raises(Rejected):
                await entry.test(market_buy("0.01"))
            sell = NewOrder(uuid4().hex, SYMBOL, SELL, OrderKind.MARKET, size=Decimal("0.001"))
            await entry.place(sell)
            sold = await s.account.settled(sell.client_id, 5)
            assert sold is not None
            assert sold.size == Decimal("0.001")

    run(body)


@pytest.mark.parametrize(
    ("kind", "error", "happened"),
    [
        ("drop_before", OutcomeUnknown, False),
        ("drop_after", OutcomeUnknown, True),
        ("server_error", OutcomeUnknown, True),
        ("too_many_requests", Transient, False),
    ],
)
def test_what_may_have_happened_is_looked_up(
    exchange: ExchangeProcess, kind: str, error: type[Exception], happened: bool
) -> None:
    """The client never says "rejected" of what it does not know; the look-up tells."""

    async def body() -> None:
        async with session(exchange) as s:
            order = market_buy()
            fault = {"kind": kind, "match": "POST /api/v1/hf/orders"}
            await operate(exchange, "/faults", fault)
            with pytest.raises(error):
                await s.by_rest.place(order)
            report = await s.account.look_up(order.client_id, SYMBOL)
            assert (report is not None) == happened
            if report is not None:
                told = await s.account.settled(order.client_id, 5)
                assert told is not None
                assert told.size == report.size > 0
            await s.by_rest.place(market_buy())

    run(body)


def test_what_happened_before_the_stream_was_there_is_found(exchange: ExchangeProcess) -> None:
    """An order filled while nobody listened is told by REST when the stream is in service."""

    async def body() -> None:
        keys = Credentials(*map(SecretStr, (exchange.key, exchange.secret, exchange.passphrase)))
        async with Rest(exchange.rest, Signer(keys)) as client, asyncio.TaskGroup() as tasks:
            account = KucoinAccount(client, patience=SOON)
            order = market_buy()
            await RestOrderEntry(client, account).place(order)
            running = tasks.create_task(account.run())
            told = await account.settled(order.client_id, 10)
            assert told is not None
            assert told.fee is None, "told by events, not by a look-up in the end"
            assert 99 < told.funds <= 100
            running.cancel()

    run(body)


def test_an_order_entry_connection_lost_with_an_order_comes_back(exchange: ExchangeProcess) -> None:
    """The order without an answer is unknown, its fill is told, and the next order goes."""

    async def body() -> None:
        async with session(exchange) as s:
            order = market_buy()
            await operate(exchange, "/faults", {"kind": "drop_after", "match": "WS spot.order"})
            with pytest.raises(OutcomeUnknown):
                await s.by_socket.place(order)
            told = await s.account.settled(order.client_id, 5)
            assert told is not None
            assert told.size > 0
            await s.by_socket.in_service.wait()
            await s.by_socket.place(market_buy())

    run(body)


def test_level2_books_are_the_exchanges_through_gaps_and_cuts(exchange: ExchangeProcess) -> None:
    """After over 1,000 updates with lost messages, cut sessions and dead tokens: level by level."""

    async def body() -> None:
        async with session(exchange) as s, asyncio.TaskGroup() as tasks:
            feed = BookFeed(s.client, exchange.symbols, patience=SOON)
            running = tasks.create_task(feed.run())
            await until_equal(s.client, feed)
            for path, document in (
                ("/faults", {"kind": "gap", "match": "/market/level2", "count": 5, "skip": 20}),
                ("/faults", {"kind": "duplicate", "match": "/market/level2", "count": 5}),
                ("/sessions/cut", {}),
                ("/tokens/expire", {}),
            ):
                await operate(exchange, path, document)
                assert (await operate(exchange, "/step", {"states": 400}))["shown"] == 400
            # A gap on a book that is quiet afterwards shows with its next change.
            await operate(exchange, "/step", {"states": 200})
            await until_equal(s.client, feed)
            assert await asyncio.to_thread(exchange.operate, "GET", "/faults") == []
            books = {book.symbol: book for book in await feed.changed()}
            assert set(books) == set(exchange.symbols)
            assert sum(feed.dropped.values()) > 100
            running.cancel()

    async def until_equal(client: Rest, feed: BookFeed) -> None:
        for symbol in exchange.symbols:
            while True:
                answer = await client.call(rest.FULL_BOOK, query={"symbol": symbol})
                true = FULL.read(answer).snapshot()
                if feed.level2.sequence(symbol) == true.sequence:
                    break
                await asyncio.sleep(0.05)
            bids, asks = feed.level2.top(symbol, 100_000)
            assert list(zip(*bids, strict=True)) == list(true.bids)
            assert list(zip(*asks, strict=True)) == list(true.asks)

    run(body)


@pytest.mark.parametrize("channel", [Channel.DEPTH5, Channel.DEPTH50, Channel.LEVEL1])
def test_whole_books_come_from_the_exchange(exchange: ExchangeProcess, channel: Channel) -> None:
    """Tops that the venue sends whole are those of its full book."""

    async def body() -> None:
        async with session(exchange) as s, asyncio.TaskGroup() as tasks:
            feed = BookFeed(s.client, (SYMBOL,), channel=channel)
            running = tasks.create_task(feed.run())
            while f"{channel}:{SYMBOL}" not in await asyncio.to_thread(exchange.subscriptions):
                await asyncio.sleep(0.01)
            shown: list[float] = []
            while True:
                await operate(exchange, "/step", {"states": 4})
                answer = await s.client.call(rest.FULL_BOOK, query={"symbol": SYMBOL})
                true = FULL.read(answer).snapshot()
                with suppress(TimeoutError):
                    async with asyncio.timeout(0.5):
                        (book,) = await feed.changed()
                        shown = book.bid_px[:1].tolist()
                if shown == [true.bids[0][0]]:
                    break
            depth = {Channel.LEVEL1: 1, Channel.DEPTH5: 5, Channel.DEPTH50: 50}[channel]
            assert len(book.ask_px) == min(depth, len(true.asks))
            assert book.ask_sz.tolist()[:1] == [true.asks[0][1]]
            running.cancel()

    run(body)
