"""`arb optimize`: one document, the same for any number of workers; mistakes in one line."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pytest

from arb_pipelines import cli
from arb_pipelines.clock import NS_PER_S, day_of
from arb_pipelines.lake.markets import store_markets
from arb_pipelines.lake.schemas import BARS
from arb_pipelines.lake.store import Lake
from arb_pipelines.optimize.journal import read_journal
from arb_pipelines.optimize.study import load_study
from arb_pipelines.research.backtests import run_backtest
from arb_pipelines.research.optimisation import run_window
from arb_pipelines.trading.parameters import Strategy
from tests.conftest import ROOT
from tests.fakes.backtest_worlds import DAY, random_world, store_world
from tests.fakes.bar_worlds import random_bars

STRATEGY = """
name: cli
exchange: demo
universe: {start: [USDT]}
min_profit_bps: 1
capital_allocation: {mode: fixed_fraction, fraction: 0.5}
balances: {USDT: 1000}
fee_bps: 0
"""
STUDY = """
name: small
target: {kind: triangle, strategy: cli.yaml}
days: {first: 2025-01-01, last: 2025-01-03}
windows: {kind: rolling, train_days: 1, test_days: 1}
parameters:
  min_profit_bps: {type: float, low: 0.5, high: 50, log: true}
  slots: {type: int, low: 1, high: 4}
objectives: [net_profit]
sampler: {kind: tpe, startup_trials: 4}
trials: 12
seed: 3
"""


@pytest.fixture
def study_file(lake: Lake, tmp_path: Path) -> Path:
    """Three days of books in which much happens, and a study of them beside its strategy."""
    world = random_world(4, depth=3)
    store_markets(lake, "demo", DAY, world.markets, list_day=DAY)
    for number in range(3):
        books = random_world(4, depth=3, updates=300 + 50 * number)
        store_world(lake, books, DAY.replace(day=1 + number))
    (tmp_path / "cli.yaml").write_text(STRATEGY)
    path = tmp_path / "study.yaml"
    path.write_text(STUDY)
    return path


def _run(*arguments: object, code: int = 0) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["optimize", *map(str, arguments)])
    assert ended.value.code == code


def _document(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, Any]:
    _run(*arguments, "--json")
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    document: dict[str, Any] = orjson.loads(out)
    return document


def test_the_document_does_not_depend_on_the_workers(
    lake: Lake, study_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Trials, best, windows and digest; the best's profit is what a backtest of it earns."""
    one = _document(capsys, "--study", study_file, "--workers", 1)
    two = _document(capsys, "--study", study_file, "--workers", 2, "--fresh", "--window", "w01")
    assert (one["study"], one["trials"], one["failed"]) == ("small", 24, 0)
    assert [window["window"] for window in one["windows"]] == ["w00", "w01"]
    newest = one["windows"][-1]
    assert [window["digest"] for window in two["windows"]] == [newest["digest"]]
    assert one["best"] == two["best"]
    assert one["drift"] >= 0
    assert newest["unknown"].startswith("pbo: it takes two complete trials")
    assert newest["front"] is None
    assert (newest["train"], newest["test"]) == ("2025-01-02", "2025-01-03")
    assert one["best"] == {"params": newest["params"], "value": newest["value"]}
    content = {**_strategy(), **one["best"]["params"], "name": "best"}
    best = Strategy.model_validate(content)
    for day, value in ((2, one["best"]["value"]), (3, one["out_of_sample"])):
        report = run_backtest(lake, best, DAY.replace(day=day))
        assert report.summaries["net_profit"].item() == value


def _strategy() -> dict[str, Any]:
    return {
        "exchange": "demo",
        "universe": {"start": ["USDT"]},
        "capital_allocation": {"mode": "fixed_fraction", "fraction": 0.5},
        "balances": {"USDT": 1000},
        "fee_bps": 0,
    }


