"""A search finds the same whatever runs it: any number of workers, any order of ending."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arb_pipelines.containers.executors import Executor, open_executor
from arb_pipelines.containers.modes import ThreadModel
from arb_pipelines.errors import ArbError, ConfigError
from arb_pipelines.optimize.samplers.base import TrialState
from arb_pipelines.optimize.search import MOST_FAILURES, Told, digest_of, search
from arb_pipelines.optimize.study import Study
from arb_pipelines.optimize.trials import Job, Trial, open_job
from tests.fakes.searches import SAMPLERS, Bowl, ShufflingExecutor, study

DAYS = ("2025-01-01", "2025-01-02", "2025-01-03")
PRUNED = {"pruning": {"percentile": 50, "after_trials": 3}}
BOWL, FRAGILE, DEADLY, BROKEN = "bowl", "fragile", "deadly", "broken"
TARGETS = {
    BOWL: Bowl(),
    FRAGILE: Bowl(fail_above=2.0),
    DEADLY: Bowl(die_above=2.5),
    BROKEN: Bowl(fail_above=-9.0),
}


def _open_all() -> None:
    for name, target in TARGETS.items():
        open_job(name, Job(target, study().first_objective, study().scoring))


@pytest.fixture(autouse=True, scope="module")
def _jobs() -> None:
    _open_all()


@pytest.fixture(scope="module")
def processes() -> Iterator[Executor]:
    """Two worker processes that all tests of this module share."""
    executor = open_executor(ThreadModel.PROCESS_PARALLEL, 2, initializer=_open_all)
    yield executor
    executor.close()


def _search(
    chosen: Study,
    executor: Executor,
    job: str = BOWL,
    known: Mapping[int, Trial] | None = None,
    kept: list[Trial] | None = None,
) -> list[Told]:
    return search(
        chosen,
        DAYS,
        executor,
        job,
        seed=chosen.seed,
        known=known or {},
        keep=(kept if kept is not None else []).extend,
        tell=lambda _: None,
    )


def _study_of(kind: str, *, pruned: bool = False) -> Study:
    objectives = ["net_profit", "sharpe"] if kind == "nsga2" else ["net_profit"]
    changes = {"sampler": SAMPLERS[kind], "objectives": objectives}
    return study(**changes, **(PRUNED if pruned and kind != "nsga2" else {}))


@settings(max_examples=40, deadline=None)
@given(
    kind=st.sampled_from(sorted(SAMPLERS)),
    pruned=st.booleans(),
    slots=st.integers(1, 9),
    seed=st.integers(0, 99),
)
def test_no_order_of_ending_changes_a_trial(kind: str, pruned: bool, slots: int, seed: int) -> None:
    """Every sampler, with and without pruning, against one call at a time."""
    chosen = _study_of(kind, pruned=pruned)
    alone = _search(chosen, ShufflingExecutor(1, 0))
    together = _search(chosen, ShufflingExecutor(slots, seed))
    assert digest_of(together) == digest_of(alone)
    for one, other in zip(together, alone, strict=True):
        assert one.trial.periods == other.trial.periods
        assert one.trial.params == other.trial.params
    states = {told.trial.state for told in alone}
    assert TrialState.COMPLETE in states
    if pruned and kind == "tpe":
        assert TrialState.PRUNED in states


@pytest.mark.parametrize("kind", sorted(SAMPLERS))
def test_threads_and_processes_find_the_same(kind: str, processes: Executor) -> None:
    """The digest of one call at a time, of three threads and of two processes is one."""
    chosen = _study_of(kind, pruned=True)
    threads = open_executor(ThreadModel.MULTI_THREADED, 3)
    try:
        found = {
            digest_of(_search(chosen, executor))
            for executor in (ShufflingExecutor(1, 0), threads, processes)
        }
    finally:
        threads.close()
    assert len(found) == 1


@settings(max_examples=20, deadline=None)
@given(kind=st.sampled_from(sorted(SAMPLERS)), ended=st.integers(0, 30), seed=st.integers(0, 99))
def test_a_continued_search_is_the_search(kind: str, ended: int, seed: int) -> None:
    """Interrupted after any number of ends in any order: the rest is run, and nothing again."""
    chosen = _study_of(kind, pruned=True)
    kept: list[Trial] = []
    whole = _search(chosen, ShufflingExecutor(4, seed), kept=kept)
    known = {trial.number: Trial.of(trial.record()) for trial in kept[:ended]}
    ran: list[Trial] = []
    again = _search(chosen, ShufflingExecutor(3, seed + 1), known=known, kept=ran)
    assert digest_of(again) == digest_of(whole)
    assert {trial.number for trial in ran} == set(range(len(whole))) - known.keys()


def test_another_seed_is_another_search() -> None:
    """The digest follows the seed; so the equalities above say something."""
    found = {digest_of(_search(study(seed=seed), ShufflingExecutor(2, 0))) for seed in (1, 2, 3)}
    assert len(found) == 3


def test_a_known_trial_of_another_study_is_refused() -> None:
    """Parameters that would not be asked now: the study has changed, and what to do is said."""
    kept: list[Trial] = []
    _search(study(seed=1), ShufflingExecutor(1, 0), kept=kept)
    known = {trial.number: trial for trial in kept}
    with pytest.raises(ConfigError, match=r"trial 0 was run with .*changed; --fresh"):
        _search(study(seed=2), ShufflingExecutor(1, 0), known=known)


def test_a_failing_trial_is_a_row_and_the_search_goes_on(processes: Executor) -> None:
    """An exception becomes one line of its trial; here and in processes the same trials fail."""
    here = _search(study(), ShufflingExecutor(2, 0), FRAGILE)
    failed = [told.trial for told in here if told.trial.state is TrialState.FAILED]
    assert 0 < len(failed) < 30
    assert all("ConfigError: x is" in str(trial.error) for trial in failed)
    assert digest_of(_search(study(), processes, FRAGILE)) == digest_of(here)


def test_a_worker_that_dies_fails_its_trial_alone(processes: Executor) -> None:
    """os._exit in a trial: that trial says so, the others are complete."""
    told = _search(study(), processes, DEADLY)
    for one in told:
        dead = float(one.trial.params["x"]) > 2.5
        assert one.trial.state is (TrialState.FAILED if dead else TrialState.COMPLETE)
        assert ("died with exit code 3" in str(one.trial.error)) is dead
    assert any(one.trial.error for one in told)


def test_failure_after_failure_ends_the_search() -> None:
    """No point in trying on: the message has the last error and what to do."""
    kept: list[Trial] = []
    with pytest.raises(ArbError, match=rf"{MOST_FAILURES} trials in a row failed, .* --fresh"):
        _search(study(), ShufflingExecutor(2, 0), BROKEN, kept=kept)
    assert len(kept) < 30
    with pytest.raises(ArbError, match=r"3 trials in a row failed"):
        _search(study(trials=3), ShufflingExecutor(2, 0), BROKEN)


def test_a_clock_that_is_set_back_makes_no_trial_end_before_it_began(
    processes: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Durations are not the wall clock's, neither of trials nor of those whose worker died."""
    hours = itertools.count(0, -3_600_000_000_000)
    monkeypatch.setattr("arb_pipelines.optimize.trials.now_ns", lambda: next(hours))
    monkeypatch.setattr("arb_pipelines.optimize.search.now_ns", lambda: next(hours))
    for executor, target in ((ShufflingExecutor(2, 0), BOWL), (processes, DEADLY)):
        for told in _search(study(), executor, target):
            assert 0 <= told.trial.ts_ended - told.trial.ts_started < 600_000_000_000


def test_a_measure_the_target_lacks_is_every_trials_error() -> None:
    """An objective that nobody reports names what is reported."""
    with pytest.raises(ArbError, match=r"the target reports no measure:steals"):
        _search(study(objectives=["measure:steals"]), ShufflingExecutor(2, 0))
