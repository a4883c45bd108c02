"""A cycle's three legs against the local exchange on loopback: our client and ccxt.pro.

A cycle is three market orders of amounts fixed beforehand, each awaited until the
private stream says that it is done. ccxt.pro does the same on the same server, its rate
limit off and the ends of its orders by ``watch_orders``; and once more with
``watch_balance``, since our client follows balances all the while. The clients take
turns, as whoever is connected is told of the others' orders too.
"""

from __future__ import annotations

import asyncio
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from importlib.metadata import version
from itertools import count
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from arb_pipelines.market.cycles import find_cycles
from arb_pipelines.market.exact import round_down
from arb_pipelines.market.graph import BUY
from arb_pipelines.market.symbols import Market
from arb_pipelines.research.exchange_books import generated_books
from arb_pipelines.trading.events import OrderKind
from arb_pipelines.venues.base import NewOrder, OrderEntry
from arb_pipelines.venues.kucoin.account import KucoinAccount
from arb_pipelines.venues.kucoin.limits import Pool
from arb_pipelines.venues.kucoin.order_entry import RestOrderEntry, SocketOrderEntry
from arb_pipelines.venues.kucoin.rest import Rest
from arb_pipelines.venues.kucoin.signing import Credentials, Signer
from tests.e2e.exchange_process import ExchangeProcess, running_exchange

SYMBOLS, SEED = 10, 7
CYCLES, ROUNDS, WARM_UP = 50, 12, 10
#: What an order is worth, in USDT.
WORTH = Decimal(20)
#: Quotas are not what is measured.
UNLIMITED = 10**9

_ids = count(1)
Legs = tuple[tuple[str, int, Decimal], ...]


@dataclass(frozen=True, slots=True)
class Ours:
    """Our client: its account, and both ways to send orders."""

    account: KucoinAccount
    by_rest: RestOrderEntry
    by_socket: SocketOrderEntry


def run() -> list[dict[str, object]]:
    """Measure in turns; needs ccxt, of the development packages."""
    import uvloop

    with tempfile.TemporaryDirectory(prefix="bench-exchange-") as home:
        books = generated_books(SYMBOLS, SEED)
        currencies = sorted({c for m in books.markets for c in (m.base, m.quote)})
        balance = ",".join(f"{currency}=100000000" for currency in currencies)
        arguments = ("--symbols", str(SYMBOLS), "--seed", str(SEED), "--balance", balance)
        with running_exchange(Path(home), *arguments) as exchange:
            limits = {pool.value: UNLIMITED for pool in Pool}
            exchange.operate("POST", "/limits", limits)
            return uvloop.run(_measure(exchange, books.markets))


async def _measure(
    exchange: ExchangeProcess, markets: tuple[Market, ...]
) -> list[dict[str, object]]:
    async with connected(exchange) as ours:
        legs = await _legs(ours, markets)
    peers = {"": False, " and balances": True}
    times: dict[str, list[float]] = {name: [] for name in ("REST", "WebSocket", *peers)}
    for _ in range(ROUNDS):
        async with connected(exchange) as ours:
            for name, entry in (("REST", ours.by_rest), ("WebSocket", ours.by_socket)):
                times[name] += await _cycles(
                    lambda leg, entry=entry, ours=ours: _our_leg(entry, ours.account, leg), legs
                )
        for name, balances in peers.items():
            async with connected_ccxt(exchange, balances=balances) as peer:
                times[name] += await _cycles(peer.leg, legs)
    told = " > ".join(f"{'buy' if side == BUY else 'sell'} {s}" for s, side, _ in legs)
    sys.stderr.write(f"bench: the cycle is {told}; {ROUNDS * CYCLES} of each\n")
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    p50_ms = {name: statistics.median(taken) * 1e3 for name, taken in times.items()}
    return [
        {
            "name": f"three legs by {name}, p50, against ccxt.pro {version('ccxt')}, "
            f"orders{what} watched",
            "ours": p50_ms[name],
            "peer": p50_ms[what],
            "ratio": p50_ms[name] / p50_ms[what],
            "unit": "ms",
            "bar": f"<= {bar:g}x ccxt.pro",
            "holds": p50_ms[name] <= bar * p50_ms[what],
            "peak_mib": peak_mib,
        }
        for what in peers
        for name, bar in (("REST", 0.5), ("WebSocket", 0.25))
    ]