def test_people_get_a_table(study_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without --json: the figures, the best parameters, a line a window; progress elsewhere."""
    several = STUDY.replace("[net_profit]", "[net_profit, {metric: trades, direction: minimise}]")
    study_file.write_text(several)
    _run("--study", study_file, "--workers", 1, "--window", "w01", "--seed", 4)
    out, err = capsys.readouterr()
    for words in ("Best of w01", "min profit bps", "In and out of sample", "Pareto front of w01"):
        assert words in out
    assert "w00" not in out
    assert "pbo: it takes two" in " ".join(err.split())
    digest = out.partition("digest")[2].partition("Best")[0]
    assert len("".join(digest.split())) == 64


def test_a_mistake_is_one_line_and_exit_code_2(
    study_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is wrong and where, on stderr; nothing on stdout."""
    for old, new, words in (
        (
            "slots:",
            "slot:",
            "study small: slot: the target has no such parameter; did you mean slots",
        ),
        ("low: 0.5", "low: 60", "low is greater than high"),
        ("cli.yaml", "nowhere.yaml", "nowhere.yaml: cannot be read"),
        ("strategy: cli.yaml", "strategy: nobody", "no strategy is named 'nobody'"),
        ("2025-01-03", "2025-01-09", "there are no books of demo on 2025-01-0"),
        ("high: 4}", "high: 400}\n  fee_bps: {type: int, low: -9, high: -8}", "fee_bps: Input"),
    ):
        study_file.write_text(STUDY.replace(old, new))
        _run("--study", study_file, "--workers", 1, "--window", _window(new), code=2)
        out, err = capsys.readouterr()
        assert out == ""
        assert words in err
        assert "Traceback" not in err


def _window(days: str) -> str:
    """The window that the day at fault is in."""
    return "w03" if days == "2025-01-09" else "w00"


def test_ctrl_c_and_sigterm_leave_a_search_that_goes_on(study_file: Path, lake: Lake) -> None:
    """Both end it with exit code 130 and a hint; no worker is left, and the next run continues."""
    study_file.write_text(STUDY.replace("trials: 12", "trials: 3000").replace("tpe", "random", 1))
    study_file.write_text(study_file.read_text().replace(", startup_trials: 4", ""))
    journal = lake.root / "studies" / "small" / "w00.journal"
    command = [sys.executable, "-m", "arb_pipelines.cli", "optimize", "--workers", "2"]
    had = 0
    for asked in (signal.SIGINT, signal.SIGTERM):
        process = subprocess.Popen(
            [*command, "--study", str(study_file)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        _until(lambda had=had: _recorded(journal) >= had + 20)
        children = _children(process.pid)
        process.send_signal(asked)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 130, err
        assert out == ""
        assert "the same command goes on from here" in " ".join(err.split())
        assert children
        _until(lambda children=children: not any(map(_is_alive, children)))
        had = _recorded(journal)
    assert 40 <= had < 3000


def _recorded(journal: Path) -> int:
    recorded = read_journal(journal)
    return 0 if recorded is None else len(recorded.records)


def _children(pid: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        if parent == pid:
            found.append(int(stat.parent.name))
    return found


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _until(condition: Any) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.02)


def test_a_study_of_bars_runs_from_the_lake(lake: Lake, tmp_path: Path) -> None:
    """Hourly bars of the lake, a grid over the two windows, pruned between days."""
    bars = random_bars(7, 500)
    first = day_of(int(bars.ts_open[0]))
    frame = pl.DataFrame(
        {name: getattr(bars, name) for name in ("ts_open", "open", "high", "low", "close")}
        | {"volume": bars.volume}
    ).with_columns(
        venue=pl.lit("demo"),
        symbol=pl.lit(bars.symbol),
        interval_s=pl.lit(bars.interval_ns // NS_PER_S, pl.Int32),
        day=pl.Series([day_of(int(ts)) for ts in bars.ts_open]),
        source=pl.lit("test"),
    )
    keys = {"venue": "demo", "symbol": bars.symbol, "interval_s": 3600}
    lake.replace(keys, {BARS: frame.select(BARS.names)})
    path = tmp_path / "bars.yaml"
    path.write_text(
        "name: crosses\n"
        f"target: {{kind: bars, strategy: sma_cross, venue: demo, symbols: [{bars.symbol}],\n"
        "  fixed: {fraction: 0.5}}\n"
        f"days: {{first: {first}, last: {first.replace(day=first.day + 9)}}}\n"
        "windows: {kind: rolling, train_days: 6, test_days: 4}\n"
        "parameters:\n"
        "  fast: {type: int, low: 2, high: 6, step: 2}\n"
        "  slow: {type: int, low: 5, high: 20, step: 5}\n"
        "objectives: [profit_less_drawdown]\n"
        "sampler: {kind: grid}\n"
        "look_back: 2\n"
        "pruning: {percentile: 50, after_trials: 3}\n"
    )
    report = run_window(lake, load_study(path), "w00", workers=1)
    states = dict(report.trials["state"].value_counts().iter_rows())
    assert sum(states.values()) == 12
    assert states["failed"] == 1  # fast 6 is not below slow 5
    assert states["pruned"] > 0
    refused = report.trials.filter(state="failed").row(0, named=True)
    assert "1 <= fast < slow" in refused["error"]
    assert report.best["test_net_profit"].item() is not None
    assert os.getpid() not in {int(w.rpartition(":")[2]) for w in report.trials["worker"]}
