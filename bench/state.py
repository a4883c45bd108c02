"""What it costs to keep the engine's state: a written transition, and a cycle's whole bookkeeping.

Transitions are written one after the other without a pause, each a transaction of its own,
while the log is brought into the file beside them; the first rows say what the machine made of
plain counting meanwhile. A cycle's bookkeeping is what a strategy's bus tells of three legs that
fill, heard by what writes it down in a session; its part before the first order is on the way
from a signal to the wire.
"""

from __future__ import annotations

import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import numpy as np
from pydantic import SecretStr

from arb_pipelines.execution.state.follower import StateFollower
from arb_pipelines.execution.state.opening import Durability, open_state
from arb_pipelines.execution.state.store import StateStore
from arb_pipelines.execution.state.values import CycleState, NewCycle, Outcome
from arb_pipelines.execution.universe import SessionUniverse, session_universe
from arb_pipelines.market.graph import BUY
from arb_pipelines.research.exchange_books import generated_books
from arb_pipelines.trading.events import (
    Approved,
    CycleSignal,
    Ended,
    Order,
    OrderFill,
    OrderKind,
    TimeInForce,
)
from arb_pipelines.trading.parameters import FixedAmount, Strategy, Universe
from arb_pipelines.trading.reports import CycleReport
from arb_pipelines.venues.base import Accepted, NewOrder, OrderReport
from bench.machine import counting_us

TRANSITIONS, CYCLES = 20_000, 4_000
#: Each costs a flush of the disk.
FLUSHED_TRANSITIONS, FLUSHED_CYCLES = 2_000, 200
MOST_US = 1_000.0
_KEY = SecretStr("of the bench")
_WAYS: tuple[tuple[str, Durability, SecretStr | None], ...] = (
    ("survives its process", "process", None),
    ("survives its process, encrypted", "process", _KEY),
    ("survives a loss of power", "power", None),
    ("survives a loss of power, encrypted", "power", _KEY),
)


def run() -> list[dict[str, object]]:
    """Measure each durability, plain and encrypted; give p50 and p99."""
    universe = _universe()
    rows = _rows(
        "this machine meanwhile: as much work as a transition is", counting_us(), barred=False
    )
    for way, durability, key in _WAYS:
        flushed = durability == "power"
        transitions = FLUSHED_TRANSITIONS if flushed else TRANSITIONS
        with _opened(durability, key) as store:
            took = _transitions_us(store, transitions)
        rows += _rows(f"{transitions:,} transitions written, {way}", took, barred=not flushed)
        with _opened(durability, key) as store:
            first, between, whole = _cycles_us(
                store, universe, FLUSHED_CYCLES if flushed else CYCLES
            )
        rows += _rows(f"state on the way from signal to wire, {way}", first, barred=not flushed)
        rows += _rows(f"state between a fill and the next leg, {way}", between, barred=False)
        rows += _rows(f"state of a three-leg cycle, all of it, {way}", whole, barred=False)
    return rows


@contextmanager
def _opened(durability: Durability, key: SecretStr | None) -> Iterator[StateStore]:
    """A store in a folder that goes with it, on the disk of this folder."""
    with (
        tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".bench-state-") as folder,
        open_state(Path(folder) / "state.sqlite", durability=durability, key=key) as store,
    ):
        yield store


