"""Reading strategy files: YAML in, a checked ``Strategy`` out, or an error with its line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from arb_pipelines.errors import ConfigError
from arb_pipelines.trading.parameters import Strategy
from arb_pipelines.yaml_files import mistake_at, read_model

__all__ = ["Strategy", "load_strategy"]


def load_strategy(path: Path, *, for_backtest: bool = False) -> Strategy:
    """Read and check one strategy file; ``for_backtest`` it must say what is in hand.

    Raises:
        ConfigError: it is missing, is not YAML, or a parameter is unknown,
            absent or out of range; names file, line and parameter.
    """

    def add_pairs(data: dict[str, Any]) -> None:
        file = data.get("trading_pairs_file")
        if isinstance(file, str) and "trading_pairs" not in data:
            data["trading_pairs"] = _read_pairs(path.parent / file)

    strategy = read_model(path, Strategy, add_pairs)
    if for_backtest and strategy.balances is None:
        example = ", ".join(f"{currency}: 1000" for currency in strategy.start)
        raise mistake_at(
            path,
            ("balances",),
            "a session takes what the account has free, a backtest or study has no account; "
            f"write what is in hand, such as balances: {{{example}}}",
        )
    return strategy


def _read_pairs(path: Path) -> tuple[str, ...]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", source=str(path)) from None
    pairs: set[str] = set()
    for number, line in enumerate(lines, start=1):
        symbol = line.partition("#")[0].strip().upper()
        if not symbol:
            continue
        base, dash, quote = symbol.partition("-")
        if not (base and dash and quote) or " " in symbol:
            raise ConfigError(f"{symbol!r} is not BASE-QUOTE", source=str(path), line=number)
        pairs.add(symbol)
    if not pairs:
        raise ConfigError("names no symbol", source=str(path))
    return tuple(sorted(pairs))
