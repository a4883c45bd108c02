"""The demo's market: generated, put where recordings of a real venue would be put.

What follows is the main job, as for any venue; nothing else knows of the demo.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from arb_pipelines.generator.planted import Planting
from arb_pipelines.generator.write import Generated, generate
from arb_pipelines.lake.store import Lake
from arb_pipelines.settings import Settings

VENUE = "demo"
DAYS = (date(2026, 1, 5), date(2026, 1, 6))

#: Dislocations a day, their gross edge and life: enough to be found, and said in the result.
_PLANTING = Planting(count=20, gross_bps=40.0, life_ms=500)


def land_demo_market(
    settings: Settings,
    *,
    seed: int,
    symbols: int,
    minutes: float,
    progress: Callable[[int], None],
) -> Generated:
    """Generate the market of ``DAYS`` and move its files into the landing folder.

    The same arguments land the same bytes, so that landing them again changes nothing.
    """
    made = generate(
        settings.root / "generated",
        days=DAYS,
        venue=VENUE,
        symbols=symbols,
        minutes=minutes,
        seed=seed,
        planting=_PLANTING,
        progress=progress,
    )
    landing = settings.landing / VENUE
    for folder in ("recording", "symbols_kucoin"):
        (landing / folder).mkdir(parents=True, exist_ok=True)
    for file in made.recordings:
        shutil.move(file.path, landing / "recording" / file.path.name)
    shutil.copy(made.symbol_list.path, landing / "symbols_kucoin" / f"{DAYS[0]}.json")
    return made


@dataclass(frozen=True, slots=True)
class DemoResult:
    """Rows of the demo's tables, and net profit by strategy and start currency."""

    books: int
    cycles: int
    opportunities: int
    trades: int
    net_profit: dict[str, float]


def demo_result(lake: Lake) -> DemoResult:
    """Count what the jobs left in the lake for the demo's venue."""
    counts = lake.query(
        "SELECT (SELECT count(*) FROM book_tops WHERE venue = $1) AS books, "
        "(SELECT max(n) FROM (SELECT count(*) AS n FROM cycles WHERE venue = $1 GROUP BY day)) "
        "AS cycles, (SELECT count(*) FROM opportunities WHERE venue = $1) AS opportunities, "
        "(SELECT count(*) FROM backtest_trades WHERE venue = $1) AS trades",
        [VENUE],
    ).row(0, named=True)
    profits = lake.query(
        "SELECT strategy || ', ' || start_currency AS name, sum(net_profit) AS net "
        "FROM backtest_summaries WHERE venue = ? GROUP BY ALL ORDER BY 1",
        [VENUE],
    )
    return DemoResult(
        **{name: count or 0 for name, count in counts.items()},
        net_profit=dict(profits.iter_rows()),
    )
