"""The folder of strategy files: which strategies there are, by name.

What a file may say belongs in ``trading``.
"""

from __future__ import annotations

from pathlib import Path

from arb_pipelines.errors import ConfigError
from arb_pipelines.trading.strategy import Strategy, load_strategy


def load_strategies(folder: Path) -> tuple[dict[str, Strategy], list[ConfigError]]:
    """Read every ``*.yaml`` in ``folder``: strategies by name, and what is wrong with the others.

    A broken file must not stop the strategies beside it, so its error is a
    value. Of two files with the same name the second, by path, is the broken one.
    """
    strategies: dict[str, Strategy] = {}
    errors: list[ConfigError] = []
    for path in sorted(folder.glob("*.yaml")):
        try:
            strategy = load_strategy(path)
        except ConfigError as error:
            errors.append(error)
            continue
        if strategy.name in strategies:
            reason = f"another file already has a strategy named {strategy.name!r}"
            errors.append(ConfigError(reason, source=str(path)))
        else:
            strategies[strategy.name] = strategy
    return strategies, errors


def find_strategy(folder: Path, name: str) -> Strategy:
    """Read the strategy named ``name``.

    Raises:
        ConfigError: no file in ``folder`` has it; the message names the broken files, if any.
    """
    strategies, errors = load_strategies(folder)
    if name in strategies:
        return strategies[name]
    broken = "".join(f"; {error}" for error in errors)
    raise ConfigError(f"no strategy is named {name!r}{broken}", source=str(folder))
