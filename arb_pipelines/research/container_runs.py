"""Runs of container files over recorded data: what the containers share comes out of the lake.

What the components do with it is told by their factories (``backtest.components``); how
containers run is ``containers.runner``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from typing import Any

import orjson

from arb_pipelines.backtest.bars.arrays import bar_arrays
from arb_pipelines.backtest.scenario import Books
from arb_pipelines.clock import NS_PER_S
from arb_pipelines.containers.modes import ThreadModel
from arb_pipelines.containers.registry import Plan
from arb_pipelines.containers.runner import ContainerReport, run_containers
from arb_pipelines.containers.spec import UNIVERSE, ContainerSpec
from arb_pipelines.errors import ConfigError, DataError
from arb_pipelines.lake.bars import interval_seconds, read_bars
from arb_pipelines.lake.books import iter_levels
from arb_pipelines.lake.markets import load_markets
from arb_pipelines.lake.store import Lake
from arb_pipelines.research.backtests import load_scenario
from arb_pipelines.trading.parameters import Strategy

_BARS = "arb_pipelines.backtest.components.single:shared_bars"
_CYCLES = "arb_pipelines.backtest.components.cycles:cycle_universe"


@dataclass(frozen=True, slots=True)
class DataChoice:
    """Which recorded data: a venue, days in order, the length of bars, the lake's snapshot."""

    venue: str | None
    days: tuple[date, ...]
    interval: str
    snapshot: int


@dataclass(frozen=True, slots=True)
class _Bars:
    """Opens bars of some symbols, in whichever process they are shared, and the venue's markets."""

    lake: Lake
    venue: str
    symbols: tuple[str, ...]
    choice: DataChoice

    def __call__(self) -> Mapping[str, object]:
        lake, venue, choice = self.lake, self.venue, self.choice
        first, last = choice.days[0], choice.days[-1]
        seconds = interval_seconds(choice.interval)
        frame = read_bars(
            lake, venue, self.symbols, first, last, interval_s=seconds, snapshot=choice.snapshot
        )
        interval_ns = seconds * NS_PER_S
        return {
            "bars": {
                symbol: bar_arrays(
                    frame, symbol, interval_ns=interval_ns, source=f"bars of {venue}"
                )
                for symbol in self.symbols
            },
            "markets": load_markets(lake, venue, first, snapshot=choice.snapshot),
        }


@dataclass(frozen=True, slots=True)
class _Books:
    """Opens one day's books, as a strategy's cycles need them, and the venue's markets."""

    lake: Lake
    strategy: Strategy
    day: date
    snapshot: int

    def __call__(self) -> Mapping[str, object]:
        lake, venue = self.lake, self.strategy.exchange
        scenario = load_scenario(lake, self.strategy, self.day, snapshot=self.snapshot)
        levels = iter_levels(lake, venue, self.day, scenario.cycles.symbols, snapshot=self.snapshot)
        books = tuple(Books(*(getattr(part, name) for name in Books._fields)) for part in levels)
        if not books:
            raise DataError(
                f"there are no books of {venue} on {self.day}; see `arb ingest --help`",
                source="book_tops",
            )
        markets = load_markets(lake, venue, self.day, snapshot=self.snapshot)
        return {"day": self.day, "markets": markets, "books": books}


def run_plan(lake: Lake, plan: Plan, choice: DataChoice) -> list[ContainerReport]:
    """Run a container over bars once, over books once a day, else once and without the lake.

    Containers on books are named after their day too, and days run one after the other.

    Raises:
        ConfigError: the data is not named that the components ask for.
        DataError: the lake does not have it.
    """
    reports: list[ContainerReport] = []
    for spec, opener in _jobs(lake, plan.spec, choice):
        if opener is not None and plan.thread_model is ThreadModel.PROCESS_PARALLEL:
            opener()  # what is missing is said here, not as the end of a worker
        reports += run_containers(
            [spec],
            plan.mode,
            model=plan.thread_model,
            workers=plan.workers,
            open_shared=opener,
            memory_limit_mib=plan.memory_limit_mib,
        )
    return reports


def _jobs(
    lake: Lake, spec: ContainerSpec, choice: DataChoice
) -> Iterator[tuple[ContainerSpec, _Bars | _Books | None]]:
    uses = list(_uses(spec))
    asked = {factory for factory, _ in uses}
    if not asked & {_BARS, _CYCLES}:
        yield spec, None
        return
    if not choice.days:
        raise ConfigError("it plays recorded data: name the --days", source=spec.name)
    universe = spec.component(UNIVERSE)
    if universe is not None and universe.factory == _CYCLES:
        strategy = Strategy.model_validate_json(universe.params)
        if choice.venue is not None:
            strategy = strategy.model_copy(update={"exchange": choice.venue})
        for day in choice.days:
            yield (
                replace(spec, name=f"{spec.name}_{day}"),
                _Books(lake, strategy, day, choice.snapshot),
            )
        return
    if choice.venue is None:
        raise ConfigError("it plays bars: name their --venue", source=spec.name)
    symbols = {params["symbol"] for factory, params in uses if factory == _BARS}
    yield spec, _Bars(lake, choice.venue, tuple(sorted(symbols)), choice)


def _uses(spec: ContainerSpec) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give factory and parameters of every component, children's included."""
    for _, made in spec.components:
        yield made.factory, orjson.loads(made.params)
    for child in spec.children:
        yield from _uses(child)


def describe(plan: Plan, choice: DataChoice, reports: Sequence[ContainerReport]) -> dict[str, Any]:
    """Put reports into what JSON and a table can show."""
    return {
        "container": plan.spec.name,
        "mode": plan.mode,
        "thread_model": plan.thread_model,
        "snapshot": choice.snapshot,
        "failed": sum(report.error is not None for report in reports),
        "reports": [
            {
                "name": report.name,
                "error": report.error,
                "teardown": report.teardown,
                "metrics": asdict(report.metrics) if report.metrics is not None else None,
            }
            for report in reports
        ],
    }
