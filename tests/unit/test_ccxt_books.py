"""Books through ccxt where a class has no stream."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import pytest

from arb_pipelines.errors import (
    Fatal,
    ProtocolViolation,
    Rejected,
    Transient,
    VenueError,
)
from arb_pipelines.venues.ccxt_any.books import CcxtFeed, ask_book, ask_tops
from arb_pipelines.venues.retry import Patience

theirs: Any = import_module("ccxt.base.errors")


class PolledClient:
    """A class without streams: each question is answered by the next of ``answers``."""

    def __init__(self, *answers: Any) -> None:
        self.has: Mapping[str, bool] = {}
        self.answers = list(answers)

    async def fetch_order_book(self, _: str) -> Any:
        if not self.answers:
            await asyncio.get_running_loop().create_future()
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def a_book(*bids: tuple[float, float]) -> dict[str, object]:
    """ccxt's structure of a book, with a level of size 0 that is none."""
    return {"bids": [[*bid, 5] for bid in bids], "asks": [[11.0, 0.0], [12.0, 1.0]]}


def test_a_book_is_polled_where_there_is_no_stream() -> None:
    """A question without an answer shows no book; the next answer shows it again."""

    async def body() -> None:
        first, last = a_book((10.0, 1.0), (9.0, 2.0)), a_book((8.0, 1.0))
        client = PolledClient(first, theirs.RequestTimeout(), last)
        feed = CcxtFeed(
            client, {"BTC-USDT": "BTC/USDT"}, depth=5, poll_s=0.0, patience=Patience(1, 0.0)
        )
        running = asyncio.create_task(feed.run())
        seen: list[list[float]] = []
        while len(seen) < 3:
            for book in await feed.changed():
                seen.append(book.bid_px.tolist())
                assert book.ask_px.tolist() in ([12.0], [])
        assert seen == [[10.0, 9.0], [], [8.0]]
        running.cancel()

    asyncio.run(body())


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (theirs.BadSymbol(), Rejected),
        (theirs.PermissionDenied(), Fatal),
        (a_book((float("nan"), 1.0)), ProtocolViolation),
        (a_book((10.0, -1.0)), ProtocolViolation),
    ],
)
def test_a_feed_ends_with_what_no_patience_mends(
    answer: object, expected: type[VenueError]
) -> None:
    """One error, whatever else was running."""

    async def body() -> None:
        symbols = {"BTC-USDT": "BTC/USDT", "ETH-USDT": "ETH/USDT"}
        with pytest.raises(expected):
            await CcxtFeed(PolledClient(answer, answer), symbols).run()

    asyncio.run(body())


class ListingClient(PolledClient):
    """A class without streams, of an exchange that has just the books of ``listed``."""

    def __init__(self, **listed: float) -> None:
        super().__init__()
        self.listed = listed

    async def fetch_order_book(self, name: str) -> Any:
        await asyncio.sleep(0)
        if name not in self.listed:
            raise theirs.BadSymbol(f"no {name} here")
        return a_book((self.listed[name], 1.0))


def test_a_symbol_that_is_refused_leaves_the_others() -> None:
    """It shows no book, and why, until the exchange has it again; all refused end the feed."""

    async def body() -> None:
        client = ListingClient(LUNA=10.0, BTC=20.0)
        symbols = {"LUNA-USDT": "LUNA", "BTC-USDT": "BTC"}
        feed = CcxtFeed(client, symbols, depth=5, poll_s=0.0, patience=Patience(1, 0.0))
        running = asyncio.create_task(feed.run())
        best: dict[str, list[float]] = {}

        async def show(**expected: list[float]) -> None:
            while best != {f"{currency}-USDT": bids for currency, bids in expected.items()}:
                best.update({book.symbol: book.bid_px.tolist() for book in await feed.changed()})

        await show(LUNA=[10.0], BTC=[20.0])
        client.listed = {"BTC": 21.0}
        await show(LUNA=[], BTC=[21.0])
        assert "no LUNA here" in feed.refused["LUNA-USDT"]
        client.listed = {"BTC": 21.0, "LUNA": 11.0}
        await show(LUNA=[11.0], BTC=[21.0])
        assert feed.refused == {}
        client.listed = {}
        with pytest.raises(Rejected):
            await running

    asyncio.run(asyncio.wait_for(body(), 20))


class AskedClient(PolledClient):
    """A class that tells tickers of all symbols, as far as ``has`` says so."""

    id = "asked"

    async def fetch_bids_asks(self) -> Any:
        return {
            "BTC/USDT": {"bid": 10.0, "ask": None},
            "BTC/USDT:USDT": {"bid": 1.0, "ask": 2.0},
        }


def test_a_book_and_all_best_prices_are_asked_for_once() -> None:
    """Only of listed symbols, and nothing where ccxt knows no call for it."""

    async def body() -> None:
        client = AskedClient(a_book((10.0, 1.0), (9.0, 2.0)), theirs.RequestTimeout())
        book = await ask_book(client, "BTC-USDT", "BTC/USDT", 1)
        assert (book.symbol, book.bid_px.tolist(), book.ask_px.tolist()) == ("BTC-USDT", [10], [])
        with pytest.raises(Transient):
            await ask_book(client, "BTC-USDT", "BTC/USDT", 1)
        with pytest.raises(Rejected):
            await ask_tops(client, {"BTC/USDT": "BTC-USDT"})
        client.has = {"fetchBidsAsks": True}
        assert await ask_tops(client, {"BTC/USDT": "BTC-USDT"}) == {"BTC-USDT": (10.0, 0.0)}

    asyncio.run(body())
