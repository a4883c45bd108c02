"""KuCoin's streams through drops, gaps, dead peers and dead tokens: books and the account."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from arb_pipelines.errors import Rejected
from arb_pipelines.market.graph import BUY, SELL
from arb_pipelines.trading.events import OrderKind
from arb_pipelines.venues.base import BalanceChanged, Done, Match, NewOrder, Resting
from arb_pipelines.venues.kucoin.account import KucoinAccount
from arb_pipelines.venues.kucoin.books import BookFeed, Channel
from arb_pipelines.venues.kucoin.order_entry import RestOrderEntry
from arb_pipelines.venues.kucoin.streams import Stream
from tests.fakes.kucoin_server import SOON, FakeKucoin, fake_kucoin, on_loop, until

ORDERS, BALANCE = "/spotMarket/tradeOrdersV2", "/account/balance"


async def say_update(
    fake: FakeKucoin, first: int, last: int, bids: list[list[str]], asks: list[list[str]]
) -> None:
    """Send a level-2 message of BTC-USDT."""
    data = {
        "symbol": "BTC-USDT",
        "sequenceStart": first,
        "sequenceEnd": last,
        "changes": {"bids": bids, "asks": asks},
    }
    await fake.say("/market/level2:BTC-USDT", "trade.l2update", data)


def book(sequence: int, bid: str, ask: str) -> dict[str, Any]:
    """A full book with one level a side."""
    return {"sequence": str(sequence), "bids": [[bid, "1"]], "asks": [[ask, "1"]]}


def shown(found: Any) -> tuple[list[float], list[float], list[float], list[float]]:
    return tuple(side.tolist() for side in (found.bid_px, found.bid_sz, found.ask_px, found.ask_sz))


async def next_shown(feed: BookFeed) -> tuple[list[float], ...]:
    """The next state of the one book of a feed."""
    (found,) = await feed.changed()
    return shown(found)


def feed_of(client: Any, *symbols: str, **options: Any) -> BookFeed:
    return BookFeed(client, symbols or ("BTC-USDT",), patience=SOON, **options)


@on_loop
async def test_a_book_from_snapshot_changes_and_a_gap():
    """Snapshot, change, a gap that shows an empty book, and the snapshot that heals it."""
    async with fake_kucoin() as fake, fake.rest() as client, asyncio.TaskGroup() as tasks:
        fake.book = lambda symbol: book(10, "99", "101")
        feed = feed_of(client)
        running = tasks.create_task(feed.run())
        assert await next_shown(feed) == ([99], [1], [101], [1])
        await say_update(fake, 11, 12, [["100", "2", "11"], ["100", "3", "12"]], [])
        assert await next_shown(feed) == ([100, 99], [3, 1], [101], [1])
        await say_update(fake, 12, 12, [["100", "9", "12"]], [])  # a repeat changes nothing
        held = asyncio.Event()
        fake.book = lambda symbol: book(20 if held.is_set() else 12, "98", "102")
        await say_update(fake, 15, 15, [["50", "1", "15"]], [])
        assert await next_shown(feed) == ([], [], [], [])
        held.set()
        assert await next_shown(feed) == ([98], [1], [102], [1])
        assert feed.level2.sequence("BTC-USDT") == 20
        running.cancel()


@on_loop
async def test_a_dropped_connection_loses_all_books_until_they_are_fetched_again():
    """Also a quiet book is empty after a drop; topics are subscribed again with the same token."""
    async with fake_kucoin() as fake, fake.rest() as client, asyncio.TaskGroup() as tasks:
        fake.book = lambda symbol: book(10, "99", "101")
        feed = feed_of(client)
        running = tasks.create_task(feed.run())
        assert await next_shown(feed) == ([99], [1], [101], [1])
        await fake.cut()
        assert await next_shown(feed) == ([], [], [], [])
        fake.book = lambda symbol: book(30, "97", "103")
        assert await next_shown(feed) == ([97], [1], [103], [1])
        assert fake.topics == ["/market/level2:BTC-USDT"]
        assert len(fake.tokens) == 1
        running.cancel()


@on_loop
async def test_a_dead_token_is_replaced():
    """Turned away with 401, the stream asks for another token."""
    async with fake_kucoin() as fake, fake.rest() as client, asyncio.TaskGroup() as tasks:
        fake.book = lambda symbol: book(10, "99", "101")
        feed = feed_of(client)
        running = tasks.create_task(feed.run())
        await feed.changed()
        fake.good_tokens.clear()
        await fake.cut()
        await feed.changed()
        assert await next_shown(feed) == ([99], [1], [101], [1])
        assert len(fake.tokens) == 2
        running.cancel()


@on_loop
async def test_a_peer_that_answers_no_ping_is_dead():
    """Pings go by the server's interval; a silent peer is left and connected to anew."""
    async with fake_kucoin() as fake, fake.rest() as client, asyncio.TaskGroup() as tasks:
        fake.ping_ms, fake.mute = (20, 10), True
        feed = feed_of(client, channel=Channel.DEPTH5)
        running = tasks.create_task(feed.run())
        await until(lambda: len(fake.sockets) >= 2)
        assert fake.pings >= 1
        fake.mute = False
        await until(lambda: fake.pings >= 6)
        running.cancel()


