"""What was understood of a strategy's file, without asking its venue anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from arb_pipelines.clock import day_of, now_ns
from arb_pipelines.errors import ConfigError, DataError
from arb_pipelines.lake.markets import load_markets
from arb_pipelines.lake.store import Lake
from arb_pipelines.trading.cycles.choice import choose_cycles
from arb_pipelines.trading.parameters import Strategy
from arb_pipelines.trading.strategy import load_strategy
from arb_pipelines.trading.strategy_fields import given_values
from arb_pipelines.yaml_files import mistake_at


@dataclass(frozen=True, slots=True)
class Understood:
    """A strategy and the number of its cycles; ``None`` where the lake has no such markets.

    ``values`` are all parameters by dotted name, each with whether the file gives it.
    """

    strategy: Strategy
    cycles: int | None
    symbols: int | None
    values: Mapping[str, tuple[Any, bool]]


def understand(lake: Lake, file: Path) -> Understood:
    """Read a strategy's file, and count its cycles over the markets that the lake has last.

    Raises:
        ConfigError: the file is wrong, or the venue's markets have none of its cycles, or not
            all of its symbols; names file and line.
    """
    strategy = load_strategy(file)
    values = {name: (value, given) for name, value, given in given_values(strategy)}
    today = day_of(now_ns())
    try:
        markets = load_markets(lake, strategy.exchange, today)
    except DataError:  # no lake yet
        markets = ()
    if not markets:
        return Understood(strategy, None, None, values)
    try:
        _, cycles = choose_cycles(strategy, markets, today, max_cycles=lake.settings.max_cycles)
    except (ConfigError, DataError) as error:
        raise mistake_at(file, (_cycles_of(strategy),), error.reason) from None
    return Understood(strategy, len(cycles), len(cycles.symbols), values)


def _cycles_of(strategy: Strategy) -> str:
    """Name the parameter by which a strategy says what it trades."""
    if strategy.universe is not None:
        return "universe"
    return "trading_pairs" if strategy.trading_pairs_file is None else "trading_pairs_file"
