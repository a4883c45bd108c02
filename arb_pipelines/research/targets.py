"""What a study measures, opened on the lake: which target for which study.

The targets themselves are in ``optimize.targets``. Each is imported when it is opened:
what one needs (kernels, SciPy) takes seconds to import, and no study has use for all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from arb_pipelines.clock import NS_PER_S
from arb_pipelines.errors import ConfigError, DataError
from arb_pipelines.interrupts import undisturbed
from arb_pipelines.lake.bars import read_bars
from arb_pipelines.lake.markets import load_markets
from arb_pipelines.lake.store import Lake
from arb_pipelines.optimize.samplers.random import RandomSampler
from arb_pipelines.optimize.study import Study, is_file
from arb_pipelines.optimize.targets.base import Target
from arb_pipelines.optimize.targets.fields import UnknownParameter
from arb_pipelines.optimize.targets.settings import (
    AllocationTargetSettings,
    BarsSettings,
    TriangleSettings,
)
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
        ConfigError: the target cannot be made, has no such parameter as the study
            chooses, or can use none of its values.
        DataError: a day has no books, or a symbol no bars.
    """
    settings = study.target
    match settings:
        case TriangleSettings():
            opened = _open_triangle(lake, study, settings, days, snapshot)
        case BarsSettings():
            opened = _open_bars(lake, study, settings, days, snapshot)
        case AllocationTargetSettings():
            opened = _open_allocation(lake, study, settings, days, snapshot)
    _check(study, opened.target)
    return opened


def _check(study: Study, target: Target) -> None:
    """Try draws from the space: a search whose every trial would fail does not begin.

    Some values may be refused where others are not, such as a fast window above a
    slow one: those trials fail, which is the search's to learn.
    """
    sampler = RandomSampler(study.parameters, seed=0)
    refused: list[ConfigError] = []
    for number in range(_TRIED):
        try:
            target.check(sampler.ask(number))
        except ConfigError as error:
            refused.append(error)
    unknown = [error for error in refused if isinstance(error, UnknownParameter)]
    if unknown or len(refused) == _TRIED:
        first, *_ = unknown or refused
        raise ConfigError(str(first), source=f"parameters of study {study.name}")


def _open_bars(
    lake: Lake, study: Study, settings: BarsSettings, days: Sequence[date], snapshot: int
) -> OpenedTarget:
    with undisturbed():
        from arb_pipelines.backtest.bars.arrays import bar_arrays
        from arb_pipelines.optimize.targets.bars import BarsTarget

    venue, interval_s = settings.venue, settings.interval_s
    frame = read_bars(
        lake,
        venue,
        settings.symbols,
        min(days),
        max(days),
        interval_s=interval_s,
        snapshot=snapshot,
    )
    arrays = tuple(
        bar_arrays(
            frame, symbol, interval_ns=interval_s * NS_PER_S, source=f"bars of {venue} in the lake"
        )
        for symbol in settings.symbols
    )
    target = BarsTarget(settings, arrays, study.blocks)
    return OpenedTarget(target, target.digest)


def _open_allocation(
    lake: Lake,
    study: Study,
    settings: AllocationTargetSettings,
    days: Sequence[date],
    snapshot: int,
) -> OpenedTarget:
    with undisturbed():
        from arb_pipelines.optimize.targets.allocation import AllocationTarget
        from arb_pipelines.research.allocation_worlds import open_world

    first, calendar = min(days), settings.settings.calendar
    world = open_world(lake, settings.market, first, max(days), calendar, snapshot=snapshot)
    target = AllocationTarget(world, settings.settings, first, study.blocks)
    return OpenedTarget(target, target.digest)


def _open_triangle(
    lake: Lake, study: Study, settings: TriangleSettings, days: Sequence[date], snapshot: int
) -> OpenedTarget:
    with undisturbed():
        from arb_pipelines.backtest.universe import scenario_of
        from arb_pipelines.optimize.shared_books import books_version, make_room, share_books
        from arb_pipelines.optimize.targets.triangle import TriangleTarget, digest_of

    strategy = _strategy(lake, settings.strategy)
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


def _strategy(lake: Lake, name: str) -> Strategy:
    if is_file(name):
        return load_strategy(Path(name), for_backtest=True)
    return find_strategy(lake.settings.strategies, name, for_backtest=True)