@on_loop
async def test_a_topic_that_is_refused_ends_the_stream():
    """What the venue does not have is told, not tried for ever."""
    async with fake_kucoin() as fake, fake.rest() as client:
        stream = Stream(
            client,
            ["/nothing:X"],
            private=False,
            on_message=lambda frame, ts_recv: None,
            on_up=lambda: None,
            on_down=lambda: None,
        )
        with pytest.raises(Rejected, match="404"):
            await stream.run()
        assert len(fake.sockets) == 1


@on_loop
async def test_many_symbols_take_several_requests_and_connections():
    """At most 100 symbols a request and 300 a connection."""
    symbols = tuple(f"C{n}-USDT" for n in range(450))
    async with fake_kucoin() as fake, fake.rest() as client, asyncio.TaskGroup() as tasks:
        running = tasks.create_task(feed_of(client, *symbols, channel=Channel.LEVEL1).run())
        await until(lambda: len(fake.topics) == 5)
        asked = [name for topic in fake.topics for name in topic.partition(":")[2].split(",")]
        assert sorted(asked) == sorted(symbols)
        assert len(fake.sockets) == 2
        running.cancel()


@pytest.mark.parametrize(
    ("channel", "data", "expected"),
    [
        (
            Channel.DEPTH5,
            {"asks": [["9989", "8"], ["9990", "32"]], "bids": [["9988", "56"]], "timestamp": 1},
            ([9988], [56], [9989, 9990], [8, 32]),
        ),
        (
            Channel.LEVEL1,
            {"asks": ["9989", "8"], "bids": ["9984", "10"], "timestamp": 1},
            ([9984], [10], [9989], [8]),
        ),
        (Channel.LEVEL1, {"asks": [], "bids": ["9984", "10"]}, ([9984], [10], [], [])),
    ],
)
@on_loop
async def test_books_that_come_whole(channel, data, expected):
    """Each message is the book; a slow reader gets the latest and knows how many it missed."""
    async with fake_kucoin() as fake, fake.rest() as client, asyncio.TaskGroup() as tasks:
        feed = feed_of(client, channel=channel)
        running = tasks.create_task(feed.run())
        await until(lambda: len(fake.topics) == 1)
        for _ in range(5):
            await fake.say(f"{channel}:BTC-USDT", "level2", data)
        await until(lambda: feed.dropped.get("BTC-USDT", 0) == 4)
        (found,) = await feed.changed()
        assert shown(found) == expected
        assert not found.bid_px.flags.writeable
        running.cancel()


def change(client_id: str, kind: str, status: str, **more: str) -> dict[str, Any]:
    """A message of the private stream."""
    return {
        "symbol": "BTC-USDT",
        "side": "buy",
        "orderId": f"id-{client_id}",
        "clientOid": client_id,
        "type": kind,
        "status": status,
        "ts": 7,
        **more,
    }


def match(client_id: str, trade: str, size: str, price: str = "100") -> dict[str, Any]:
    more = {"tradeId": trade, "matchSize": size, "matchPrice": price, "liquidity": "taker"}
    return change(client_id, "match", "match", **more)


def order(client_id: str) -> NewOrder:
    return NewOrder(client_id, "BTC-USDT", BUY, OrderKind.MARKET, funds=Decimal(300))


@on_loop
async def test_a_fill_before_the_reply_counts():
    """The stream tells all of an order while its POST is under way; it was followed before."""
    async with fake_kucoin() as fake, fake.rest() as client, asyncio.TaskGroup() as tasks:
        account = KucoinAccount(client, patience=SOON)
        running = tasks.create_task(account.run())
        await account.in_service.wait()

        async def fill(body: dict[str, str]) -> None:
            await fake.say(ORDERS, "orderChange", change("a1", "received", "new"))
            await fake.say(ORDERS, "orderChange", match("a1", "t1", "1"))
            await fake.say(ORDERS, "orderChange", match("a1", "t1", "1"))
            await fake.say(ORDERS, "orderChange", match("a1", "t2", "0.5", "101"))
            done = change("a1", "canceled", "done", filledSize="1.5")
            await fake.say(ORDERS, "orderChange", done)

        fake.before_reply = fill
        await RestOrderEntry(client, account).place(order("a1"))
        report = await account.settled("a1", 5)
        assert report is not None
        assert (report.size, report.funds) == (Decimal("1.5"), Decimal("150.5"))
        assert report.cancelled
        assert not report.active
        assert report.fee is None
        events = [await account.next_event() for _ in range(3)]
        assert [type(event) for event in events] == [Match, Match, Done]
        account.forget("a1")
        running.cancel()


