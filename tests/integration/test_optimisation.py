"""Windows of a study from the lake and back: tables, resuming after a kill, refusals, memory."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from arb_pipelines.errors import ArbError, ConfigError
from arb_pipelines.lake.models.checks import run_checks
from arb_pipelines.lake.store import Lake
from arb_pipelines.optimize.journal import read_journal
from arb_pipelines.optimize.study import Study
from arb_pipelines.research import optimisation
from arb_pipelines.research.models import all_checks
from arb_pipelines.research.optimisation import run_window
from arb_pipelines.research.study_pictures import study_pictures
from arb_pipelines.research.study_reports import Standing, StudyReport, WindowReport, describe
from arb_pipelines.research.targets import OpenedTarget
from tests.conftest import ROOT
from tests.fakes.searches import SAMPLERS, Bowl, study

Run = Callable[..., WindowReport]
BOWL = Bowl()


@pytest.fixture
def run(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Search a study's window with a target of the test's own."""

    def run(
        chosen: Study,
        target: Bowl = BOWL,
        data: str = "bowl",
        **arguments: object,
    ) -> WindowReport:
        opened = OpenedTarget(target, data)
        monkeypatch.setattr(optimisation, "open_target", lambda *_, **__: opened)
        return run_window(lake, chosen, "w00", **({"workers": 1} | arguments))  # type: ignore[arg-type]

    return run


def _evaluations(log: Path) -> Counter[str]:
    return Counter(log.read_text().splitlines())


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.02)


def test_the_tables_say_what_was_found(lake: Lake, run: Run) -> None:
    """Every trial is a row, the best is the best of them, its test days are apart."""
    told: list[Standing] = []
    report = run(study(constraints=[{"metric": "win_rate", "at_least": 0.5}]), progress=told.append)
    trials = lake.query("SELECT * FROM optimization_trials ORDER BY trial_no")
    assert trials.equals(report.trials)
    assert trials["trial_no"].to_list() == list(range(30))
    assert set(trials["state"]) == {"complete"}
    assert all(len(returns) == 12 for returns in trials["returns"])
    feasible = trials.filter("feasible")
    greatest = feasible.sort("net_profit", "trial_no", descending=[True, False]).row(0, named=True)
    best = lake.query("SELECT * FROM optimization_best").row(0, named=True)
    assert (best["trial_no"], best["value"]) == (greatest["trial_no"], greatest["net_profit"])
    assert best["params"] == greatest["params"]
    params = orjson.loads(best["params"])
    tested = Bowl().evaluate(params, "2025-01-04")
    assert best["test_net_profit"] == best["test_value"] == tested.profit
    assert best["test_returns"] == list(tested.returns)
    assert (best["trials"], best["complete"], best["pruned"], best["failed"]) == (30, 30, 0, 0)
    assert [standing.told for standing in told] == list(range(1, 31))
    assert told[-1].best == best["value"]
    ran = lake.query("SELECT partition, lake_snapshot FROM runs WHERE task = 'optimize'")
    assert ran.rows() == [("bowl|w00", best["lake_snapshot"])]


def test_a_search_that_is_over_is_not_run_again(run: Run, tmp_path: Path) -> None:
    """The same study gives the same rows from its journal; other data, seed or --fresh run anew."""
    log = tmp_path / "log"
    first = run(study(), Bowl(log))
    ran = _evaluations(log).total()
    assert ran == 30 * 3 + 1
    again = run(study(), Bowl(log))
    assert (again.digest, again.trials.rows()) == (first.digest, first.trials.rows())
    assert _evaluations(log).total() == ran + 1  # the test day of the best
    for number, changes in enumerate(({"data": "other"}, {"seed": 6}, {"fresh": True}), start=2):
        run(study(), Bowl(log), **changes)
        assert _evaluations(log).total() == number * ran + 1


