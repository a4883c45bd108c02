"""Study files: what is read, and how a mistake is named."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from types import ModuleType

import pytest
from pydantic import BaseModel

from arb_pipelines.errors import ConfigError
from arb_pipelines.optimize import objectives, parameters, pruning, scores, study, windows
from arb_pipelines.optimize.samplers import settings as samplers
from arb_pipelines.optimize.samplers.base import Sampler
from arb_pipelines.optimize.study import Study, load_study
from arb_pipelines.optimize.targets import settings as targets

GOOD = """\
name: demo
target: {kind: triangle, strategy: demo}
days: {first: 2026-01-01, last: 2026-01-10}
windows: {kind: rolling, train_days: 4, test_days: 2, gap_days: 1}
parameters:
  min_profit_bps: {type: float, low: 0, high: 10}
  mode: {type: categorical, choices: [fixed_fraction, fixed_amount]}
  fraction:
    type: float
    low: 0.01
    high: 0.5
    log: true
    when: {mode: fixed_fraction}
objectives: [net_profit]
constraints: [{metric: drawdown_pct, at_most: 5}]
sampler: {kind: tpe}
trials: 40
pruning: {percentile: 25}
"""
GRID = GOOD.replace("sampler: {kind: tpe}\ntrials: 40", "sampler: {kind: grid, points: 3}")


def _load(folder: Path, text: str) -> Study:
    path = folder / "study.yaml"
    path.write_text(text)
    return load_study(path)


def test_reads_values_and_fills_in_defaults(tmp_path: Path) -> None:
    """What the file says is taken, what it does not say has its documented default."""
    loaded = _load(tmp_path, GOOD)
    assert list(loaded.parameters.root) == ["min_profit_bps", "mode", "fraction"]
    assert (loaded.look_back, loaded.seed, loaded.blocks) == (8, 0, 24)
    assert loaded.first_objective.direction == "maximise"
    assert loaded.trial_count == 40
    first, second = loaded.all_windows
    assert (first.train[0], first.test[-1]) == (date(2026, 1, 1), date(2026, 1, 7))
    assert (second.train[0], second.test[-1]) == (date(2026, 1, 3), date(2026, 1, 9))


def test_a_study_without_windows_trains_on_all_its_days(tmp_path: Path) -> None:
    """One window, nothing held back."""
    text = "".join(line for line in GOOD.splitlines(True) if not line.startswith("windows"))
    (window,) = _load(tmp_path, text).all_windows
    assert (len(window.train), window.test) == (10, ())


@pytest.mark.parametrize(
    "module",
    [study, parameters, objectives, pruning, scores, windows, samplers, targets],
    ids=lambda module: module.__name__,
)
def test_every_setting_is_documented(module: ModuleType) -> None:
    """A description, hence the unit, stands at each setting but the names of kinds."""
    models = [m for m in vars(module).values() if isinstance(m, type) and issubclass(m, BaseModel)]
    for model in models:
        for name, setting in model.model_fields.items():
            documented = setting.description or name in ("kind", "type", "root")
            assert documented or model.__module__ != module.__name__, (model, name)


def test_a_grid_counts_its_cells(tmp_path: Path) -> None:
    """Three profits, of which the fraction adds three for one mode: 3 × (3 + 1)."""
    assert _load(tmp_path, GRID).trial_count == 12
    assert _load(tmp_path, GRID + "trials: 5\n").trial_count == 5


def test_the_digest_is_of_the_content(tmp_path: Path) -> None:
    """Order and comments mean nothing, defaults written out neither; a value does."""
    digest = _load(tmp_path, GOOD).digest
    reordered = "# a comment\nlook_back: 8\n" + "\n".join(
        [*GOOD.splitlines()[13:], *GOOD.splitlines()[:13]]
    )
    assert _load(tmp_path, reordered).digest == digest
    assert _load(tmp_path, GOOD.replace("high: 10", "high: 11")).digest != digest


def test_opens_its_sampler_with_its_seed(tmp_path: Path) -> None:
    """The study's seed unless another is given."""
    loaded = _load(tmp_path, GOOD + "seed: 5\n")

    def first(sampler: Sampler) -> dict:
        return sampler.ask(0)

    assert first(loaded.open_sampler()) == first(loaded.open_sampler(5))
    assert first(loaded.open_sampler(6)) != first(loaded.open_sampler())


