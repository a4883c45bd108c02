"""Markets, fees and books of a venue through ccxt, against the local exchange."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections.abc import Iterator
from decimal import Decimal
from itertools import count
from typing import Any

import pytest
from pydantic import SecretStr

from arb_pipelines.errors import Fatal
from arb_pipelines.market.symbols import FeeSide
from arb_pipelines.trading.events import Book
from arb_pipelines.venues.ccxt_any.books import CcxtFeed
from arb_pipelines.venues.ccxt_any.connection import opened
from tests.e2e.ccxt_at_exchange import SYMBOL, connected, run, settings_for, subscribed
from tests.e2e.exchange_process import ExchangeProcess, running_exchange

BOOKS = "/spotMarket/level2Depth50"


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeProcess]:
    """An exchange of ten symbols whose market stands still until it is told to move."""
    home = tmp_path_factory.mktemp("exchange")
    arguments = ("--symbols", "10", "--speed", "0", "--balance", "USDT=100000,BTC=2")
    with running_exchange(home, *arguments) as process:
        yield process


async def native_list(exchange: ExchangeProcess) -> list[dict[str, Any]]:
    """The exchange's own symbol list."""

    def ask() -> Any:
        with urllib.request.urlopen(f"{exchange.rest}/api/v2/symbols", timeout=5) as answer:
            return json.load(answer)["data"]

    rows: list[dict[str, Any]] = await asyncio.to_thread(ask)
    return rows


def test_books_and_best_prices_can_be_asked_for(exchange: ExchangeProcess) -> None:
    """All symbols in one call; a book's best levels are the same prices."""

    async def body() -> None:
        async with connected(exchange) as connection:
            tops = await connection.tops()
            assert set(tops) == set(exchange.symbols)
            book = await connection.snapshot(SYMBOL, 3)
            assert len(book.bid_px) == len(book.ask_px) == 3
            assert tops[SYMBOL] == (book.bid_px[0], book.ask_px[0])

    run(body)


def test_markets_and_fees_are_those_of_the_exchange(exchange: ExchangeProcess) -> None:
    """Increments and limits are the venue's own text, fees the account's."""

    async def body() -> None:
        async with connected(exchange) as connection:
            listed = {row["symbol"]: row for row in await native_list(exchange)}
            assert {market.symbol for market in connection.markets} == set(listed)
            for market in connection.markets:
                row = listed[market.symbol]
                assert market.venue_symbol == row["symbol"]
                assert market.base_increment == Decimal(row["baseIncrement"])
                assert market.quote_increment == Decimal(row["quoteIncrement"])
                assert market.price_increment == Decimal(row["priceIncrement"])
                assert market.base_min_size == Decimal(row["baseMinSize"])
                assert market.min_funds == Decimal(row["minFunds"])
                assert market.fee_side is FeeSide.QUOTE
                assert market.taker_fee_bps == 10.0
                assert connection.fees[market.symbol] == Decimal("0.001")
            assert (connection.venue, connection.local) == ("kucoin", True)
            assert exchange.key not in connection.account_id

    run(body)


def test_books_move_with_the_market(exchange: ExchangeProcess) -> None:
    """What the exchange shows is what the feed gives, level by level."""

    async def body() -> None:
        async with connected(exchange) as connection:
            feed = connection.feed([SYMBOL, "ETH-USDT"], channel="level2", depth=3)
            running = asyncio.create_task(feed.run())
            seen: dict[str, Book] = {}
            while len(seen) < 2:
                seen |= {book.symbol: book for book in await feed.changed()}
            await subscribed(exchange, *(f"{BOOKS}:{symbol}" for symbol in seen))
            bids, asks = [["50000", "1.5"], ["49999.5", "2"]], [["50001", "0.25"]]
            shown = {"symbol": SYMBOL, "bids": bids, "asks": asks}
            await asyncio.to_thread(exchange.operate, "POST", "/books", shown)
            while seen[SYMBOL].bid_px[0] != 50000.0:
                seen |= {book.symbol: book for book in await feed.changed()}
            book = seen[SYMBOL]
            assert book.bid_px.tolist() == [50000.0, 49999.5]
            assert book.bid_sz.tolist() == [1.5, 2.0]
            assert (book.ask_px.tolist(), book.ask_sz.tolist()) == ([50001.0], [0.25])
            assert book.ts_event is not None
            running.cancel()

    run(body)


def test_a_lost_connection_shows_no_book_until_it_is_back(exchange: ExchangeProcess) -> None:
    """Empty once, then whole again."""

    async def body() -> None:
        async with connected(exchange) as connection:
            feed = connection.feed([SYMBOL], channel="level2", depth=3)
            running = asyncio.create_task(feed.run())
            (book,) = await feed.changed()
            assert len(book.bid_px)
            await subscribed(exchange, f"{BOOKS}:{SYMBOL}")
            await asyncio.to_thread(exchange.operate, "POST", "/sessions/cut")
            while len(book.bid_px):
                (book,) = await feed.changed()
            assert not len(book.ask_px)
            while not len(book.bid_px):
                (book,) = await feed.changed()
            running.cancel()

    run(body)


def test_a_stream_that_goes_deaf_is_begun_anew(exchange: ExchangeProcess) -> None:
    """As ccxt's is when its token expires, which it does not notice."""

    async def body() -> None:
        async with opened(settings_for(exchange), "kucoin", exact=False) as client:
            feed = CcxtFeed(client, {SYMBOL: "BTC/USDT"}, quiet_s=0.1)
            running = asyncio.create_task(feed.run())
            await feed.changed()
            await subscribed(exchange, f"{BOOKS}:{SYMBOL}")
            await asyncio.to_thread(exchange.operate, "POST", "/tokens/expire")
            while f"{BOOKS}:{SYMBOL}" in await asyncio.to_thread(exchange.subscriptions):
                await asyncio.sleep(0)
            back = asyncio.create_task(subscribed(exchange, f"{BOOKS}:{SYMBOL}"))
            for number in count():
                if back.done():
                    break
                bids, asks = [["50000", str(number + 1)]], [["50002", "1"]]
                shown = {"symbol": SYMBOL, "bids": bids, "asks": asks}
                await asyncio.to_thread(exchange.operate, "POST", "/books", shown)
                await asyncio.sleep(0.02)
            running.cancel()

    run(body)


def test_wrong_keys_need_a_person(exchange: ExchangeProcess) -> None:
    """Before anything else is done with them."""

    async def body() -> None:
        wrong = SecretStr("not-the-secret")
        with pytest.raises(Fatal) as caught:
            async with connected(exchange, ccxt_secret=wrong) as connection:
                await connection.account.balances()
        assert "not-the-secret" not in str(caught.value)

    run(body)
