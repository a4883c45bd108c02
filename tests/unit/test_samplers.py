"""Samplers one by one: against the libraries they drive, and their own rules."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping
from itertools import product

import numpy as np
import optuna
import pytest
from scipy.optimize import differential_evolution
from scipy.stats.qmc import LatinHypercube

from arb_pipelines.errors import InvariantBroken
from arb_pipelines.optimize.parameters import Value
from arb_pipelines.optimize.samplers.base import TrialState
from arb_pipelines.optimize.samplers.factory import check_sampler, open_sampler
from arb_pipelines.optimize.samplers.grid import count_cells, grid_cells
from tests.fakes.studies import MIXED, NUMBERS, Outcome, bowl, sequence, settings, space

BOX = {
    "x": {"type": "float", "low": -5.0, "high": 5.0},
    "y": {"type": "float", "low": 0.01, "high": 100.0, "log": True},
    "n": {"type": "int", "low": 0, "high": 12},
}


def _valley(x: float, y: float, n: int) -> float:
    return -((x - 1.5) ** 2) - (np.log(y) - 1) ** 2 - 0.3 * abs(n - 7)


def test_a_grid_is_every_combination_last_fastest() -> None:
    """Cells are the product of the axes, in the order the module promises."""
    small = space(
        a={"type": "categorical", "choices": ["q", "p"]},
        b={"type": "int", "low": 1, "high": 3},
        c={"type": "float", "low": 0.1, "high": 0.4, "step": 0.1},
    )
    cells = [tuple(cell.values()) for cell in grid_cells(small, points=5)]
    assert cells == list(product(["q", "p"], [1, 2, 3], [0.1, 0.2, 0.3, 0.4]))


def test_a_grid_has_no_cell_twice() -> None:
    """What does not exist beside its parent's value multiplies nothing."""
    over = space(
        mode={"type": "categorical", "choices": ["a", "b"]},
        k={"type": "int", "low": 1, "high": 3, "when": {"mode": "a"}},
        z={"type": "int", "low": 0, "high": 1},
    )
    cells = [tuple(cell.items()) for cell in grid_cells(over, points=5)]
    assert len(cells) == len(set(cells)) == (3 + 1) * 2
    for cell in cells:
        over.check(dict(cell))
    assert count_cells(over, 5, most=100) == len(cells)
    assert count_cells(over, 5, most=3) == 4


def test_a_grid_spaces_numbers_without_a_step() -> None:
    """Evenly, geometrically by logarithm, both ends exact, whole numbers once each."""
    axes = space(
        even={"type": "float", "low": 0, "high": 1},
        geometric={"type": "float", "low": 0.01, "high": 100, "log": True},
        few={"type": "int", "low": 1, "high": 3},
    )
    cells = list(grid_cells(axes, points=5))
    assert sorted({cell["even"] for cell in cells}) == [0, 0.25, 0.5, 0.75, 1]
    assert sorted({cell["geometric"] for cell in cells}) == pytest.approx([0.01, 0.1, 1, 10, 100])
    assert max(cell["geometric"] for cell in cells) == 100
    assert sorted({cell["few"] for cell in cells}) == [1, 2, 3]


def test_a_random_trial_depends_on_its_number_alone() -> None:
    """Trial 7 is the same after other results and in a study of other length."""
    over = space(**MIXED)
    long = sequence(over, settings("random"), 30)
    outcomes = [Outcome(None, TrialState.FAILED)] * 8
    assert sequence(over, settings("random"), 8, outcomes=outcomes)[7] == long[7]
    assert len({str(params) for params in long}) == 30


def test_tpe_is_optunas_own() -> None:
    """With a look-back of one, trials are those of Optuna's own loop."""
    over = space(**BOX)
    outcomes: list[Outcome] = []

    def objective(trial: optuna.Trial) -> float:
        n = trial.suggest_int("n", 0, 12)
        x, y = trial.suggest_float("x", -5, 5), trial.suggest_float("y", 0.01, 100, log=True)
        outcomes.append(Outcome((_valley(x, y, n),)))
        return _valley(x, y, n)

    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=3, multivariate=True, n_startup_trials=5),
    )
    study.optimize(objective, n_trials=25)
    optuna.logging.set_verbosity(level)
    how = settings("tpe", startup_trials=5)
    asked = sequence(over, how, 25, seed=3, look_back=1, outcomes=outcomes)
    assert asked == [trial.params for trial in study.trials]