def _transitions_us(store: StateStore, wanted: int) -> list[float]:
    """Take cycles through four states each; give how long each transition took."""
    took = []
    for number in range(wanted // 4):
        for _ in _life(store, f"bench-{number}", took):
            pass
    return took


def _life(store: StateStore, cycle: str, took: list[float]) -> Iterator[None]:
    legs = (("BTC-USDT", 0), ("ETH-BTC", 0), ("ETH-USDT", 1))
    new = NewCycle(cycle, "bench", "bench", "USDT", legs, Decimal(100))
    steps = (
        lambda: store.begin(new, "net product 1.001"),
        lambda: store.move(cycle, CycleState.VALIDATING, what="plan", why="priced"),
        lambda: store.move(cycle, CycleState.ACTIVE, what="intent", why=cycle),
        lambda: store.end(
            cycle, CycleState.COMPLETED, Outcome.FILLED, profit=Decimal(1), what="ended", why=""
        ),
    )
    for step in steps:
        began = time.perf_counter_ns()
        step()
        took.append((time.perf_counter_ns() - began) / 1e3)
        yield


def _cycles_us(
    store: StateStore, universe: SessionUniverse, cycles: int
) -> tuple[list[float], list[float], list[float]]:
    """Tell of cycles; give what hearing took before each first order, between legs, and in all.

    What is done while an order is on its way counts in all alone.
    """
    later: list[Callable[[], object]] = []
    follower = StateFollower(
        store, universe, "bench", id_prefix="bench-", trouble=print, later=later.append
    )
    first, between, whole = [], [], []
    for number in range(cycles):
        parts, after = [], 0.0
        for told in _told(universe, f"bench-{number}"):
            began = time.perf_counter_ns()
            for event in told:
                follower.hear(event)
            parts.append((time.perf_counter_ns() - began) / 1e3)
            while later:
                later.pop()()
            after += (time.perf_counter_ns() - began) / 1e3 - parts[-1]
        first.append(parts[0])
        between += parts[1:3]
        whole.append(sum(parts) + after)
    return first, between, whole


def _told(universe: SessionUniverse, name: str) -> Iterator[list[object]]:
    """What a bus tells of a triangle: until the first order, between legs (twice), at the end."""
    traded = universe.traded
    approved = Approved(CycleSignal(1, "bench", 0, 1.001), 100.0)
    events: list[object] = [approved]
    for leg, (number, side) in enumerate(traded.legs[0]):
        symbol, client_id = traded.cycles.symbols[number], f"{name}-{leg}"
        buys, amount = side == BUY, Decimal(100)
        size, funds = (None, amount) if buys else (amount, None)
        events += [
            Order(
                client_id, 1, "bench", symbol, side, OrderKind.LIMIT, TimeInForce.IOC,
                None if buys else 100.0, 100.0 if buys else None, 1.0, None, 100.0, name,
            ),
            NewOrder(client_id, symbol, side, OrderKind.MARKET, size, funds),
        ]  # fmt: skip
        yield events
        events = [
            Accepted(client_id, f"o-{client_id}", 1, 2),
            OrderReport(
                client_id, f"o-{client_id}", symbol, side, active=False, cancelled=False,
                size=amount, funds=amount, fee=None, fee_currency=None, ts_event=3,
            ),
            OrderFill(
                client_id, 3, symbol, side, 100.0, 100.0, 100.0, 99.9, 0.1, "USDT", final=True
            ),
        ]  # fmt: skip
    report = CycleReport(
        execution=0, cycle=0, ts_signal=1, ts_end=2, legs=3, legs_filled=3, unwind_orders=0,
        fell_short=False, committed=100.0, gross=0.01, predicted=0.01, spent=100.0,
        returned=101.0, expected_profit=1.0, fee=0.0, slippage=0.0, latency=0.0, residual=0.0,
        unwind=0.0, residual_value=0.0,
    )  # fmt: skip
    yield [*events, report, Ended(approved, 9, execution=name)]


def _universe() -> SessionUniverse:
    """The triangle of a small generated venue."""
    strategy = Strategy(
        name="bench",
        exchange="kucoin",
        universe=Universe(start=("USDT",)),
        min_profit_bps=1.0,
        capital_allocation=FixedAmount(mode="fixed_amount", amount=100.0),
        balances={"USDT": 10_000.0},
    )
    markets = [replace(market, taker_fee_bps=10.0) for market in generated_books(3, 7).markets]
    fees = dict.fromkeys((market.symbol for market in markets), Decimal("0.001"))
    return session_universe(strategy, markets, fees, date(2026, 1, 5), max_cycles=10)


def _rows(what: str, took: list[float], *, barred: bool) -> list[dict[str, object]]:
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    rows = []
    for name, share, bar in (("median", 50, None), ("p99", 99, MOST_US if barred else None)):
        us = float(np.percentile(took, share))
        rows.append(
            {
                "name": f"{what}: {name}",
                "ours": us,
                "peer": None,
                "ratio": None,
                "unit": "us",
                "bar": f"at most {bar:,.0f}" if bar else None,
                "holds": us <= bar if bar else None,
                "peak_mib": peak_mib,
            }
        )
    return rows
