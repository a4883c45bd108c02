"""A folder of strategy files is read by name, and one broken file does not hide the others."""

from pathlib import Path

import pytest

from arb_pipelines.errors import ConfigError
from arb_pipelines.research.strategies import find_strategy, load_strategies

GOOD = """
name: {name}
exchange: demo
universe: {{start: [USDT]}}
min_profit_bps: 1
capital_allocation: {{mode: fixed_amount, amount: 100}}
balances: {{USDT: 1000}}
"""


def put(folder: Path, file: str, text: str) -> None:
    """Write one strategy file."""
    (folder / file).write_text(text)


def test_strategies_come_by_name_beside_a_broken_file(tmp_path: Path) -> None:
    """The good ones are read, the broken one is an error that names its file."""
    put(tmp_path, "a.yaml", GOOD.format(name="alpha"))
    put(tmp_path, "b.yaml", "name: [")
    put(tmp_path, "c.yaml", GOOD.format(name="gamma"))
    strategies, errors = load_strategies(tmp_path)
    assert sorted(strategies) == ["alpha", "gamma"]
    assert [Path(str(error.source)).name for error in errors] == ["b.yaml"]


def test_the_second_file_with_a_name_is_refused(tmp_path: Path) -> None:
    """Two files with one name would overwrite each other's results."""
    put(tmp_path, "a.yaml", GOOD.format(name="alpha"))
    put(tmp_path, "b.yaml", GOOD.format(name="alpha"))
    strategies, errors = load_strategies(tmp_path)
    assert list(strategies) == ["alpha"]
    assert "already has a strategy named 'alpha'" in str(errors[0])


def test_an_unknown_name_says_what_is_broken(tmp_path: Path) -> None:
    """Whoever looks for a strategy in a broken file is led to that file."""
    put(tmp_path, "b.yaml", "name: [")
    with pytest.raises(ConfigError, match=r"no strategy is named 'beta'.*b\.yaml"):
        find_strategy(tmp_path, "beta")


def test_a_missing_folder_has_no_strategies(tmp_path: Path) -> None:
    """A home without strategies is not an error until one is asked for."""
    assert load_strategies(tmp_path / "none") == ({}, [])