def test_differential_evolution_is_scipys_own() -> None:
    """Asked and told, SciPy's solver visits the points it visits when it calls a function."""
    over, population, generations = space(**BOX), 12, 8
    seen: list[np.ndarray] = []

    def energy(points: np.ndarray) -> np.ndarray:
        seen.append(points.copy())
        n, x, y = points[0], 10 * points[1] - 5, 0.01 * np.exp(points[2] * np.log(1e4))
        return np.array([-_valley(*each) for each in zip(x, y, n, strict=True)])

    first, steps = np.random.SeedSequence(5).spawn(2)
    start = LatinHypercube(3, rng=np.random.default_rng(first)).random(population)
    differential_evolution(
        energy,
        [(0, 12), (0, 1), (0, 1)],
        init=start * [12, 1, 1],
        rng=np.random.default_rng(steps),
        integrality=[True, False, False],
        vectorized=True,
        updating="deferred",
        polish=False,
        maxiter=generations - 1,
        tol=0,
        atol=-1,
    )
    sampler = open_sampler(
        over,
        settings("differential_evolution", population=population),
        seed=5,
        look_back=3,
        objectives=1,
    )
    for generation, points in enumerate(seen):
        base = generation * population
        asked = [sampler.ask(base + member) for member in range(population)]
        assert [params["n"] for params in asked] == points[0].tolist()
        assert [params["x"] for params in asked] == pytest.approx((10 * points[1] - 5).tolist())
        for member, params in enumerate(asked):
            gain = float(_valley(params["x"], params["y"], params["n"]))  # type: ignore[arg-type]
            sampler.tell(base + member, params, (gain,), TrialState.COMPLETE)
    assert len(seen) == generations


@pytest.mark.parametrize("kind", ["tpe", "cmaes", "differential_evolution"])
def test_learning_beats_drawing(kind: str) -> None:
    """In 120 trials each finds better than random draws do."""

    def gain(params: Mapping[str, Value]) -> float:
        return float(_valley(**params))  # type: ignore[arg-type]

    def best(how: str) -> float:
        asked = sequence(
            space(**BOX), settings(how), 120, look_back=8, outcomes=lambda p: Outcome((gain(p),))
        )
        return max(gain(params) for params in asked)

    assert best(kind) > best("random")


@pytest.mark.parametrize("kind", ["tpe", "cmaes", "differential_evolution"])
def test_constraints_draw_the_search_away(kind: str) -> None:
    """Where gains rise beyond a constraint, later trials keep near the border all the same."""
    over = space(x={"type": "float", "low": 0, "high": 1}, y={"type": "float", "low": 0, "high": 1})

    def outcome(params: Mapping[str, Value]) -> Outcome:
        x = float(params["x"])
        return Outcome((x,), violations=(x - 0.3,))

    asked = sequence(over, settings(kind), 160, seed=2, outcomes=outcome)
    near = sum(0.2 <= float(params["x"]) <= 0.4 for params in asked[-60:])
    assert near > 36  # 12 of 60 draws would be


def test_nsga2_spreads_along_the_front() -> None:
    """Of two objectives that pull apart along x, both want y small: so it becomes."""
    over = space(x={"type": "float", "low": 0, "high": 1}, y={"type": "float", "low": 0, "high": 1})

    def outcome(params: Mapping[str, Value]) -> Outcome:
        x, y = float(params["x"]), float(params["y"])
        return Outcome((x - y, 1 - x - y))

    how = settings("nsga2", population=10)
    last = sequence(over, how, 150, objectives=2, outcomes=outcome)[-50:]
    assert np.mean([float(params["y"]) for params in last]) < 0.25
    assert np.ptp([float(params["x"]) for params in last]) > 0.5


