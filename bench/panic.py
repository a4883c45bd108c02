"""Panic sells: what one adds to the venue's own latency, and the search for a way alone.

A holding is sold at a local exchange by one order, again and again. The venue's latency is the
time in which at least one call to it is under way, as the same run measures it; the rest of the
time from the sale's begin to the cycle's end in the state file is ours: deciding, writing, and
hearing of the fill. The search runs over all 1,300 symbols of a venue at generated prices, with
books of 100 levels at hand: by one order, and where single symbols are closed, over more.
"""

from __future__ import annotations

import asyncio
import resource
import tempfile
import time
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from arb_pipelines.market.book import Top
from arb_pipelines.market.symbols import Market
from arb_pipelines.research.exchange_books import generated_books
from arb_pipelines.settings import load_settings
from arb_pipelines.trading.events import Book
from arb_pipelines.trading.panic.network import Network
from arb_pipelines.trading.panic.routes import Chosen, Needs, Unsold, choose
from arb_pipelines.trading.panic.sight import Holding, Sight
from arb_pipelines.trading.panic_rules import PanicRules
from tests.e2e.exchange_process import ExchangeProcess, running_exchange, settings_of
from tests.e2e.panic_at_exchange import selling_at
from tests.fakes.panic_venue import write_holding

SALES, WARM_UP, BAR_MS = 300, 20, 50
SYMBOLS, LEVELS, SEARCHES = 1_300, 100, 200
MAJORS, STABLE = {"BTC", "ETH", "KCS"}, ("USDT", "USDC")


def run() -> list[dict[str, object]]:
    """Measure sales at an exchange, then searches."""
    with tempfile.TemporaryDirectory(prefix="bench-panic-") as folder:
        home = Path(folder)
        arguments = ("--symbols", "12", "--speed", "0", "--balance", "USDT=1000,SOL=1000")
        with running_exchange(home, *arguments) as exchange:
            exchange.operate("POST", "/limits", {"spot": 10**9, "public": 10**9})
            over_ms, venue_ms = asyncio.run(_sold(exchange, home))
    rows = [
        _row("panic sell of one holding, over the venue's latency, p50", over_ms, 50, BAR_MS),
        _row("panic sell of one holding, over the venue's latency, p99", over_ms, 99, BAR_MS),
        _row("panic sell of one holding, the venue's latency, p50", venue_ms, 50, None),
    ]
    for what, times_ms in _searched().items():
        rows.append(_row(f"way over {SYMBOLS:,} symbols, {what}, p50", times_ms, 50, None))
        rows.append(_row(f"way over {SYMBOLS:,} symbols, {what}, longest", times_ms, 100, None))
    return rows


def _row(name: str, times_ms: list[float], percent: int, bar: float | None) -> dict[str, object]:
    ours = float(np.percentile(times_ms, percent))
    return {
        "name": name,
        "ours": ours,
        "peer": None,
        "ratio": None,
        "unit": "ms",
        "bar": None if bar is None else f"<= {bar}",
        "holds": None if bar is None else ours <= bar,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


# -- at an exchange ------------------------------------------------------------------------


async def _sold(exchange: ExchangeProcess, home: Path) -> tuple[list[float], list[float]]:
    """Sell holdings one after the other; ours and the venue's milliseconds of each."""
    market = next(m for m in generated_books(12, 7).markets if m.symbol == "SOL-USDT")
    settings = settings_of(exchange, load_settings(root=home))
    ours, venues = [], []
    async with selling_at(settings, home / "state.sqlite", PanicRules()) as at:
        client: Any = at.connection._client
        calls = _Calls(client.call)
        client.call = calls
        for number in range(WARM_UP + SALES):
            cycle = f"bench{number}"
            write_holding(at.store, cycle, market, Decimal(1))
            calls.busy_s = 0.0
            began = time.perf_counter()
            result = await at.seller.sell(cycle)
            took_s = time.perf_counter() - began
            assert result.outcome is not None, result.why
            if number >= WARM_UP:
                venues.append(calls.busy_s * 1e3)
                ours.append((took_s - calls.busy_s) * 1e3)
    return ours, venues


class _Calls:
    """A client's ``call``, with the time in which at least one was under way."""

    def __init__(self, call: Any) -> None:
        self._call, self._out, self._since = call, 0, 0.0
        self.busy_s = 0.0

    async def __call__(self, *arguments: Any, **named: Any) -> Any:
        if self._out == 0:
            self._since = time.perf_counter()
        self._out += 1
        try:
            return await self._call(*arguments, **named)
        finally:
            self._out -= 1
            if self._out == 0:
                self.busy_s += time.perf_counter() - self._since


# -- the search alone ----------------------------------------------------------------------


def _searched() -> dict[str, list[float]]:
    """Milliseconds of decisions, by the way that is open: none of it is waiting for books."""
    random = Random(7)
    markets = generated_books(SYMBOLS, 7).markets
    network = Network(markets, dict.fromkeys((m.symbol for m in markets), Decimal("0.001")))
    worth = {"USDT": 1.0, "USDC": 1.0, "BTC": 50_000.0, "ETH": 2_500.0, "KCS": 10.0}
    for market in markets:
        worth.setdefault(market.base, random.uniform(0.1, 100))
    amounts = {name: 50 / worth[name] for name in worth}
    for market in markets:
        least = 50 * float(market.base_min_size or 0)
        amounts[market.base] = max(amounts[market.base], least)
    books = {
        m.symbol: _book(m, worth[m.base] / worth[m.quote], 4 * amounts[m.base], random)
        for m in markets
    }
    tops = {symbol: Top(float(b.bid_px[0]), float(b.ask_px[0])) for symbol, b in books.items()}
    names = sorted({m.base for m in markets if m.quote in MAJORS} - set(worth.keys() & MAJORS))
    home = frozenset(m.symbol for m in markets if m.base in MAJORS and m.quote in STABLE)
    times: dict[str, list[float]] = {}
    for what, shut in (
        ("by one order", lambda name: frozenset[str]()),
        ("over a major currency", lambda name: frozenset(f"{name}-{to}" for to in STABLE)),
        ("over three or more", lambda name: home | {f"{name}-{to}" for to in STABLE}),
    ):
        times[what] = []
        for number in range(SEARCHES):
            name = names[number % len(names)]
            holding = Holding(name, Decimal(repr(round(amounts[name], 4))), "USDT")
            began = time.perf_counter()
            found = _decide(Sight(network, PanicRules(), shut(name)), holding, books, tops)
            times[what].append((time.perf_counter() - began) * 1e3)
            assert isinstance(found, Chosen), found
    return times


def _decide(
    sight: Sight, holding: Holding, books: dict[str, Book], tops: dict[str, Top]
) -> Chosen | Unsold:
    while isinstance(found := choose(sight, holding), Needs):
        if found.tops:
            sight.tops = tops
        sight.books |= {symbol: books[symbol] for symbol in found.symbols}
    return found


def _book(market: Market, middle: float, size: float, random: Random) -> Book:
    """Levels of one size, a tenth of a per mille apart or a tick."""
    tick = float(market.price_increment or 0)
    away = max(1e-4, tick / middle) * np.arange(1, LEVELS + 1) * random.uniform(1, 2)
    sizes = np.full(LEVELS, size)
    sides = []
    for prices in (middle * (1 - away), middle * (1 + away)):
        on_tick = np.array([float(f"{round(price / tick) * tick:.12g}") for price in prices])
        sides += [on_tick, sizes]
    return Book(market.symbol, 0, *sides)