@asynccontextmanager
async def connected(exchange: ExchangeProcess) -> AsyncIterator[Ours]:
    """Our client with its streams in service."""
    keys = Credentials(*map(SecretStr, (exchange.key, exchange.secret, exchange.passphrase)))
    quotas = dict.fromkeys(Pool, UNLIMITED)
    async with (
        Rest(exchange.rest, Signer(keys), quotas=quotas) as client,
        asyncio.TaskGroup() as tasks,
    ):
        account = KucoinAccount(client)
        by_socket = SocketOrderEntry(client, account, f"{exchange.ws}/v1/private")
        running = [tasks.create_task(work.run()) for work in (account, by_socket)]
        running.append(tasks.create_task(_drain(account)))
        await asyncio.gather(account.in_service.wait(), by_socket.in_service.wait())
        yield Ours(account, RestOrderEntry(client, account), by_socket)
        for task in running:
            task.cancel()


async def _drain(account: KucoinAccount) -> None:
    while True:
        await account.next_event()


async def _legs(ours: Ours, markets: tuple[Market, ...]) -> Legs:
    """The first triangle from USDT, each leg's amount worth about ``WORTH``."""
    cycles = find_cycles(markets, start=("USDT",))
    by_symbol = {market.symbol: market for market in markets}
    given, legs = WORTH, []
    for index, side in zip(cycles.leg_symbol[0], cycles.leg_side[0], strict=True):
        market = by_symbol[cycles.symbols[index]]
        step = market.quote_increment if side == BUY else market.base_increment
        leg = (market.symbol, int(side), round_down(given * Decimal("0.99"), step))
        order = new_order(*leg)
        await ours.by_rest.place(order)
        report = await ours.account.settled(order.client_id, 5.0)
        assert report is not None
        given = report.size if side == BUY else report.funds
        legs.append(leg)
    return tuple(legs)


def new_order(symbol: str, side: int, amount: Decimal) -> NewOrder:
    """A market order: a buy by funds, a sell by size."""
    amounts = {"funds": amount} if side == BUY else {"size": amount}
    return NewOrder(f"bench-{next(_ids)}", symbol, side, OrderKind.MARKET, **amounts)


async def _our_leg(
    entry: OrderEntry, account: KucoinAccount, leg: tuple[str, int, Decimal]
) -> None:
    order = new_order(*leg)
    await entry.place(order)
    report = await account.settled(order.client_id, 5.0)
    assert report is not None
    assert not report.active
    account.forget(order.client_id)


async def _cycles(
    leg: Callable[[tuple[str, int, Decimal]], Awaitable[None]], legs: Legs
) -> list[float]:
    """Seconds that each cycle took, without the first few."""
    times = []
    for _ in range(WARM_UP + CYCLES):
        began = time.perf_counter()
        for each in legs:
            await leg(each)
        times.append(time.perf_counter() - began)
    return times[WARM_UP:]


class CcxtClient:
    """ccxt.pro as one uses it for this: orders by REST, their end by ``watch_orders``."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._over: set[str] = set()
        self._told = asyncio.Event()

    async def watch(self) -> None:
        """Note the orders that are over, until cancelled."""
        while True:
            for order in await self._client.watch_orders():
                if order["status"] in ("closed", "canceled"):
                    self._over.add(order["id"])
            self._told.set()

    async def watch_balance(self) -> None:
        """Follow the balances, until cancelled."""
        while True:
            await self._client.watch_balance()

    async def leg(self, leg: tuple[str, int, Decimal]) -> None:
        """Place a market order and wait for its end."""
        symbol, side, amount = leg
        name = symbol.replace("-", "/")
        if side == BUY:
            placed = await self._client.create_order(
                name, "market", "buy", 0, None, {"cost": str(amount)}
            )
        else:
            placed = await self._client.create_order(name, "market", "sell", float(amount))
        while placed["id"] not in self._over:
            self._told.clear()
            await self._told.wait()


@asynccontextmanager
async def connected_ccxt(exchange: ExchangeProcess, *, balances: bool) -> AsyncIterator[CcxtClient]:
    """ccxt.pro with the endpoints of ``exchange``, its streams in service."""
    import ccxt.pro

    client = ccxt.pro.kucoin(
        {
            "apiKey": exchange.key,
            "secret": exchange.secret,
            "password": exchange.passphrase,
            "enableRateLimit": False,
            "options": {
                "uta": False,
                "hf": True,
                "fetchMarkets": {"types": ["spot"], "fetchTickersFees": False},
            },
        }
    )
    client.urls["api"]["public"] = client.urls["api"]["private"] = exchange.rest
    peer = CcxtClient(client)
    try:
        await client.load_markets()
        async with asyncio.TaskGroup() as tasks:
            watching = {"/spotMarket/tradeOrders": peer.watch()}
            if balances:
                watching["/account/balance"] = peer.watch_balance()
            running = [tasks.create_task(work) for work in watching.values()]
            while not watching.keys() <= (await asyncio.to_thread(exchange.subscriptions)).keys():
                await asyncio.sleep(0.01)
            yield peer
            for task in running:
                task.cancel()
    finally:
        await client.close()