@pytest.mark.parametrize(
    ("kind", "parameters", "objectives", "words"),
    [
        ("cmaes", MIXED, 1, "mode is categorical; use tpe"),
        ("differential_evolution", MIXED, 1, "mode is categorical"),
        ("cmaes", NUMBERS, 2, "takes one objective; use nsga2"),
        ("differential_evolution", NUMBERS, 2, "takes one objective"),
        (
            "cmaes",
            {
                "n": {"type": "int", "low": 0, "high": 1},
                "x": {"type": "float", "low": 0, "high": 1, "when": {"n": 1}},
            },
            1,
            "x is conditional",
        ),
    ],
)
def test_refuses_what_a_sampler_cannot_search(
    kind: str, parameters: dict[str, dict[str, object]], objectives: int, words: str
) -> None:
    """The message names the parameter and what would do."""
    with pytest.raises(ValueError, match=words):
        check_sampler(space(**parameters), settings(kind), objectives=objectives)


def test_keeps_the_order_of_asks_and_tells() -> None:
    """Out of turn, too early, or told of other parameters: our own loop is wrong."""
    over = space(**NUMBERS)
    sampler = open_sampler(over, settings("tpe"), seed=0, look_back=2, objectives=1)
    with pytest.raises(InvariantBroken, match="trial 0 is the next to ask"):
        sampler.ask(1)
    first, second = sampler.ask(0), sampler.ask(1)
    with pytest.raises(InvariantBroken, match="trial 2 is asked after 0 results; it needs 1"):
        sampler.ask(2)
    with pytest.raises(InvariantBroken, match="trial 0 is the next to tell"):
        sampler.tell(1, second, (0.0,), TrialState.COMPLETE)
    with pytest.raises(InvariantBroken, match="was asked as"):
        sampler.tell(0, second, (0.0,), TrialState.COMPLETE)
    with pytest.raises(InvariantBroken, match="is failed with gains"):
        sampler.tell(0, first, (0.0,), TrialState.FAILED)
    sampler.tell(0, first, (0.0,), TrialState.COMPLETE)
    sampler.ask(2)


def test_changing_what_was_asked_harms_nobody() -> None:
    """The caller's dictionary is its own."""
    sampler = open_sampler(space(**NUMBERS), settings("random"), seed=0, look_back=1, objectives=1)
    params = sampler.ask(0)
    told = dict(params)
    params.clear()
    sampler.tell(0, told, (1.0,), TrialState.COMPLETE)


def test_optuna_is_silent_and_its_logging_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    """No notice of studies, no experimental warning, and the caller's level as it was."""
    level = optuna.logging.get_verbosity()
    optuna.logging.enable_propagation()
    try:
        with warnings.catch_warnings(), caplog.at_level(logging.DEBUG):
            warnings.simplefilter("error")
            for kind, objectives in (("tpe", 1), ("tpe", 2), ("nsga2", 2)):
                sequence(space(**MIXED), settings(kind), 15, objectives=objectives)
            sequence(space(**NUMBERS), settings("cmaes"), 15)
    finally:
        optuna.logging.disable_propagation()
    assert not [record for record in caplog.records if record.name.startswith("optuna")]
    assert optuna.logging.get_verbosity() == level


def test_numbers_with_one_value_are_searched_around() -> None:
    """A parameter whose bounds are equal has its value in every trial of every sampler."""
    over = space(
        **BOX,
        k={"type": "int", "low": 3, "high": 3},
        c={"type": "float", "low": 0.5, "high": 0.5},
        g={"type": "float", "low": 2.0, "high": 2.0, "log": True},
        s={"type": "float", "low": 1.0, "high": 1.2, "step": 0.5},
    )
    for kind in ("grid", "random", "tpe", "cmaes", "nsga2", "differential_evolution"):
        for params in sequence(over, settings(kind), 25):
            assert (params["k"], params["c"], params["g"], params["s"]) == (3, 0.5, 2.0, 1.0)


def test_a_bowl_has_every_kind_of_outcome() -> None:
    """The trials the property tests tell of are complete, pruned, failed and infeasible."""
    outcomes = [bowl(params) for params in sequence(space(**MIXED), settings("random"), 300)]
    assert {outcome.state for outcome in outcomes} == set(TrialState)
    assert {outcome.violations > (0,) for outcome in outcomes} == {True, False}
