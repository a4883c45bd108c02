"""Strategy files: what is read, and how a mistake is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from arb_pipelines.errors import ConfigError
from arb_pipelines.trading.parameters import Constant, FixedFraction, LogNormal
from arb_pipelines.trading.strategy import load_strategy

GOOD = """\
name: test
exchange: demo
universe:
  start: [USDT, BTC]
  max_length: 4
min_profit_bps: 2.5
capital_allocation: {mode: fixed_fraction, fraction: 0.1}
balances: {USDT: 1000, BTC: 0.5}
latency:
  decision_ms: 0.2
  leg_ms: {distribution: lognormal, median_ms: 8, p99_ms: 40}
slots: 2
"""


def _write(folder: Path, text: str) -> Path:
    path = folder / "strategy.yaml"
    path.write_text(text)
    return path


def test_reads_values_and_fills_in_defaults(tmp_path: Path) -> None:
    """What the file says is taken, what it does not say has its documented default."""
    strategy = load_strategy(_write(tmp_path, GOOD))
    assert strategy.start == ("USDT", "BTC")
    assert strategy.lengths == (3, 4)
    assert strategy.capital_allocation == FixedFraction(mode="fixed_fraction", fraction=0.1)
    assert strategy.latency.decision_ms == Constant(ms=0.2)
    assert isinstance(strategy.latency.leg_ms, LogNormal)
    assert strategy.max_slippage_bps == 10.0
    assert strategy.isolation.symbol


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("fraction: 0.1", "fraction: 1.5", 7, "capital_allocation.fraction"),
        ("slots: 2", "slotz: 2", 12, "slotz: unknown parameter"),
        ("median_ms: 8", "median: 8", 11, "latency.leg_ms.median: unknown parameter"),
        ("mode: fixed_fraction", "mode: all_in", 7, "fixed_amount"),
        ("min_profit_bps: 2.5", "", 1, "min_profit_bps: Field required"),
        ("min_profit_bps: 2.5", "min_profit_bps: .nan", 6, "finite"),
        ("start: [USDT, BTC]", "start: [USDT, EUR]", 1, "no balance for start currency EUR"),
        ("USDT: 1000", "USDT: -1", 8, "balances.USDT"),
        ("slots: 2", "slots: 2\nslots: 3", 13, "slots: given twice"),
        ("slots: 2", "slots: [", 13, "is not YAML"),
        ("max_length: 4", "max_length: 9", 5, "universe.max_length"),
        ("decision_ms: 0.2", "decision_ms: soon", 10, "latency.decision_ms"),
    ],
)
def test_names_the_line_of_a_mistake(
    tmp_path: Path, old: str, new: str, line: int, words: str
) -> None:
    """The error says file, line, parameter and reason."""
    path = _write(tmp_path, GOOD.replace(old, new))
    with pytest.raises(ConfigError) as caught:
        load_strategy(path)
    assert caught.value.line == line
    assert caught.value.source == str(path)
    assert words in str(caught.value)


def test_digest_is_of_the_parameters_not_of_the_layout(tmp_path: Path) -> None:
    """Comments, order and written-out defaults leave the digest; another value changes it."""
    digest = load_strategy(_write(tmp_path, GOOD)).digest
    first, rest = GOOD.split("\n", 1)
    moved = f"# a comment\n{rest}{first}\nseed: 0\n"
    assert load_strategy(_write(tmp_path, moved)).digest == digest
    assert load_strategy(_write(tmp_path, GOOD + "seed: 1\n")).digest != digest


def test_pairs_file_takes_the_place_of_a_universe(tmp_path: Path) -> None:
    """Symbols stand one a line beside the strategy, and count in its digest."""
    head, tail = GOOD.split("universe:")[0], GOOD[GOOD.index("min_profit") :]
    pairs = tmp_path / "pairs.txt"
    path = _write(tmp_path, f"{head}trading_pairs_file: pairs.txt\n{tail}")
    pairs.write_text("btc-usdt  # hub\n\nETH-USDT\nETH-BTC\n")
    strategy = load_strategy(path)
    assert strategy.trading_pairs == ("BTC-USDT", "ETH-BTC", "ETH-USDT")
    assert strategy.start == ("BTC", "USDT")
    pairs.write_text("BTC-USDT\nETH-USDT\nETH-BTC\nSOL-BTC\n")
    assert load_strategy(path).digest != strategy.digest
    pairs.write_text("BTC-USDT\nETHUSDT\n")
    with pytest.raises(ConfigError, match=r"pairs.txt:2: 'ETHUSDT' is not BASE-QUOTE"):
        load_strategy(path)


def test_refuses_both_a_universe_and_pairs(tmp_path: Path) -> None:
    """One of the two says what is traded."""
    with pytest.raises(ConfigError, match="trading_pairs"):
        load_strategy(_write(tmp_path, GOOD + "trading_pairs: [A-B, B-C, A-C]\n"))


def test_a_missing_file_is_a_config_error(tmp_path: Path) -> None:
    """The path is named."""
    with pytest.raises(ConfigError, match=r"nowhere.yaml: cannot be read"):
        load_strategy(tmp_path / "nowhere.yaml")


STRATEGIES = Path(__file__).resolve().parents[2] / "strategies"


@pytest.mark.parametrize("path", sorted(STRATEGIES.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_strategies_of_the_project_are_read(path: Path) -> None:
    """Every strategy file that comes with the project is valid and named as its file."""
    assert load_strategy(path).name == path.stem


@pytest.mark.parametrize("text", ["a: &a [*a]\n", "a: " + "[" * 3000])
def test_a_file_without_a_bottom_is_refused(tmp_path: Path, text: str) -> None:
    """An alias of itself, or nesting without end, is a mistake in the file and not a crash."""
    file = tmp_path / "deep.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match="nested too deeply"):
        load_strategy(file)
