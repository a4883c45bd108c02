"""Samplers: what they choose depends on the seed and on results, and on nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from arb_pipelines.optimize.samplers.base import TrialState
from arb_pipelines.optimize.samplers.factory import open_sampler
from tests.fakes.studies import MIXED, NUMBERS, Outcome, bowl, sequence, settings, space

ROOT = Path(__file__).resolve().parents[2]
TRIALS = 24
#: Every sampler that learns, with the number of objectives it is given.
LEARNING = [
    ("tpe", {"startup_trials": 5}, 1),
    ("tpe", {"startup_trials": 5}, 2),
    ("cmaes", {"population": 5}, 1),
    ("nsga2", {"population": 6}, 2),
    ("differential_evolution", {"population": 6}, 1),
]
ALL = [("grid", {"points": 3}, 1), ("random", {}, 1), *LEARNING]
_quick = hypothesis_settings(
    max_examples=5, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


def _space_for(kind: str):
    return space(**(NUMBERS if kind in ("cmaes", "differential_evolution") else MIXED))


@pytest.mark.parametrize(("kind", "options", "objectives"), ALL)
@_quick
@given(
    seed=st.integers(0, 2**32 - 1),
    look_back=st.integers(1, 9),
    delays=st.lists(st.integers(0, 9), min_size=1, max_size=5),
)
def test_choices_do_not_depend_on_when_results_arrive(
    kind: str, options: dict, objectives: int, seed: int, look_back: int, delays: list[int]
) -> None:
    """Told as early as possible, as late as allowed, or anywhere between: the same trials."""
    over, how = _space_for(kind), settings(kind, **options)
    runs = [
        sequence(
            over, how, TRIALS, seed=seed, look_back=look_back, objectives=objectives, delays=each
        )
        for each in ([0], [10_000], delays)
    ]
    assert runs[0] == runs[1] == runs[2]
    for params in runs[0]:
        over.check(params)


@pytest.mark.parametrize(("kind", "options", "objectives"), LEARNING)
@_quick
@given(changed=st.integers(0, TRIALS - 1), look_back=st.integers(1, 9))
def test_a_result_changes_no_trial_within_the_look_back(
    kind: str, options: dict, objectives: int, changed: int, look_back: int
) -> None:
    """Trials that were asked before the result of another count are blind to it."""
    over, how = _space_for(kind), settings(kind, **options)
    asked = sequence(over, how, TRIALS, look_back=look_back, objectives=objectives)
    outcomes = [bowl(params, objectives) for params in asked]
    outcomes[changed] = Outcome((1e6,) * objectives)
    again = sequence(
        over, how, TRIALS, look_back=look_back, objectives=objectives, outcomes=outcomes
    )
    by_generation = kind == "differential_evolution"
    blind = (changed // 6 + 1) * 6 if by_generation else changed + look_back
    assert again[:blind] == asked[:blind]


@pytest.mark.parametrize(("kind", "options", "objectives"), LEARNING)
def test_results_change_what_comes_later(kind: str, options: dict, objectives: int) -> None:
    """A sampler that learns goes elsewhere when other trials were good."""
    over, how = _space_for(kind), settings(kind, **options)
    asked = sequence(over, how, 40, objectives=objectives)
    turned = [Outcome((-i * 1.0,) * objectives) for i in range(40)]
    again = sequence(over, how, 40, objectives=objectives, outcomes=turned)
    assert again[:4] == asked[:4]
    assert again != asked


@pytest.mark.parametrize(("kind", "options", "objectives"), ALL[1:])
def test_another_seed_gives_other_trials(kind: str, options: dict, objectives: int) -> None:
    """The seed is used."""
    over, how = _space_for(kind), settings(kind, **options)
    assert sequence(over, how, 5, objectives=objectives, seed=1) != sequence(
        over, how, 5, objectives=objectives, seed=2
    )


@pytest.mark.parametrize(("kind", "options", "objectives"), LEARNING)
def test_a_continued_study_goes_on_as_if_it_had_not_stopped(
    kind: str, options: dict, objectives: int
) -> None:
    """Asking and telling again from the beginning, with results in hand, gives the same rest."""
    over, how = _space_for(kind), settings(kind, **options)
    whole = sequence(over, how, TRIALS, objectives=objectives)
    results = [bowl(params, objectives) for params in whole]
    resumed = open_sampler(over, how, seed=1, look_back=4, objectives=objectives)
    told, rest = 0, []
    for number in range(TRIALS):
        while told < resumed.told_before(number):
            result = results[told]
            resumed.tell(told, whole[told], result.gains, result.state, result.violations)
            told += 1
        rest.append(resumed.ask(number))
    assert rest == whole


def test_another_process_chooses_the_same() -> None:
    """No choice hangs on how this process happens to hash strings."""
    script = (
        "from tests.property.test_samplers import LEARNING, _space_for\n"
        "from tests.fakes.studies import sequence, settings\n"
        "for kind, options, objectives in LEARNING:\n"
        "    how = settings(kind, **options)\n"
        "    print(sequence(_space_for(kind), how, 24, objectives=objectives))\n"
    )
    printed = {
        subprocess.run(
            [sys.executable, "-c", script],
            env=os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)},
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for hash_seed in ("1", "2")
    }
    here = "".join(
        f"{sequence(_space_for(kind), settings(kind, **options), 24, objectives=objectives)}\n"
        for kind, options, objectives in LEARNING
    )
    assert printed == {here}


@pytest.mark.parametrize(("kind", "options", "objectives"), LEARNING)
def test_nothing_but_failures_is_no_end(kind: str, options: dict, objectives: int) -> None:
    """A sampler that is told of no complete trial goes on, with draws inside the space."""
    over, how = _space_for(kind), settings(kind, **options)
    outcomes = [Outcome(None, TrialState.FAILED)] * 20 + [Outcome(None, TrialState.PRUNED)] * 20
    for params in sequence(over, how, 40, objectives=objectives, outcomes=outcomes):
        over.check(params)


@pytest.mark.parametrize(("kind", "options", "objectives"), LEARNING)
def test_equal_results_are_no_end(kind: str, options: dict, objectives: int) -> None:
    """Where no trial trades all gain nothing, and the search still asks for all its trials."""
    over, how = _space_for(kind), settings(kind, **options)
    outcomes = [Outcome((0.0,) * objectives)] * 40
    assert len(sequence(over, how, 40, objectives=objectives, outcomes=outcomes)) == 40
