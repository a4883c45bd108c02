"""A panic seller at a local exchange; run as ``-m tests.e2e.panic_at_exchange STATE``, a process.

The process sells what its state file says is being sold, until it has nothing more of it.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from arb_pipelines.execution.orders.runner import OrderRunner
from arb_pipelines.execution.panic.seller import PanicSeller
from arb_pipelines.execution.state.opening import open_state
from arb_pipelines.execution.state.store import StateStore
from arb_pipelines.settings import Settings, load_settings
from arb_pipelines.trading.panic_rules import PanicRules
from arb_pipelines.trading.session_rules import SessionRules
from arb_pipelines.venues.kucoin.connection import KucoinConnection, open_kucoin

#: A share and a pause that leave time to be killed between slices.
SLICED = PanicRules(slice_share=0.3, slice_pause_ms=300.0, retry_every_s=0.2)


@dataclass(frozen=True, slots=True)
class Selling:
    """A seller in service, and what it told."""

    store: StateStore
    connection: KucoinConnection
    seller: PanicSeller
    alerts: list[str] = field(default_factory=list)


@asynccontextmanager
async def selling_at(settings: Settings, state: Path, rules: PanicRules) -> AsyncIterator[Selling]:
    """Connect, and have a seller in service within the block."""
    with open_state(state) as store:
        async with open_kucoin(settings) as connection, asyncio.TaskGroup() as tasks:
            serving = tasks.create_task(connection.run())
            await connection.ready()
            markets = {market.symbol: market for market in connection.markets}
            runner = OrderRunner(
                store, connection.entry("rest"), connection.account, markets, connection.fees,
                SessionRules(),
            )  # fmt: skip
            alerts: list[str] = []
            seller = PanicSeller(
                store,
                connection,
                runner,
                lambda strategy: rules,
                alert=lambda event, **facts: alerts.append(event),
            )
            yield Selling(store, connection, seller, alerts)
            serving.cancel()


async def _sell_all(state: Path) -> None:
    async with selling_at(load_settings(), state, SLICED) as at, asyncio.TaskGroup() as tasks:
        running = tasks.create_task(at.seller.run())
        while at.store.open_cycles():
            await asyncio.sleep(0.01)
        running.cancel()


if __name__ == "__main__":
    asyncio.run(_sell_all(Path(sys.argv[1])))
