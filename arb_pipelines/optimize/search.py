"""The search of one window: ask, run, tell, until all trials have ended.

Trials run as workers are free, and there is no barrier between them. Yet trial k
is chosen, and its pruning thresholds are settled, from the results of a fixed set
of earlier trials, which are told strictly by number. So the workers decide how long
a search takes and never what it finds.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import orjson

from arb_pipelines.clock import now_ns
from arb_pipelines.containers.executors import Done, Executor
from arb_pipelines.errors import ArbError, ConfigError, DataError
from arb_pipelines.optimize.objectives import feasible, gains_of, values_of, violations_of
from arb_pipelines.optimize.pruning import Thresholds, thresholds_of
from arb_pipelines.optimize.samplers.base import TrialState
from arb_pipelines.optimize.scores import Scores, score
from arb_pipelines.optimize.spaces import Value
from arb_pipelines.optimize.study import Study
from arb_pipelines.optimize.trials import Measured, Task, Trial, gain_so_far, run_trial

#: So many failed trials in a row, by number, end a search; so do fewer, if they are all of it.
MOST_FAILURES = 10
#: Trials that wait for a worker, so that none waits for the sampler, the disk or the tables.
_AHEAD = 1


@dataclass(frozen=True, slots=True)
class Told:
    """A trial in its place, with what its periods came to.

    ``values`` are the objectives', None of a failed trial; ``gains`` the same as the
    sampler takes them, None unless it is complete. ``gains_so_far`` has the first
    objective's gain after each period, where the study prunes.
    """

    trial: Trial
    scores: Scores | None
    values: tuple[float, ...] | None
    gains: tuple[float, ...] | None
    violations: tuple[float, ...]
    gains_so_far: tuple[float, ...]

    @property
    def feasible(self) -> bool:
        """Whether it is complete and keeps every constraint."""
        return self.trial.state is TrialState.COMPLETE and feasible(self.violations)


def search(
    study: Study,
    periods: Sequence[str],
    executor: Executor,
    job: str,
    *,
    seed: int,
    known: Mapping[int, Trial],
    keep: Callable[[Sequence[Trial]], None],
    tell: Callable[[Told], None],
) -> list[Told]:
    """Run every trial of a window, and give them by number.

    The workers of ``executor`` must have opened ``job``. ``known`` trials are taken
    as they are and not run. ``keep`` is handed trials as they end, in any order,
    before anything else is made of them; ``tell`` each in order of its number.

    Raises:
        ConfigError: a known trial has other parameters than the study now asks for.
        ArbError: ``MOST_FAILURES`` trials in a row failed, or all of fewer.
    """
    return _Search(study, periods, executor, job, seed, known, keep, tell).run()


class _Search:
    def __init__(
        self,
        study: Study,
        periods: Sequence[str],
        executor: Executor,
        job: str,
        seed: int,
        known: Mapping[int, Trial],
        keep: Callable[[Sequence[Trial]], None],
        tell: Callable[[Told], None],
    ) -> None:
        self._study, self._periods = study, tuple(periods)
        self._executor, self._job = executor, job
        self._known, self._keep, self._tell = known, keep, tell
        self._sampler = study.open_sampler(seed)
        self._running: dict[int, tuple[dict[str, Value], int, int]] = {}
        self._ended: dict[int, Trial] = {}
        self._told: list[Told] = []
        self._asked = 0
        self._failures = 0

    def run(self) -> list[Told]:
        """Ask whatever can be asked, tell whatever can be told, and wait for the rest."""
        count = self._study.trial_count
        while len(self._told) < count:
            while len(self._told) in self._ended:
                self._tell_next()
            while self._asked < count and self._may_ask():
                self._ask_next()
            if len(self._told) not in self._ended and self._running:
                self._take(self._executor.wait())
        return self._told

    def _may_ask(self) -> bool:
        """Whether there is room for the next trial, and what it depends on is told."""
        needed = self._sampler.told_before(self._asked)
        if self._study.pruning is not None:
            needed = max(needed, self._visible(self._asked))
        room = self._executor.slots + _AHEAD
        return len(self._running) < room and len(self._told) >= needed

    def _visible(self, number: int) -> int:
        """Say how many results the thresholds of a trial depend on."""
        return max(0, number - self._study.look_back + 1)

    def _ask_next(self) -> None:
        number, self._asked = self._asked, self._asked + 1
        params = self._sampler.ask(number)
        known = self._known.get(number)
        if known is None:
            task = Task(self._job, params, self._periods, self._thresholds(number))
            self._running[number] = params, now_ns(), time.monotonic_ns()
            self._executor.submit(number, run_trial, task)
        elif known.params == params:
            self._ended[number] = known
        else:
            raise ConfigError(
                f"trial {number} was run with {known.params}, and would now be with {params}: "
                "the study has changed; --fresh begins the search anew",
                source=self._study.name,
            )

    def _thresholds(self, number: int) -> Thresholds | None:
        rule = self._study.pruning
        if rule is None:
            return None
        history = [told.gains_so_far for told in self._told[: self._visible(number)]]
        return thresholds_of(rule, history, len(self._periods))

    def _take(self, ended: Sequence[Done]) -> None:
        trials = [self._trial(done) for done in ended]
        self._keep(trials)
        self._ended |= {trial.number: trial for trial in trials}

    def _trial(self, done: Done) -> Trial:
        params, submitted, start_ns = self._running.pop(done.number)
        got: Measured = done.result
        if done.error is not None:  # it never came back: its worker died, or could not begin
            ended = submitted + time.monotonic_ns() - start_ns
            got = Measured((), done.error, submitted, ended, "")
        if got.error is not None:
            state = TrialState.FAILED
        elif len(got.periods) == len(self._periods):
            state = TrialState.COMPLETE
        else:
            state = TrialState.PRUNED
        return Trial(
            done.number,
            params,
            state,
            got.periods,
            got.error,
            got.ts_started,
            got.ts_ended,
            got.worker,
        )

    def _tell_next(self) -> None:
        told = self._judged(self._ended.pop(len(self._told)))
        trial = told.trial
        self._sampler.tell(trial.number, trial.params, told.gains, trial.state, told.violations)
        self._told.append(told)
        self._tell(told)
        self._failures = self._failures + 1 if trial.state is TrialState.FAILED else 0
        if self._failures >= min(MOST_FAILURES, self._study.trial_count):
            raise ArbError(
                f"{self._study.name}: {self._failures} trials in a row failed, the last with "
                f"{trial.params}: {trial.error}; mend that, then begin anew with --fresh"
            )

    def _judged(self, trial: Trial) -> Told:
        """Work out what the periods came to; what cannot be compared makes a trial a failed one."""
        if trial.state is TrialState.FAILED:
            return Told(trial, None, None, None, (), ())
        study = self._study
        try:
            scores = score(trial.periods, study.scoring)
            values = values_of(study.objectives, scores.metrics)
            violations = violations_of(study.constraints, scores.metrics)
            so_far: tuple[float, ...] = ()
            if study.pruning is not None:
                so_far = tuple(
                    gain_so_far(trial.periods[:done], study.first_objective, study.scoring)
                    for done in range(1, len(trial.periods) + 1)
                )
        except DataError as error:
            failed = replace(trial, state=TrialState.FAILED, error=str(error))
            return Told(failed, None, None, None, (), ())
        complete = trial.state is TrialState.COMPLETE
        gains = gains_of(study.objectives, values) if complete else None
        return Told(trial, scores, values, gains, violations, so_far)


def digest_of(told: Sequence[Told]) -> str:
    """SHA-256 over the parameters, state and values of trials in order.

    Not over who measured them, when, and how long it took.
    """
    digest = hashlib.sha256()
    for one in told:
        trial = one.trial
        row = [trial.number, trial.params, trial.state, one.values]
        digest.update(orjson.dumps(row, option=orjson.OPT_SORT_KEYS) + b"\n")
    return digest.hexdigest()
