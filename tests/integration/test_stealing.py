"""`arb stealing`: from a study's file to what stealing is worth, in and out of sample."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import polars as pl
import pytest

from arb_pipelines import cli
from arb_pipelines.allocation.simulation.market import SimulatedMarket
from arb_pipelines.allocation.simulation.opportunities import Rule
from arb_pipelines.clock import NS_PER_S, day_start_ns, parse_day
from arb_pipelines.errors import DataError
from arb_pipelines.lake.schemas import BARS
from arb_pipelines.lake.store import Lake
from arb_pipelines.optimize.study import load_study
from arb_pipelines.research.allocation_worlds import open_world
from arb_pipelines.settings import Settings
from tests.conftest import ROOT

STUDY = """
name: small_stealing
target:
  kind: allocation
  market: {stocks: 2, coins: 3, rule: {lookback: 5}, terms: {capital_cents: 3000000}}
days: {first: 2022-01-03, last: 2022-01-14}
windows: {kind: rolling, train_days: 6, test_days: 3}
parameters:
  protection_pct: {type: float, low: 0.0, high: 1.5}
  entry_tolerance_pct: {type: float, low: 0.05, high: 1.3}
sampler: {kind: differential_evolution, population: 5}
trials: 10
objectives: [composite]
landscape: [entry_tolerance_pct, protection_pct]
"""
FIRST, LAST = parse_day("2022-01-03"), parse_day("2022-01-05")


def _arb(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any, str]:
    with pytest.raises(SystemExit) as ended:
        cli.main([*arguments, "--json"])
    said = capsys.readouterr()
    code = ended.value.code
    assert isinstance(code, int)
    return code, orjson.loads(said.out) if said.out else None, said.err


@pytest.fixture
def study(home: Settings, tmp_path: Path) -> str:
    """Path of a small study, in a fresh home."""
    path = tmp_path / "small.yaml"
    path.write_text(STUDY)
    return str(path)


def test_a_study_is_searched_and_its_best_compared(
    study: str, lake: Lake, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every policy has figures, every gain an interval around it; the best is of test days."""
    code, found, _ = _arb(capsys, "stealing", "--study", study, "--worlds", "3")
    assert (code, found["days"], found["worlds"]) == (0, 12, 3)
    assert set(found["metrics"]) == {"stealing", "no_steals", "first_come", "ranked"}
    assert found["metrics"]["stealing"]["trades"] > 0
    assert set(found["gains"]) == {"no_steals", "first_come", "ranked"}
    code, _, said = _arb(capsys, "stealing", "--study", study, "--best")
    assert (code, said.count("\n")) == (2, 1)
    assert "arb optimize" in said
    assert _arb(capsys, "optimize", "--study", study, "--workers", "1")[0] == 0
    code, best, _ = _arb(capsys, "stealing", "--study", study, "--best")
    assert (code, best["days"]) == (0, 6)
    assert set(best["gains"]) == {"stealing", "no_steals", "first_come", "ranked"}
    for gain in [*found["gains"].values(), *best["gains"].values()]:
        assert gain["low"] <= gain["mean"] <= gain["high"]
        assert math.isfinite(gain["high"])
    rows = lake.query("SELECT test_net_profit FROM optimization_best")
    a_year = rows["test_net_profit"].sum() / 30_000.0 / best["days"] * 365 * 100
    assert best["metrics"]["stealing_best"]["return_pct_a_year"] == pytest.approx(a_year)


@pytest.mark.parametrize(
    ("change", "arguments", "reason"),
    [
        (("kind: allocation", "kind: triangle\n  strategy: demo"), (), "market"),
        (("stocks: 2, coins: 3", "stocks: 0, coins: 0"), (), "there is no symbol"),
        (("stocks: 2", "recorded: [demo:BTC-USD], stocks: 2"), (), "has no hourly bars"),
        (("stocks: 2", "recorded: [demo:BTC-USD], stocks: 2"), ("--worlds", "2"), "one world"),
        (("windows: {kind: rolling, train_days: 6, test_days: 3}", ""), ("--best",), "test days"),
        (("[entry_tolerance_pct, ", "[entry_tolerance, "), (), "no numeric parameter"),
    ],
)
def test_mistakes_are_one_line(
    study: str,
    capsys: pytest.CaptureFixture[str],
    change: tuple[str, str],
    arguments: tuple[str, ...],
    reason: str,
) -> None:
    """A study that cannot be compared says why, and exits with 2."""
    Path(study).write_text(STUDY.replace(*change))
    code, _, said = _arb(capsys, "stealing", "--study", study, *arguments)
    assert (code, said.count("\n")) == (2, 1)
    assert reason in said


def test_recorded_symbols_join_generated_ones(lake: Lake) -> None:
    """A recorded bar is in its hour, its holes are holes, and it is crypto."""
    opens = day_start_ns(FIRST) + 3_600 * NS_PER_S * np.delete(np.arange(72), [10, 11])
    bars = pl.DataFrame(
        {
            "venue": "demo",
            "day": [FIRST] * 24 + [parse_day("2022-01-04")] * 24 + [LAST] * 22,
            "symbol": "BTC-USD",
            "interval_s": 3_600,
            "ts_open": opens,
            "open": 100.0,
            "high": 101.0,
            "low": 99.0,
            "close": 100.5,
            "volume": 1.0,
            "source": "test",
            "source_row": np.arange(70),
        }
    )
    lake.replace({"venue": "demo", "symbol": "BTC-USD", "interval_s": 3_600}, {BARS: bars})
    rule = Rule(lookback=5)
    market = SimulatedMarket(recorded=("demo:BTC-USD",), stocks=1, coins=0, rule=rule)
    world = open_world(lake, market, FIRST, LAST, "XNYS")
    assert world.is_stock.tolist() == [1, 0]
    holes = np.flatnonzero(np.isnan(world.path[:, 1, 0]))
    assert holes.tolist() == [10, 11]
    missing = market.model_copy(update={"recorded": ("demo:ETH-USD",)})
    with pytest.raises(DataError, match="demo:ETH-USD has no hourly bars"):
        open_world(lake, missing, FIRST, LAST, "XNYS")


def test_the_shipped_study_is_one(home: Settings) -> None:
    """At least 150 differential-evolution trials a window, on generated data alone."""
    study = load_study(ROOT / "studies" / "work_stealing.yaml")
    assert study.sampler.kind == "differential_evolution"
    assert study.trial_count >= 150
    assert study.target.kind == "allocation"
    assert not study.target.market.recorded
    assert all(window.test for window in study.all_windows)
