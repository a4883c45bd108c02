"""Ways back to the start currency: all there are, the best is taken, in both engines alike."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise, permutations, product

import pytest

from arb_pipelines.backtest.kernel import run_kernel
from arb_pipelines.backtest.reference import book_events, run_reference
from arb_pipelines.market.graph import BUY, SELL
from arb_pipelines.trading.book_shelf import BookShelf
from arb_pipelines.trading.orders import fill, limit_price, order_amount
from arb_pipelines.trading.planning import best_price
from arb_pipelines.trading.unwind import choose_route, routes_of, value_after_first
from tests.fakes.backtest_worlds import World, random_world

SLIPPAGE = 0.02
Way = tuple[tuple[int, int], ...]


def all_ways(world: World, currency: str, start: str, max_hops: int) -> set[Way]:
    """Every simple path between two currencies, tried one by one."""
    cycles = world.scenario.cycles
    pairs = [tuple(symbol.split("-")) for symbol in cycles.symbols]
    others = [name for name in cycles.currencies if name not in (currency, start)]
    found = set()
    for between in range(max_hops):
        for middle in permutations(others, between):
            stops = (currency, *middle, start)
            hops = [
                [
                    (s, SELL if pair[0] == a else BUY)
                    for s, pair in enumerate(pairs)
                    if {a, b} == {*pair}
                ]
                for a, b in pairwise(stops)
            ]
            found |= set(product(*hops))
    return found


def listed_ways(world: World, currency: str, start: str, max_hops: int) -> list[Way]:
    cycles = world.scenario.cycles
    routes, names = routes_of(cycles, max_hops), cycles.currencies
    key = names.index(start) * len(names) + names.index(currency)
    rows = range(routes.ptr[key], routes.ptr[key + 1])
    return [
        tuple(
            (int(s), int(side))
            for s, side in zip(routes.symbol[r], routes.side[r], strict=True)
            if s >= 0
        )
        for r in rows
    ]


@pytest.mark.parametrize("max_hops", [1, 2, 3])
def test_every_way_is_listed_once_and_shorter_ones_first(max_hops: int) -> None:
    """No way is missing, none passes a currency twice, none is longer than allowed."""
    for seed in range(12):
        world = random_world(seed, updates=1)
        for start in world.strategy.start:
            for currency in set(world.scenario.cycles.currencies) - {start}:
                ways = listed_ways(world, currency, start, max_hops)
                assert len(ways) == len(set(ways))
                assert set(ways) == all_ways(world, currency, start, max_hops)
                assert [len(way) for way in ways] == sorted(map(len, ways))


def brought(world: World, shelf: BookShelf, way: Way, amount: float) -> float:
    """What a way brings of the start currency, order by order."""
    terms = world.scenario.setting.terms
    for symbol, side in way:
        px, left = shelf.levels(symbol, side)
        best = best_price(px, left)
        if not best > 0.0:
            return 0.0
        limit = limit_price(terms, symbol, side, best, SLIPPAGE)
        order = order_amount(terms, symbol, side, amount, best, limit)
        if not order > 0.0:
            return 0.0
        amount = fill(terms, symbol, side, order, limit, px, left).received
        if not amount > 0.0:
            return 0.0
    return amount


@pytest.mark.parametrize("max_hops", [1, 2, 3])
def test_the_way_that_brings_most_is_chosen(max_hops: int) -> None:
    """Against every way tried by itself, at the books of random moments."""
    longest = chosen = 0
    for seed in range(25):
        world = random_world(seed, updates=60)
        cycles, setting = world.scenario.cycles, world.scenario.setting
        routes, names = routes_of(cycles, max_hops), list(cycles.currencies)
        shelf = BookShelf(len(cycles.symbols), world.depth)
        for book in book_events(cycles.symbols, [world.books]):
            shelf.show(cycles.symbols.index(book.symbol), book)
        start = world.strategy.start[0]
        for currency in names:
            for amount in (1e-5, 0.01, 2.0, 50.0):
                if currency == start:
                    continue
                route = choose_route(
                    setting.terms, routes, shelf.px, shelf.left, SLIPPAGE,
                    names.index(currency), names.index(start), amount,
                )  # fmt: skip
                ways = listed_ways(world, currency, start, max_hops)
                values = [brought(world, shelf, way, amount) for way in ways]
                if route < 0:
                    assert not any(value > 0.0 for value in values)
                    continue
                key = names.index(start) * len(names) + names.index(currency)
                at = int(route) - int(routes.ptr[key])
                assert values[at] == max(values) > 0.0
                assert values.index(max(values)) == at, "of equal ones the first"
                chosen += 1
                longest = max(longest, len(ways[at]))
                rest = value_after_first(routes, route, shelf.px, shelf.left)
                expected = 1.0
                for symbol, side in reversed(ways[at][1:]):
                    best = best_price(*shelf.levels(symbol, side))
                    expected = expected / best if side == BUY else expected * best
                assert rest == expected
    assert chosen > 100
    assert longest == max_hops, "ways of every length were worth it somewhere"


def test_both_engines_go_the_longer_ways_alike() -> None:
    """With three symbols allowed the kernel equals the reference; now and then it matters."""
    differ = 0
    for seed in range(40):
        world = random_world(seed)
        unwind = world.strategy.unwind.model_copy(update={"max_hops": 3})
        longer = replace(world, strategy=world.strategy.model_copy(update={"unwind": unwind}))
        kernel = run_kernel(longer.scenario, [world.books])
        reference = run_reference(longer.scenario, [world.books])
        for name in ("trades", "legs", "signals", "refused"):
            assert getattr(kernel, name).tobytes() == getattr(reference, name).tobytes(), name
        differ += kernel.legs.tobytes() != run_kernel(world.scenario, [world.books]).legs.tobytes()
    assert differ > 0
