"""Work stealing over a year of hourly bars of 20 symbols: from bars to metrics.

The bars are generated beforehand; what is timed proposes the orders, lays out the
world, runs the kernel and sums up. Times are of the thread. The readable simulator
runs two weeks of the same bars, and must decide the same before its rate counts.
"""

from __future__ import annotations

import resource
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import date

from arb_pipelines.allocation.hours import market_hours
from arb_pipelines.allocation.parameters import AllocationSettings
from arb_pipelines.allocation.simulation.build import build_world, rules_of, sessions_of
from arb_pipelines.allocation.simulation.generated import generate_panel, hours_from
from arb_pipelines.allocation.simulation.kernel import run_kernel
from arb_pipelines.allocation.simulation.metrics import Metrics, measure
from arb_pipelines.allocation.simulation.opportunities import Rule, propose
from arb_pipelines.allocation.simulation.panel import TICKS, Panel
from arb_pipelines.allocation.simulation.readable import simulate
from arb_pipelines.allocation.simulation.terms import Terms
from arb_pipelines.allocation.simulation.world import World
from arb_pipelines.clock import day_start_ns

FIRST = date(2022, 1, 1)
HOURS, READABLE_HOURS = 365 * 24, 14 * 24
SYMBOLS, RUNS, SEED = 20, 7, 1
SETTINGS = AllocationSettings()


def run() -> list[dict[str, object]]:
    """Measure coins alone, which trade at every hour, and ten stocks beside ten coins."""
    rows = []
    for stocks in (0, SYMBOLS // 2):
        panel = _panel(stocks)
        seconds = _median(lambda panel=panel: _simulate(panel), RUNS)
        found = _simulate(panel)
        sys.stderr.write(f"bench: {found.trades:,} trades, {found.steals:,} steals\n")
        name = f"work stealing, a year of hourly bars, {SYMBOLS - stocks} coins, {stocks} stocks"
        rows.append(_row(name, seconds, bar="<= 0.5 s", holds=seconds <= 0.5))
    world = _world(_first_hours(_panel(SYMBOLS // 2), READABLE_HOURS))
    readable = simulate(world, SETTINGS)
    kernel = run_kernel(world, rules_of(SETTINGS), room=len(readable.decisions) + 1)
    assert readable.decisions.tobytes() == kernel.decisions.tobytes()
    share = HOURS / READABLE_HOURS
    slow = _median(lambda: simulate(world, SETTINGS), 1) * share
    return [*rows, _row("the same by the readable simulator (from two weeks)", slow)]


def _panel(stocks: int) -> Panel:
    ts_open = hours_from(day_start_ns(FIRST), HOURS)
    sessions = sessions_of(ts_open, market_hours("XNYS", FIRST, date(FIRST.year, 12, 31)))
    return generate_panel(ts_open, sessions, stocks=stocks, coins=SYMBOLS - stocks, seed=SEED)


def _first_hours(panel: Panel, hours: int) -> Panel:
    names = ("ts_open", "open", "high", "low", "close", "session", "last")
    rows = {name: getattr(panel, name)[:hours] for name in names}
    return replace(panel, **rows, market_open=panel.market_open[: hours * TICKS])


def _world(panel: Panel) -> World:
    return build_world(panel, propose(panel, Rule()), Terms())


def _simulate(panel: Panel) -> Metrics:
    world = _world(panel)
    return measure(world, run_kernel(world, rules_of(SETTINGS)))


def _median(work: Callable[[], object], runs: int) -> float:
    """Seconds of the thread's own time, median of several runs after one that compiles."""
    work()
    times = []
    for _ in range(runs):
        begun = time.thread_time()
        work()
        times.append(time.thread_time() - begun)
    return statistics.median(times)


def _row(
    name: str, seconds: float, *, bar: str | None = None, holds: bool | None = None
) -> dict[str, object]:
    return {
        "name": name,
        "ours": seconds,
        "peer": None,
        "ratio": None,
        "unit": "s",
        "bar": bar,
        "holds": holds,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