def test_killed_in_mid_study_it_goes_on(
    lake: Lake, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """kill -9 of the search: the next run repeats no finished trial, and finds the same."""
    log, gate = tmp_path / "log", tmp_path / "gate"
    journal = lake.root / "studies" / "bowl" / "w00.journal"
    command = [sys.executable, "-m", "tests.integration.search_worker", str(log), str(gate)]
    victim = subprocess.Popen([*command, "40", "2"], cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        # both workers stand at the gate: what could end has ended
        _until(lambda: log.exists() and _evaluations(log).total() >= 42)
        _until(lambda: (read := read_journal(journal)) is not None and len(read.records) >= 12)
        with pytest.raises(ArbError, match=rf"searched already, by process {victim.pid} on"):
            run(study(), Bowl(log))
    finally:
        victim.send_signal(signal.SIGKILL)
        victim.wait()
    gate.touch()
    recorded = read_journal(journal)
    assert recorded is not None
    assert not recorded.over
    finished = {str(record["params"]) for record in recorded.records}
    before = _evaluations(log)
    report = run(study(), Bowl(log), workers=2)
    after = _evaluations(log) - before
    assert 12 <= len(finished) < 30
    assert finished <= {line.partition("}")[0] + "}" for line in before}
    assert not [line for line in after if line.partition("}")[0] + "}" in finished]
    # told apart by line: a worker that the kill left at the gate may still end its day
    trained = [line for line in after if "2025-01-04" not in line]
    assert len(trained) == (30 - len(finished)) * 3
    assert sum(after[line] - 1 for line in trained) <= 2  # a day for each worker left behind
    assert report.digest == run(study(), fresh=True).digest


def test_an_interrupted_search_is_continued_only_as_it_was(run: Run, tmp_path: Path) -> None:
    """Another study, seed, snapshot or data: what differs is said, and --fresh begins anew."""

    class Stop(Exception):
        pass

    def stop(standing: Standing) -> None:
        if standing.told == 5:
            raise Stop

    with pytest.raises(Stop):
        run(study(), progress=stop)
    for chosen, changes, words in (
        (study(look_back=5), {}, "had another study_digest; run it as it was"),
        (study(), {"seed": 9}, "had another seed"),
        (study(), {"data": "new"}, "had another data"),
        (study(), {"snapshot": 10**6}, "was begun on snapshot"),
    ):
        with pytest.raises(ConfigError, match=words):
            run(chosen, **changes)
    log = tmp_path / "log"
    continued = run(study(), Bowl(log))
    assert _evaluations(log).total() < 30 * 3
    assert continued.digest == run(study(), fresh=True).digest
    assert run(study(look_back=5)).digest != continued.digest


def test_progress_is_seen_in_the_lake_while_it_runs(
    lake: Lake, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trials are rows before the search is over, no check objects, an earlier one's are gone."""
    monkeypatch.setattr("arb_pipelines.research.study_tables._MOST_WAITING", 4)
    monkeypatch.setattr("arb_pipelines.research.study_tables._LONGEST_WAIT_S", 0.0)
    run(study(trials=9))
    seen: list[int] = []
    checks = [one for one in all_checks() if one.name in ("trials_add_up", "best_is_a_trial")]

    def look(standing: Standing) -> None:
        if standing.told == 1:
            _until(lambda: _rows(lake) == 0)
        if standing.told == 20:
            _until(lambda: _rows(lake) > 0)
            seen.append(_rows(lake))
            assert lake.query("SELECT bool_and(on_front IS NULL) FROM optimization_trials").item()
            assert all(result.passed for result in run_checks(lake, checks))

    run(study(), progress=look)
    assert seen[0] <= 20
    assert _rows(lake) == 30


def _rows(lake: Lake) -> int:
    return int(lake.query("SELECT count(*) FROM optimization_trials").item())


def test_the_memory_limit_ends_one_trial_and_no_other(run: Run) -> None:
    """What hoards fails with the reason, the others are complete, and the best is one of them."""
    report = run(study(trials=12, memory_limit_mib=64), Bowl(hoard_above=1.0))
    for params, state, error in report.trials.select("params", "state", "error").iter_rows():
        hoards = orjson.loads(params)["x"] > 1.0
        assert state == ("failed" if hoards else "complete")
        assert ("64 MiB" in str(error)) is hoards
    assert 0 < (report.trials["state"] == "failed").sum() < 12
    assert report.best["trial_no"].item() is not None


def test_without_a_feasible_trial_there_is_no_best(lake: Lake, run: Run) -> None:
    """The row is there and says so: no parameters, no value, no out-of-sample figures."""
    report = run(study(trials=6, constraints=[{"metric": "trades", "at_least": 10**6}]))
    row = report.best.row(0, named=True)
    assert row["trials"] == row["complete"] == 6
    assert row["unknown"] == "best: no complete trial keeps every constraint"
    empty = ("trial_no", "params", "value", "test_value", "deflated_sharpe", "pbo", "stability")
    assert all(row[name] is None for name in empty)
    assert not report.trials["feasible"].any()
    assert study_pictures(lake, study(), report)["parallel_coordinates"].startswith("![")


def test_a_figure_that_cannot_be_known_has_its_reason(run: Run) -> None:
    """Three trials over a day of one block, nothing held back: what each figure would take."""
    report = run(
        study(
            trials=3,
            sampler=SAMPLERS["random"],
            objectives=["trades"],
            days={"first": "2025-01-01", "last": "2025-01-01"},
            windows={"kind": "single"},
        ),
        Bowl(flat=True),
    )
    row = report.best.row(0, named=True)
    names = ("deflated_sharpe", "pbo", "stability")
    assert [row[name] for name in names] == [None] * 3
    reasons = [reason.partition(": ") for reason in row["unknown"].split("; ")]
    assert [name for name, _, _ in reasons] == [*names, "test"]
    whole = run(study(), fresh=True).best.row(0, named=True)
    assert whole["unknown"] is None
    assert None not in [whole[name] for name in names]


def test_several_objectives_have_a_front(lake: Lake, run: Run) -> None:
    """NSGA-II from file to table: the best is the first objective's, the front what none beats."""
    minimised = {"metric": "measure:distance", "direction": "minimise"}
    chosen = study(objectives=["net_profit", minimised], sampler=SAMPLERS["nsga2"])
    report = run(chosen)
    assert run(chosen, workers=2, fresh=True).digest == report.digest
    points = report.trials["values"].to_list()
    beaten = [
        any(a[0] >= b[0] and a[1] <= b[1] and a != b for a in points)  # less distance is better
        for b in points
    ]
    assert lake.query("SELECT on_front FROM optimization_trials ORDER BY trial_no")[
        "on_front"
    ].to_list() == [not one for one in beaten]
    assert report.best["value"].item() == max(value for value, _ in points)
    (window,) = describe(StudyReport(chosen, (report,)))["windows"]
    assert [one["trial_no"] for one in window["front"]] == [
        number for number, lost in enumerate(beaten) if not lost
    ]
    assert 1 < len(window["front"]) < 30
    first = window["front"][0]
    assert list(first["values"].values()) == points[first["trial_no"]]
    assert first["params"].keys() == {"x", "n"}
    pictures = study_pictures(lake, chosen, report)
    assert pictures["pareto_front"].startswith("![")
    assert run(study(), fresh=True).front is None


def test_a_window_the_study_does_not_have_is_refused(lake: Lake) -> None:
    """Its windows are named."""
    with pytest.raises(ConfigError, match="has no window 'w01'; it has w00"):
        run_window(lake, study(), "w01", workers=1)
