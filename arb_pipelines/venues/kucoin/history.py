"""KuCoin's lists of an account's orders and executions, asked for page by page.

What happens from now on is told by ``account``. An execution is listed without its order's
client id; that comes from the lists of orders, a hundred for one question.

Source: https://www.kucoin.com/docs-new/rest/spot-trading/orders/get-trade-history,
get-closed-orders, get-open-orders and get-symbols-with-open-order
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator, Mapping

from arb_pipelines.clock import NS_PER_MS, NS_PER_S
from arb_pipelines.errors import Rejected
from arb_pipelines.venues.base import OrderReport, OwnFill
from arb_pipelines.venues.kucoin import rest
from arb_pipelines.venues.kucoin.codec import Reader
from arb_pipelines.venues.kucoin.codec_orders import (
    FillPage,
    FillRow,
    OpenSymbols,
    OrderDetail,
    OrderPage,
    amount,
    report_of,
    side_of,
)
from arb_pipelines.venues.kucoin.rest import Call, Rest
from arb_pipelines.venues.retry import Patience, retrying

_FILLS = Reader(FillPage, "fills")
_DONE = Reader(OrderPage, "orders that have ended")
_OPEN = Reader(list[OrderDetail], "open orders")
_DETAIL = Reader(OrderDetail, "an order")
_SYMBOLS = Reader(OpenSymbols, "symbols with open orders")
_PAGE = 100
#: The longest time that one question may span.
_SPAN_NS = (7 * 24 - 1) * 3600 * NS_PER_S
#: Questions under way at a time: more do not make a venue faster.
_AT_ONCE = 8
#: Most orders do not rest longer; others are asked for one by one.
_EARLIER_MS = 15 * 60 * 1000
#: A window of the rate budget is 30 s.
_PATIENCE = Patience(attempts=4, first_wait_s=0.2, longest_wait_s=31.0)


async def ask_open_orders(client: Rest, symbols: Collection[str]) -> list[OrderReport]:
    """Ask for the orders on some symbols that may still fill.

    Raises:
        VenueError: no answer, or none that makes sense.
    """
    with_orders = _SYMBOLS.read(await client.call(rest.OPEN_SYMBOLS)).symbols
    room = asyncio.Semaphore(_AT_ONCE)

    async def of_symbol(symbol: str) -> list[OrderDetail]:
        async with room:
            return _OPEN.read(await client.call(rest.OPEN_ORDERS, query={"symbol": symbol}))

    found = await asyncio.gather(
        *(of_symbol(symbol) for symbol in with_orders if symbol in symbols)
    )
    return [report_of(detail) for details in found for detail in details]


async def ask_fills(
    client: Rest, since_ns: int, now_ns: int, symbols: Collection[str]
) -> list[OwnFill]:
    """Ask for all executions on some symbols within a time, the oldest first.

    Raises:
        VenueError: no answer, or none that makes sense.
    """
    room = asyncio.Semaphore(_AT_ONCE)

    async def of_symbol(symbol: str) -> list[OwnFill]:
        async with room:
            return await _fills_on(client, symbol, since_ns, now_ns)

    found = await asyncio.gather(*(of_symbol(symbol) for symbol in symbols))
    return sorted(
        (fill for fills in found for fill in fills), key=lambda fill: (fill.ts_event, fill.trade_id)
    )


async def ask_fill_rows(client: Rest, call: Call, query: Mapping[str, str]) -> list[FillRow]:
    """Ask for the executions that a query means, page by page.

    Raises:
        VenueError: no answer, or none that makes sense.
    """
    found: list[FillRow] = []
    asked = {**query, "limit": str(_PAGE)}
    while True:
        page = _FILLS.read(await client.call(call, query=asked))
        found += page.items
        if len(page.items) < _PAGE or not page.last_id:
            return found
        asked["lastId"] = str(page.last_id)


async def _fills_on(client: Rest, symbol: str, since_ns: int, now_ns: int) -> list[OwnFill]:
    found: list[OwnFill] = []
    for span in _spans(since_ns, now_ns):
        query = {"symbol": symbol, **span}
        async for attempt in retrying(_PATIENCE):
            with attempt:
                rows = await ask_fill_rows(client, rest.PAST_FILLS, query)
                found += _owned(rows, await _client_ids(client, query, rows) if rows else {})
    return found


async def _client_ids(
    client: Rest, query: Mapping[str, str], rows: Collection[FillRow]
) -> dict[str, str]:
    """Give the client ids of the orders that were executed, by the venue's."""
    asked = {**query, "limit": str(_PAGE)}
    answer = await client.call(rest.OPEN_ORDERS, query={"symbol": query["symbol"]})
    found = {order.id: order.client_oid or "" for order in _OPEN.read(answer)}
    # an order may be older than what it filled, and is listed by when it was made
    asked["startAt"] = str(int(asked["startAt"]) - _EARLIER_MS)
    while True:
        page = _DONE.read(await client.call(rest.PAST_ORDERS, query=asked))
        found |= {order.id: order.client_oid or "" for order in page.items}
        if len(page.items) < _PAGE or not page.last_id:
            break
        asked["lastId"] = str(page.last_id)
    for order_id in {row.order_id for row in rows} - found.keys():  # one that rested for long
        found[order_id] = await _client_id(client, order_id, query["symbol"])
    return found


async def _client_id(client: Rest, order_id: str, symbol: str) -> str:
    try:
        answer = await client.call(rest.PAST_ORDER, name=order_id, query={"symbol": symbol})
    except Rejected:  # the venue lists it no more
        return ""
    return _DETAIL.read(answer).client_oid or ""


def _spans(since_ns: int, now_ns: int) -> Iterator[dict[str, str]]:
    start_ns = since_ns
    while start_ns <= now_ns:
        end_ns = start_ns + _SPAN_NS - NS_PER_MS
        # the last is open: the venue's clock may be ahead of ours
        ends = {"endAt": str(end_ns // NS_PER_MS)} if end_ns < now_ns else {}
        yield {"startAt": str(start_ns // NS_PER_MS), **ends}
        start_ns = end_ns + NS_PER_MS


def _owned(rows: list[FillRow], client_ids: Mapping[str, str]) -> list[OwnFill]:
    return [
        OwnFill(
            client_id=client_ids.get(row.order_id, ""),
            order_id=row.order_id,
            trade_id=str(row.trade_id),
            symbol=row.symbol,
            side=side_of(row.side),
            price=amount(row.price, "price"),
            size=amount(row.size, "size"),
            funds=amount(row.funds, "funds"),
            fee=amount(row.fee, "fee"),
            fee_currency=row.fee_currency,
            ts_event=row.created_at * NS_PER_MS,
        )
        for row in rows
    ]
