"""The folder of strategy files: which strategies there are, by name.

What a file may say belongs in ``trading``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from arb_pipelines.errors import ConfigError
from arb_pipelines.research.named_files import find_in_folder, load_folder
from arb_pipelines.trading.strategy import Strategy, load_strategy


def load_strategies(folder: Path) -> tuple[dict[str, Strategy], list[ConfigError]]:
    """Read the strategies of ``folder`` by name, and what is wrong with its other files."""
    return load_folder(folder, load_strategy, "strategy")


def find_strategy(folder: Path, name: str, *, for_backtest: bool = False) -> Strategy:
    """Read the strategy named ``name``; ``for_backtest`` it must say what is in hand.

    Raises:
        ConfigError: no file in ``folder`` has it; the message names the broken files, if any.
    """
    return load_strategy(find_strategy_file(folder, name), for_backtest=for_backtest)


def find_strategy_file(folder: Path, name: str) -> Path:
    """Find the file of the strategy named ``name``.

    Raises:
        ConfigError: as ``find_strategy``.
    """
    return find_in_folder(folder, name, _filed, "strategy").path


@dataclass(frozen=True, slots=True)
class _Filed:
    """A strategy's file, known by the name written in it."""

    name: str
    path: Path


def _filed(path: Path) -> _Filed:
    return _Filed(load_strategy(path).name, path)