@on_loop
async def test_what_a_lost_stream_missed_is_looked_up():
    """Filled while the stream was away: the same events come from REST, each execution once."""
    async with fake_kucoin() as fake, fake.rest() as client, asyncio.TaskGroup() as tasks:
        account = KucoinAccount(client, patience=SOON)
        running = tasks.create_task(account.run())
        await account.in_service.wait()
        await RestOrderEntry(client, account).place(order("a1"))
        await fake.say(ORDERS, "orderChange", change("a1", "open", "open"))
        await fake.say(ORDERS, "orderChange", match("a1", "1", "1"))
        events = [await account.next_event() for _ in range(2)]
        fake.details["a1"] = {
            "id": "id-a1", "clientOid": "a1", "symbol": "BTC-USDT", "side": "buy",
            "active": False, "cancelExist": False, "dealSize": "3", "dealFunds": "302",
            "fee": "0.302", "feeCurrency": "USDT", "lastUpdatedAt": 1700000000000,
        }  # fmt: skip
        fill = {
            "orderId": "id-a1", "symbol": "BTC-USDT", "side": "buy", "liquidity": "taker",
            "fee": "0.1", "feeCurrency": "USDT", "createdAt": 1700000000000,
        }  # fmt: skip
        fake.fills = [
            {**fill, "tradeId": 1, "price": "100", "size": "1", "funds": "100"},
            {**fill, "tradeId": 2, "price": "101", "size": "2", "funds": "202"},
        ]
        await fake.cut()
        report = await account.settled("a1", 5)
        assert report is not None
        assert (report.size, report.funds, report.cancelled) == (Decimal(3), Decimal(302), False)
        events += [await account.next_event() for _ in range(2)]
        assert [type(event) for event in events] == [Resting, Match, Match, Done]
        looked_up = await account.look_up("a1", "BTC-USDT")
        assert looked_up is not None
        assert (looked_up.fee, looked_up.fee_currency) == (Decimal("0.302"), "USDT")
        running.cancel()


@on_loop
async def test_an_order_that_nobody_tells_of_is_looked_up_in_the_end():
    """Without a word from the stream the look-up answers: not known, or what it has."""
    async with fake_kucoin() as fake, fake.rest() as client:
        account = KucoinAccount(client)
        account.follow(NewOrder("a1", "BTC-USDT", SELL, OrderKind.MARKET, size=Decimal(1)))
        assert await account.settled("a1", 0.01) is None
        assert fake.requests[-1][1] == "/api/v1/hf/orders/client-order/a1?symbol=BTC-USDT"


@on_loop
async def test_balances_come_at_the_start_and_with_each_change():
    """What the account trades with; another account of the same owner is not told."""
    async with fake_kucoin() as fake, fake.rest() as client, asyncio.TaskGroup() as tasks:
        row = {"currency": "USDT", "balance": "10", "available": "9", "holds": "1"}
        fake.accounts = [{**row, "type": "trade"}, {**row, "type": "main", "available": "77"}]
        account = KucoinAccount(client, patience=SOON)
        running = tasks.create_task(account.run())
        first = await account.next_event()
        assert isinstance(first, BalanceChanged)
        assert (first.currency, first.available, first.hold) == ("USDT", Decimal(9), Decimal(1))
        assert await account.balances() == {"USDT": Decimal(9)}
        message = {
            "currency": "USDT", "total": "10", "available": "4", "hold": "6", "time": "17000",
            "relationContext": {"orderId": "id-a1", "symbol": "BTC-USDT"},
        }  # fmt: skip
        deposit = {**message, "available": "99", "relationEvent": "main.deposit"}
        await fake.say(BALANCE, "account.balance", deposit)
        hold = {**message, "relationEvent": "trade_hf.hold"}
        await fake.say(BALANCE, "account.balance", hold)
        second = await account.next_event()
        assert isinstance(second, BalanceChanged)
        assert (second.available, second.order_id) == (Decimal(4), "id-a1")
        assert second.ts_event == 17_000_000_000
        running.cancel()


@on_loop
async def test_a_balance_told_meanwhile_is_newer_than_the_one_asked_for():
    """An answer that the stream has overtaken would bring an old balance back."""
    async with fake_kucoin() as fake, fake.rest() as client, asyncio.TaskGroup() as tasks:
        row = {"currency": "USDT", "type": "trade", "balance": "10", "holds": "0"}
        other = {**row, "currency": "BTC", "available": "3"}
        fake.accounts = [{**row, "available": "10"}, other]
        message = {
            "currency": "USDT", "total": "4", "available": "4", "hold": "0", "time": "17000",
            "relationEvent": "trade_hf.setted",
        }  # fmt: skip
        account = KucoinAccount(client, patience=SOON)

        async def overtake() -> None:
            await fake.say(BALANCE, "account.balance", message)
            await until(lambda: "USDT" in account._told)

        fake.before_accounts = overtake
        running = tasks.create_task(account.run())
        events = [await account.next_event() for _ in range(2)]
        told = [(event.currency, event.available) for event in events]
        assert told == [("USDT", Decimal(4)), ("BTC", Decimal(3))]
        running.cancel()
