"""Symbols that KuCoin takes out of trade while a session follows their books."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from arb_pipelines.errors import Rejected
from arb_pipelines.venues.kucoin.books import BookFeed, Channel
from tests.fakes.kucoin_server import SOON, FakeKucoin, fake_kucoin, no, on_loop, until

GONE, KEPT = "LUNA-USDT", "BTC-USDT"


class Market:
    """What the venue has: a book of each symbol that is listed, by its best bid."""

    def __init__(self, fake: FakeKucoin, **bids: int) -> None:
        self.bids = {f"{base}-USDT": bid for base, bid in bids.items()}
        self.asked: list[str] = []
        fake.book = self._book

    def _book(self, symbol: str) -> dict[str, Any] | web.Response:
        self.asked.append(symbol)
        if symbol not in self.bids:
            return no("400100", f"{symbol} is not supported")
        return {"sequence": "10", "bids": [[str(self.bids[symbol]), "1"]], "asks": []}


class Best:
    """The best bids of a feed, as they were shown last."""

    def __init__(self, feed: BookFeed) -> None:
        self._feed, self._shown = feed, dict[str, list[float]]()

    async def until(self, expected: Mapping[str, list[float]]) -> None:
        """Follow the feed until it shows what is expected of these symbols."""
        while {symbol: self._shown.get(symbol) for symbol in expected} != expected:
            for book in await self._feed.changed():
                self._shown[book.symbol] = book.bid_px.tolist()


def trades(symbol: str, *, now: bool = True) -> dict[str, Any]:
    """What the venue's list says of a symbol."""
    return {"symbol": symbol, "enableTrading": now}


async def ended(feed: BookFeed) -> Rejected:
    """Run a feed to its end."""
    with pytest.raises(Rejected) as end:
        await feed.run()
    return end.value


async def trade(fake: FakeKucoin, symbol: str, sequence: int, bid: int) -> None:
    """Have the venue tell of a change in a book."""
    bids = [[str(bid), "1", str(sequence)]]
    data = {
        "symbol": symbol,
        "sequenceStart": sequence,
        "sequenceEnd": sequence,
        "changes": {"bids": bids, "asks": []},
    }
    await fake.say(f"/market/level2:{symbol}", "trade.l2update", data)


@on_loop
async def test_a_book_that_is_refused_leaves_the_others() -> None:
    """It is told once and asked for no more, until a connection is made anew and it is there."""
    async with fake_kucoin() as fake, fake.rest() as client, asyncio.TaskGroup() as tasks:
        market = Market(fake, LUNA=7, BTC=9)
        feed = BookFeed(client, (GONE, KEPT), patience=SOON)
        best, running = Best(feed), tasks.create_task(feed.run())
        await best.until({GONE: [7], KEPT: [9]})
        with capture_logs() as logs:
            del market.bids[GONE]
            await fake.cut()
            await best.until({GONE: [], KEPT: [9]})
            await until(lambda: GONE in feed.refused)
            asked = len(market.asked)
            for sequence in (11, 12, 13):
                await trade(fake, GONE, sequence, 8)
                await trade(fake, KEPT, sequence, sequence)
                await best.until({GONE: [], KEPT: [sequence, *range(sequence - 1, 10, -1), 9]})
            assert len(market.asked) == asked
            await fake.cut()
            await until(lambda: market.asked[asked:].count(GONE) == 1)
        told = [log for log in logs if log["event"] == "kucoin.book_refused"]
        assert [(log["symbol"], log["log_level"]) for log in told] == [(GONE, "error")]
        assert "400100" in told[0]["reason"]
        market.bids[GONE] = 6
        await fake.cut()
        await best.until({GONE: [6], KEPT: [9]})
        assert feed.refused == {}
        running.cancel()


@pytest.mark.parametrize("channel", [Channel.LEVEL2, Channel.DEPTH5])
@on_loop
async def test_a_topic_that_is_refused_for_one_symbol_is_asked_for_without_it(
    channel: Channel,
) -> None:
    """The venue's list says which it is; of symbols that trade a refusal is no such thing."""
    async with fake_kucoin() as fake, fake.rest() as client, asyncio.TaskGroup() as tasks:
        Market(fake, LUNA=7, BTC=9)
        fake.listed = [trades(GONE), trades(KEPT)]
        feed = BookFeed(client, (GONE, KEPT), channel=channel, patience=SOON)
        running = tasks.create_task(ended(feed))
        await until(lambda: fake.topics == [f"{channel}:{GONE},{KEPT}"])
        fake.gone, fake.listed = {GONE}, [trades(GONE, now=False), trades(KEPT)]
        await fake.cut()
        await until(lambda: fake.topics == [f"{channel}:{KEPT}"])
        assert [*feed.refused] == [GONE]
        assert "404" in feed.refused[GONE]
        fake.gone = {KEPT}
        await fake.cut()
        assert "404" in str(await running)


@on_loop
async def test_a_feed_without_any_book_ends() -> None:
    """There is nothing left to trade by."""
    async with fake_kucoin() as fake, fake.rest() as client:
        Market(fake)
        with pytest.raises(Rejected, match="400100"):
            await BookFeed(client, (GONE, KEPT), patience=SOON).run()
