"""Recovery: a hundred open cycles of a dead engine, at a local exchange in another process.

Half of them died with their first leg on its way, half with their second: the orders are at
the venue, and the state knows only that they were to leave. Measured is what the next start
does once it is connected, within the venue's ordinary rate budget: the venue's lists, what
became of each order, the legs that are left (or the sale), and the ends in the state file.
"""

from __future__ import annotations

import asyncio
import resource
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from decimal import Decimal
from pathlib import Path

from arb_pipelines.execution.orders.amounts import order_spending
from arb_pipelines.execution.recovery.recover import recover
from arb_pipelines.execution.recovery.values import Engine
from arb_pipelines.execution.state.opening import open_state
from arb_pipelines.execution.state.store import StateStore
from arb_pipelines.execution.state.values import CycleState, NewCycle, Purpose
from arb_pipelines.market.graph import BUY, SELL
from arb_pipelines.research.session_recovery import account_engine
from arb_pipelines.settings import Settings, load_settings
from arb_pipelines.trading.parameters import FixedAmount, Strategy, Universe
from arb_pipelines.venues.kucoin.connection import open_kucoin
from tests.e2e.exchange_process import running_exchange, settings_of

CYCLES, ROUNDS, SPENT, BAR_S = 100, 5, Decimal(20), 1.0
LEGS = (("BTC-USDT", BUY), ("ETH-BTC", BUY), ("ETH-USDT", SELL))


def run() -> list[dict[str, object]]:
    """Measure some recoveries, each of a state of its own."""
    import uvloop

    times_s, ends = [], Counter[str]()
    for _ in range(ROUNDS):  # each at an exchange of its own, whose rate budget is whole
        with tempfile.TemporaryDirectory(prefix="bench-recovery-") as folder:
            home = Path(folder)
            arguments = ("--symbols", "12", "--speed", "0", "--balance", "USDT=100000")
            with running_exchange(home, *arguments) as exchange:
                settings = settings_of(exchange, load_settings(home=home))
                uvloop.run(_left_open(settings, home / "state.sqlite"))
                took_s, found = uvloop.run(_recovered(settings, home / "state.sqlite"))
        times_s.append(took_s)
        ends += found
    how = ", ".join(f"{count} {what}" for what, count in sorted(ends.items()))
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    longest = max(times_s)
    return [
        {
            "name": f"recovery of {CYCLES} open cycles, longest of {ROUNDS} ({how})",
            "ours": longest,
            "peer": None,
            "ratio": None,
            "unit": "s",
            "bar": f"<= {BAR_S}",
            "holds": longest <= BAR_S,
            "peak_mib": peak_mib,
        }
    ]


async def _left_open(settings: Settings, file: Path) -> None:
    """Have an engine die with an order of each cycle on its way."""
    async with _engine(settings, file) as engine:
        for number in range(CYCLES):
            cycle = f"{engine.store.engine_id}0a1b2c-{number}"
            _begin(engine.store, cycle)
            if number % 2:
                await _send(engine, cycle, 0, SPENT, hear=True)
                held = engine.store.cycle(cycle).held["BTC"]
                await _send(engine, cycle, 1, held, hear=False)
            else:
                await _send(engine, cycle, 0, SPENT, hear=False)


async def _recovered(settings: Settings, file: Path) -> tuple[float, Mapping[str, int]]:
    """Recover as the next start does; how long it takes, and the outcomes."""
    async with _engine(settings, file) as engine:
        began = time.perf_counter()
        recovery = await recover(engine)
        took_s = time.perf_counter() - began
        assert len(recovery.cycles) == CYCLES
        assert not engine.store.open_cycles()
        return took_s, Counter(str(one.outcome) for one in recovery.cycles)


def _begin(store: StateStore, cycle: str) -> None:
    with store.together():
        store.begin(NewCycle(cycle, "bench", "bench", "USDT", LEGS, SPENT), "bench")
        store.move(cycle, CycleState.VALIDATING, what="plan", why="bench")
        store.move(cycle, CycleState.ACTIVE, what="intent", why="bench")


async def _send(engine: Engine, cycle: str, leg: int, amount: Decimal, *, hear: bool) -> None:
    symbol, side = LEGS[leg]
    name, fee = f"{cycle}-{leg}", engine.fees[symbol]
    new = order_spending(name, engine.markets[symbol], side, amount, fee)
    assert new is not None
    if hear:
        await engine.runner.run_order(cycle, new, Purpose.LEG, leg)
    else:
        engine.store.intend(cycle, new, Purpose.LEG, leg)
        await engine.entry.place(new)


@asynccontextmanager
async def _engine(settings: Settings, file: Path) -> AsyncIterator[Engine]:
    """Connect as a session does, with the account's state."""
    strategy = Strategy(
        name="bench",
        exchange="kucoin",
        universe=Universe(start=("USDT",)),
        min_profit_bps=1.0,
        max_slippage_bps=50.0,
        capital_allocation=FixedAmount(mode="fixed_amount", amount=float(SPENT)),
        balances={"USDT": 1_000.0},
    )
    async with open_kucoin(settings) as connection:
        running = asyncio.create_task(connection.run())
        try:
            await connection.ready()
            with open_state(file) as store:
                engine, _ = account_engine(settings, store, connection, [strategy])
                yield engine
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running
