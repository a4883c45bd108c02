"""What a study measures, opened on the lake: which target for which study.

The targets themselves are in ``optimize.targets``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from arb_pipelines.backtest.universe import scenario_of
from arb_pipelines.errors import DataError
from arb_pipelines.lake.markets import load_markets
from arb_pipelines.lake.store import Lake
from arb_pipelines.optimize.samplers.random import RandomSampler
from arb_pipelines.optimize.shared_books import books_version, make_room, share_books
from arb_pipelines.optimize.study import Study
from arb_pipelines.optimize.targets.base import Target
from arb_pipelines.optimize.targets.triangle import TriangleTarget, digest_of
from arb_pipelines.research.strategies import find_strategy
from arb_pipelines.trading.strategy import Strategy, load_strategy

#: Draws from the space that the target has to accept before a search begins.
_TRIED = 32


@dataclass(frozen=True, slots=True)
class OpenedTarget:
    """A target over some days, and the SHA-256 of all that its results depend on."""

    target: Target
    digest: str


def open_target(lake: Lake, study: Study, days: Sequence[date], *, snapshot: int) -> OpenedTarget:
    """Open what ``study`` measures over ``days``, as of ``snapshot``.

    Raises:
        ConfigError: the target cannot be made, or lacks a parameter of the study.
        DataError: a day has no data.
    """
    strategy = _strategy(lake, study.target.strategy)
    opened = _open_triangle(lake, study, strategy, days, snapshot)
    sampler = RandomSampler(study.parameters, seed=0)
    for number in range(_TRIED):
        opened.target.check(sampler.ask(number))
    return opened


def _strategy(lake: Lake, name: str) -> Strategy:
    if "/" in name or name.endswith(".yaml"):
        return load_strategy(Path(name))
    return find_strategy(lake.settings.strategies, name)


def _open_triangle(
    lake: Lake, study: Study, strategy: Strategy, days: Sequence[date], snapshot: int
) -> OpenedTarget:
    venue = strategy.exchange
    versions = {str(day): books_version(lake, venue, day, snapshot=snapshot) for day in days}
    empty = [day for day, version in versions.items() if not version.rows]
    if empty:
        raise DataError(
            f"there are no books of {venue} on {', '.join(empty)}; see `arb ingest --help`, or "
            "change the days of the study",
            source="book_tops",
        )
    markets = {str(day): load_markets(lake, venue, day, snapshot=snapshot) for day in days}
    most = lake.settings.max_cycles
    files = []
    for day in days:
        cycles = scenario_of(strategy, markets[str(day)], day, max_cycles=most).cycles
        files.append(share_books(lake, venue, day, cycles.symbols, snapshot=snapshot))
    make_room(lake, files)
    target = TriangleTarget(lake, strategy, markets, study.blocks, snapshot)
    return OpenedTarget(target, digest_of(target, versions))