def test_reads_a_study_on_bars(tmp_path: Path) -> None:
    """Costs and fills are the bar engine's own settings."""
    text = GOOD.replace(
        "target: {kind: triangle, strategy: demo}",
        "target: {kind: bars, strategy: sma_cross, venue: binance, symbols: [ETH-BTC, LTC-BTC], "
        "balance: 10, execution: {commission: {model: bps, bps: 10}, path: optimistic}}",
    )
    target = _load(tmp_path, text).target
    assert target.kind == "bars"
    assert target.execution.path == "optimistic"


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("low: 0, high: 10", "low: 20, high: 10", 6, "min_profit_bps: low is greater than high"),
        ("high: 0.5", "high: much", 11, "parameters.fraction.high: Input should be a valid number"),
        ("log: true", "lgo: true", 12, "fraction.lgo: unknown parameter"),
        ("type: categorical", "type: category", 7, "does not match any of the expected tags"),
        ("{mode: fixed_fraction}", "{modus: fixed_fraction}", 5, "'modus', which is not a param"),
        ("gap_days: 1", "gap_days: 5", 4, "takes 11 days, but the study has 10"),
        ("last: 2026-01-10", "last: 2026-02-30", 3, "2026-02-30: day is out of range for month"),
        ("[net_profit]", "net_profit", 14, "objectives: should be a list, such as [a, b]"),
        ("{kind: tpe}", "tpe", 16, "sampler: should be a mapping of settings to values"),
        ("last: 2026-01-10", "last: 2025-01-10", 3, "first is after last"),
        ("[net_profit]", "[net_profits]", 14, "'net_profits' is none of calmar"),
        ("[net_profit]", "[sharpe, sharpe]", 14, "objectives: sharpe is given twice"),
        ("[net_profit]", "[net_profit, sharpe]", 18, "leave pruning out for several"),
        ("at_most: 5", "", 15, "give at_least, at_most or both"),
        ("kind: tpe", "kind: cmaes", 16, "mode is categorical"),
        ("trials: 40", "", 1, "trials is needed with sampler tpe"),
        ("kind: tpe", "kind: grid, points: 3", 17, "has 12 cells; give no more trials"),
        ("percentile: 25", "percentile: 100", 18, "pruning.percentile"),
        ("kind: triangle", "kind: square", 2, "'triangle', 'bars'"),
    ],
)
def test_names_the_line_of_a_mistake(
    tmp_path: Path, old: str, new: str, line: int, words: str
) -> None:
    """The message leads to the file, the line and the setting."""
    assert old in GOOD
    with pytest.raises(ConfigError) as caught:
        _load(tmp_path, GOOD.replace(old, new))
    assert caught.value.line == line
    assert words in str(caught.value)


def test_refuses_a_grid_without_end(tmp_path: Path) -> None:
    """Eight numbers of ten values each are more cells than any search runs."""
    axes = "".join(f"  p{i}: {{type: int, low: 1, high: 10, step: 1}}\n" for i in range(8))
    with pytest.raises(ConfigError, match="more than 1,000,000 cells"):
        _load(tmp_path, GRID.replace("parameters:\n", "parameters:\n" + axes))


def test_the_manual_names_every_setting_and_its_example_is_read(tmp_path: Path) -> None:
    """docs/optimisation.md has each setting of a study, and the study it begins with is one."""
    manual = (Path(__file__).resolve().parents[2] / "docs/optimisation.md").read_text()
    example = manual.split("```yaml\n")[1].split("```")[0]
    assert [window.name for window in _load(tmp_path, example).all_windows] == ["w00", "w01", "w02"]
    settings = {*Study.model_fields}
    for module in (samplers, windows, pruning, parameters):
        for model in vars(module).values():
            if isinstance(model, type) and issubclass(model, BaseModel):
                settings |= {*model.model_fields}
    assert {name for name in settings if f"`{name}`" not in manual} <= {
        "kind",
        "type",
        "root",
        "when",
    }


def test_a_landscape_names_two_numeric_parameters(tmp_path: Path) -> None:
    """It may be chosen, is refused over names or categories, and is no part of the digest."""
    drawn = _load(tmp_path, GOOD + "landscape: [fraction, min_profit_bps]\n")
    assert drawn.landscape == ("fraction", "min_profit_bps")
    assert drawn.digest == _load(tmp_path, GOOD).digest
    for name in ("mode", "protection_pct"):
        with pytest.raises(ConfigError, match=f"{name} is no numeric parameter"):
            _load(tmp_path, GOOD + f"landscape: [{name}, min_profit_bps]\n")
