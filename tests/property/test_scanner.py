"""The scanner and the lives it sees, against an oracle that starts afresh at each update."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations

import numpy as np
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from arb_pipelines.market.cycles import BUY, CycleSet, find_cycles
from arb_pipelines.market.fees import fee_factors
from arb_pipelines.market.opportunities import ENDED_BY, DayScan, find_opportunities
from arb_pipelines.market.scanner import Scanner
from arb_pipelines.market.symbols import FeeSide, Market

CURRENCIES = ("USDT", "BTC", "ETH", "XMR", "SOL")
PAIRS = tuple(permutations(CURRENCIES, 2))
NAN = float("nan")


@dataclass(frozen=True, slots=True)
class Tops:
    """The shape of ``lake.books.Tops``."""

    symbols: tuple[str, ...]
    symbol: np.ndarray
    ts_recv: np.ndarray
    bid_px: np.ndarray
    bid_sz: np.ndarray
    ask_px: np.ndarray
    ask_sz: np.ndarray


@dataclass(frozen=True, slots=True)
class Quote:
    ts: int
    bid: float
    bid_sz: float
    ask: float
    ask_sz: float

    @property
    def fault(self) -> str | None:
        """What keeps the book from signalling, age apart."""
        sides = (self.bid, self.bid_sz, self.ask, self.ask_sz)
        if not all(x > 0 for x in sides):  # false for NaN too
            return "one_sided"
        return "crossed" if self.bid >= self.ask else None


@dataclass(frozen=True, slots=True)
class Scene:
    """A market, and what happens in it."""

    markets: tuple[Market, ...]
    cycles: CycleSet
    quotes: tuple[tuple[int, Quote], ...]
    halts: tuple[int, ...]
    max_age: int | None
    fee_bps: float | None

    @property
    def tops(self) -> Tops:
        rows = [(q.bid, q.bid_sz, q.ask, q.ask_sz) for _, q in self.quotes]
        columns = np.array(rows, np.float64).reshape(-1, 4).T
        return Tops(
            self.cycles.symbols,
            np.array([s for s, _ in self.quotes], np.int32),
            np.array([q.ts for _, q in self.quotes], np.int64),
            *(np.ascontiguousarray(column) for column in columns),
        )

    def fees(self) -> list[tuple[float, FeeSide]]:
        by_symbol = {market.symbol: market for market in self.markets}
        chosen = [by_symbol[symbol] for symbol in self.cycles.symbols]
        return [
            ((m.taker_fee_bps if self.fee_bps is None else self.fee_bps) / 1e4, m.fee_side)
            for m in chosen
        ]


@st.composite
def scenes(draw: st.DrawFn) -> Scene:
    """A few symbols around a loop of currencies, quotes near 1, and every kind of bad book."""
    loop = draw(st.permutations(CURRENCIES))[: draw(st.integers(3, 5))]
    pairs = {(loop[i], loop[i - 1]) for i in range(len(loop))}
    pairs |= set(draw(st.lists(st.sampled_from(PAIRS), max_size=5)))
    markets = tuple(
        Market(
            "v",
            f"{base}-{quote}",
            base,
            quote,
            base + quote,
            taker_fee_bps=draw(st.sampled_from([0.0, 8.0, 10.0])),
            fee_side=draw(st.sampled_from(list(FeeSide))),
        )
        for base, quote in sorted(pairs)
    )
    cycles = find_cycles(markets, start=None, max_length=draw(st.integers(len(loop), 5)))
    quotes, ts = [], 1_700_000_000_000_000_000
    px, sz = st.integers(9_950, 10_050), st.sampled_from([1.0, 2.5, 4.0, 5.0])
    symbols = st.integers(0, len(cycles.symbols) - 1)
    for _ in range(draw(st.integers(0, 40))):
        ts += draw(st.sampled_from([0, 1, 10, 100, 1_000]))
        bid = draw(px)
        ask = bid + draw(st.sampled_from([1, 2, 3, 4, 5, 6, 8, 10, 20, 0, -3]))
        sides = [bid / 10_000, draw(sz), ask / 10_000, draw(sz)]
        bad = draw(st.integers(0, 40))
        if bad < 4:
            sides[bad] = draw(st.sampled_from([NAN, 0.0]))
        quotes.append((draw(symbols), Quote(ts, *sides)))
    return Scene(
        markets,
        cycles,
        tuple(quotes),
        tuple(draw(st.lists(symbols, max_size=1))),
        draw(st.sampled_from([None, 0, 500, 2_000, 5_000])),
        draw(st.sampled_from([None, 0.0, 5.0])),
    )


class Oracle:
    """What the books say after so many updates, worked out from their list alone."""

    def __init__(self, scene: Scene, halted: tuple[int, ...] = ()) -> None:
        self.scene, self.halted = scene, halted
        self.fees = scene.fees()

    def books(self, count: int) -> dict[int, Quote]:
        return dict(self.scene.quotes[:count])

    def status(self, books: dict[int, Quote], s: int, now: int) -> str:
        if s in self.halted:
            return "halted"
        if s not in books:
            return "unknown"
        if self.scene.max_age is not None and now - books[s].ts > self.scene.max_age:
            return "stale"
        return books[s].fault or "fresh"

    def products(self, books: dict[int, Quote], c: int) -> tuple[float, float, float]:
        """Gross and net product, and the input the tops carry, leg by leg from one unit."""
        cycles = self.scene.cycles
        gross, have, carried = 1.0, 1.0, float("inf")
        for k in range(int(cycles.length[c])):
            s = int(cycles.leg_symbol[c, k])
            fee, side = self.fees[s]
            book = books[s]
            if cycles.leg_side[c, k] == BUY:
                gross *= 1.0 / book.ask
                on_top = 1 + fee if side is FeeSide.QUOTE else 1.0
                carried = min(carried, book.ask_sz * book.ask * on_top / have)
                have = have / on_top / book.ask * (1.0 if side is FeeSide.QUOTE else 1 - fee)
            else:
                gross *= book.bid
                carried = min(carried, book.bid_sz / have)
                have = have * book.bid * (1 - fee)
        return gross, have, carried

    def legs(self, c: int) -> list[int]:
        return [int(s) for s in self.scene.cycles.leg_symbol[c] if s >= 0]

    def evaluations(self, count: int) -> list[tuple[int, str, float, float, float]]:
        """Cycle, worst status, gross, net and carried input, of each cycle just touched."""
        s, quote = self.scene.quotes[count - 1]
        books = self.books(count)
        result = []
        for c in range(len(self.scene.cycles)):
            if s not in self.legs(c):
                continue
            statuses = [self.status(books, leg, quote.ts) for leg in self.legs(c)]
            worst = max(statuses, key=ORDER.index)
            values = self.products(books, c) if worst == "fresh" else (0.0, 0.0, 0.0)
            result.append((c, worst, *values))
        return result


ORDER = ("fresh", "crossed", "one_sided", "stale", "unknown", "halted")


@settings(max_examples=200, deadline=None)
@given(scenes())
def test_best_cycle_of_each_update(scene: Scene) -> None:
    """One call an update and the batch kernel both give the oracle's best net product."""
    fees = fee_factors(scene.markets, scene.cycles.symbols, scene.fee_bps)
    oracle = Oracle(scene, scene.halts)
    single, batch = (Scanner(scene.cycles, fees, max_age_ns=scene.max_age) for _ in range(2))
    for s in scene.halts:
        single.halt(s)
        batch.halt(s)
    best_cycle, best_product = batch.update_all(scene.tops)
    for i, (s, q) in enumerate(scene.quotes):
        cycle, product = single.update(s, q.ts, q.bid, q.bid_sz, q.ask, q.ask_sz)
        assert (cycle, product) == (best_cycle[i], best_product[i])
        nets = {c: net for c, status, _, net, _ in oracle.evaluations(i + 1) if status == "fresh"}
        assert product == pytest.approx(max(nets.values(), default=0.0), rel=1e-13)
        if nets:
            assert nets[cycle] == pytest.approx(product, rel=1e-13)
        else:
            assert cycle == -1
    event(f"length up to {scene.cycles.leg_symbol.shape[1]}")


