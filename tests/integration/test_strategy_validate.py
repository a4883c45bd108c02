"""`arb strategy validate`: what a person is told of a file, right or wrong, without a venue."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

from arb_pipelines import cli
from arb_pipelines.lake.markets import store_markets
from arb_pipelines.lake.store import Lake
from tests.fakes.backtest_worlds import market

LEAST = """\
name: least
exchange: kucoin
trading_pairs: [BTC-USDT, ETH-BTC, ETH-USDT]
min_profit_bps: 5
max_slippage_bps: 10
capital_allocation: {mode: fixed_fraction, fraction: 0.1}
"""
DAY = date(2026, 1, 5)


def validate(capsys: pytest.CaptureFixture[str], file: Path, *flags: str) -> tuple[int, str, str]:
    """Run the command; give exit code, stdout and stderr."""
    with pytest.raises(SystemExit) as left:
        cli.main(["strategy", "validate", str(file), *flags])
    captured = capsys.readouterr()
    return int(left.value.code or 0), captured.out, captured.err


def write(folder: Path, text: str) -> Path:
    """Write a strategy's file."""
    path = folder / "least.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def know(lake: Lake, *symbols: str) -> None:
    """Have the lake know a venue's symbols."""
    store_markets(lake, "kucoin", DAY, [market(symbol) for symbol in symbols], list_day=DAY)


def test_it_shows_what_was_understood(
    lake: Lake, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a list of the venue's symbols: how many cycles; defaults are marked."""
    know(lake, "BTC-USDT", "ETH-BTC", "ETH-USDT", "SOL-USDT")
    file = write(tmp_path, LEAST)
    code, out, _ = validate(capsys, file)
    assert code == 0
    lines = [line.split() for line in out.splitlines()]
    assert ["cycles", "2"] in lines
    assert ["start", "USDT"] in lines
    assert ["min_profit_bps", "5"] in lines
    assert ["slots", "1", "default"] in lines
    code, out, _ = validate(capsys, file, "--json")
    said = json.loads(out)
    assert (said["cycles"], said["symbols"]) == (2, 3)
    assert "slots" in said["defaults"]
    assert "min_profit_bps" not in said["defaults"]
    assert said["parameters"]["capital_allocation"]["fraction"] == 0.1


def test_it_works_before_anything_is_known_of_the_venue(
    lake: Lake, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No list of symbols: no count, and no error."""
    code, out, _ = validate(capsys, write(tmp_path, LEAST), "--json")
    assert code == 0
    assert json.loads(out)["cycles"] is None


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("fraction: 0.1", "fraction: 7", ":6: capital_allocation.fraction: "),
        ("min_profit_bps: 5", "min_profit: 5", ":4: min_profit: unknown parameter"),
        ("ETH-BTC", "ETH-EUR", ":3: trading_pairs: kucoin has no ETH-EUR"),
        ("ETH-BTC, ETH-USDT", "SOL-USDT, ETH-USDT", ":3: trading_pairs: the markets of kucoin"),
        ("trading_pairs: [BTC-USDT, ETH-BTC, ETH-USDT]", "universe: {start: [X]}", ":3: universe"),
    ],
)
def test_a_mistake_is_one_line_with_its_place(
    lake: Lake,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    old: str,
    new: str,
    said: str,
) -> None:
    """File, line, parameter and reason on stderr, nothing on stdout, exit code 2."""
    know(lake, "BTC-USDT", "ETH-BTC", "ETH-USDT", "SOL-USDT")
    file = write(tmp_path, LEAST.replace(old, new))
    code, out, errors = validate(capsys, file)
    assert (code, out) == (2, "")
    assert errors.count("\n") == 1
    assert f"arb: {file}{said}" in errors