@dataclass(slots=True)
class Life:
    """One life as the oracle sees it."""

    cycle: int
    ts_first: int
    ts_last: int
    updates: int
    peak: tuple[float, int, float, float]
    ts_end: int = -1
    ended_by: str | None = None


def lives_of(scene: Scene, threshold: float, day_end: int) -> list[Life]:
    """Lives by definition: each cycle on its own, its books looked at at each moment."""
    oracle = Oracle(scene)
    lives: list[Life] = []
    going: dict[int, Life] = {}

    def stale_at(c: int, count: int) -> int:
        oldest = min(oracle.books(count)[s].ts for s in oracle.legs(c))
        return oldest + (1 << 62 if scene.max_age is None else scene.max_age)

    for count in range(1, len(scene.quotes) + 1):
        now = scene.quotes[count - 1][1].ts
        for c in [c for c in going if stale_at(c, count - 1) < now]:
            life = going.pop(c)
            life.ts_end, life.ended_by = stale_at(c, count - 1), "stale"
        for c, status, gross, net, carried in oracle.evaluations(count):
            if net > threshold:
                peak = (net, now, gross, carried)
                if c not in going:
                    going[c] = Life(c, now, now, 0, peak)
                    lives.append(going[c])
                life = going[c]
                life.ts_last, life.updates = now, life.updates + 1
                if net > life.peak[0] * (1 + 1e-13):
                    life.peak = peak
            elif c in going:
                life = going.pop(c)
                life.ts_end, life.ended_by = now, "edge" if status == "fresh" else "book"
    for c, life in going.items():
        if stale_at(c, len(scene.quotes)) < day_end:
            life.ts_end, life.ended_by = stale_at(c, len(scene.quotes)), "stale"
    return lives


def scan(scene: Scene, threshold_bps: float, day_end: int) -> DayScan:
    return find_opportunities(
        scene.cycles,
        fee_factors(scene.markets, scene.cycles.symbols, scene.fee_bps),
        scene.tops,
        max_age_ns=scene.max_age,
        threshold_bps=threshold_bps,
        ts_end=day_end,
    )


@settings(max_examples=200, deadline=None)
@given(scenes(), st.sampled_from([0, 300, 10_000]), st.sampled_from([3.3, -7.7, 41.7]))
def test_lives_of_a_day(scene: Scene, rest: int, threshold_bps: float) -> None:
    """Lives begin, peak and end as the oracle's do, be it by edge, book, staleness or day."""
    day_end = scene.quotes[-1][1].ts + rest if scene.quotes else 0
    found = scan(scene, threshold_bps, day_end).lives
    expected = lives_of(scene, 1 + threshold_bps * 1e-4, day_end)
    assert len(found) == len(expected)
    for row, life in zip(found, expected, strict=True):
        event(f"ended by {life.ended_by}")
        assert row["cycle"] == life.cycle
        assert (row["ts_first"], row["ts_last"]) == (life.ts_first, life.ts_last)
        assert (row["ts_end"], ENDED_BY[row["ended_by"]]) == (life.ts_end, life.ended_by)
        assert row["updates"] == life.updates
        net, _, gross, carried = life.peak
        assert row["peak_net"] == pytest.approx(net, rel=1e-13)
        assert row["peak_gross"] == pytest.approx(gross, rel=1e-13)
        if row["ts_peak"] == life.peak[1]:  # else a tie within rounding
            assert row["top_size"] == pytest.approx(carried, rel=1e-12)


@settings(max_examples=200, deadline=None)
@given(scenes())
def test_counts_of_a_day(scene: Scene) -> None:
    """Evaluations are counted by the worst book; those above one once a way and update."""
    oracle = Oracle(scene)
    updates = [list(oracle.evaluations(i + 1)) for i in range(len(scene.quotes))]
    all_of_them = [evaluation for update in updates for evaluation in update]
    found = scan(scene, 0.0, 0)
    for name in ORDER:
        assert found.by_reason[name] == sum(status == name for _, status, *_ in all_of_them)
    gross = [g for _, status, g, _, _ in all_of_them if status == "fresh"]
    assert found.max_product == max(gross, default=0.0)

    def ways(column: int, least: float) -> int:
        """Pairs of an update and a way through the currencies that a route lifts above."""
        paths = [{scene.cycles.path(e[0]) for e in one if e[column] > least} for one in updates]
        return sum(map(len, paths))

    assert found.raw_above_one == ways(2, 1.0)
    assert ways(3, 1.0 + 1e-12) <= found.net_above_one <= ways(3, 1.0 - 1e-12)
