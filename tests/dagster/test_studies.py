"""Searches in Dagster: partitions out of study files, one real job over every window, checks."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from arb_pipelines.definitions import build_defs
from arb_pipelines.lake.landing import ingest_landing
from arb_pipelines.lake.store import Lake
from arb_pipelines.research.listed import store_listed_markets
from arb_pipelines.research.models import all_checks
from arb_pipelines.settings import load_settings
from assets.partitions import STUDY_WINDOWS, StudyWindow, study_windows
from sensors.studies import new_studies
from tests.fakes.generated_home import new_home

pytestmark = pytest.mark.xdist_group("dagster-main-job")

DAYS = tuple(date(2026, 1, day) for day in (5, 6, 7))
STUDY = """
name: {name}
target: {{kind: triangle, strategy: alpha}}
days: {{first: 2026-01-05, last: 2026-01-0{last}}}
windows: {{kind: rolling, train_days: 1, test_days: 1}}
parameters:
  min_profit_bps: {{type: float, low: 0, high: 30}}
  capital_allocation.amount: {{type: float, low: 50, high: 500}}
sampler: {{kind: random}}
trials: 24
objectives: [net_profit]
"""


@pytest.fixture
def studies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A studies folder: one of two windows, one of a single, and a broken file."""
    folder = tmp_path / "studies"
    folder.mkdir()
    monkeypatch.setenv("ARB_STUDIES", str(folder))
    for name, last in (("wide", 7), ("narrow", 6)):
        (folder / f"{name}.yaml").write_text(STUDY.format(name=name, last=last))
    (folder / "broken.yaml").write_text("name: [")
    return folder


def asked_of(result: object) -> dict[str, list[str]]:
    """Partitions that a sensor asks for, by definition."""
    assert isinstance(result, dg.SensorResult)
    requests = result.dynamic_partitions_requests or []
    return {request.partitions_def_name: list(request.partition_keys) for request in requests}


def test_study_files_become_partitions_once(
    studies: Path, lake: Lake, instance: dg.DagsterInstance
) -> None:
    """Every study, and every window that any has; a second look adds nothing."""
    found = asked_of(new_studies(dg.build_sensor_context(instance=instance), lake=lake))
    assert found == {"study": ["narrow", "wide"], "window": ["w00", "w01"]}
    for name, keys in found.items():
        instance.add_dynamic_partitions(name, keys)
    again = new_studies(dg.build_sensor_context(instance=instance), lake=lake)
    assert isinstance(again, dg.SkipReason)
    assert again.skip_message == "no new study; 1 broken files"
    (studies / "third.yaml").write_text(STUDY.format(name="third", last=6))
    third = new_studies(dg.build_sensor_context(instance=instance), lake=lake)
    assert asked_of(third) == {"study": ["third"]}


def test_a_broken_study_is_named(
    studies: Path, lake: Lake, instance: dg.DagsterInstance, capsys: pytest.CaptureFixture[str]
) -> None:
    """The log says which file and where; the studies beside it are partitions all the same."""
    with dg.build_sensor_context(instance=instance) as context:
        new_studies(context, lake=lake)
    assert f"study file left out: {studies / 'broken.yaml'}" in capsys.readouterr().err


def test_partition_keys_are_dagster_s_own() -> None:
    """Study first, since dimensions are ordered by name; and back again."""
    part = StudyWindow("wide", "w01")
    assert part.key == dg.MultiPartitionKey({"study": "wide", "window": "w01"})
    assert study_windows([part.key]) == [part]


@dataclass(frozen=True, slots=True)
class Searched:
    """Both studies after a backfill of every study and window."""

    lake: Lake
    instance: dg.DagsterInstance
    runs: dict[str, dg.ExecuteInProcessResult]

    def metadata(self, asset: str, partition: str) -> dict[str, Any]:
        """What the newest materialisation of a partition shows."""
        filter = dg.AssetRecordsFilter(dg.AssetKey(asset), asset_partitions=[partition])
        (record, *_) = self.instance.fetch_materializations(filter, limit=1).records
        assert record.asset_materialization is not None
        return {k: v.value for k, v in record.asset_materialization.metadata.items()}

    def log(self, partition: str) -> list[str]:
        """Lines of a run's log."""
        records = self.instance.all_logs(self.runs[partition].run_id)
        return [record.user_message for record in records]


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Searched]:
    """Run the job of the real definitions on each partition, as a backfill of all would."""
    folder = tmp_path_factory.mktemp("studies")
    home = new_home(folder, days=DAYS)
    lake = Lake(load_settings(home=home))
    for day in DAYS:
        store_listed_markets(lake, "demo", day)
        ingest_landing(lake, "demo", day)
    (folder / "studies").mkdir()
    for name, last in (("wide", 7), ("narrow", 6)):
        (folder / "studies" / f"{name}.yaml").write_text(STUDY.format(name=name, last=last))
    with pytest.MonkeyPatch.context() as patch, dg.DagsterInstance.ephemeral() as instance:
        patch.setenv("ARB_STRATEGIES", str(folder / "strategies"))
        patch.setenv("ARB_STUDIES", str(folder / "studies"))
        lake = Lake(load_settings(home=home))
        asked = asked_of(new_studies(dg.build_sensor_context(instance=instance), lake=lake))
        for name, keys in asked.items():
            instance.add_dynamic_partitions(name, keys)
        job = build_defs(home=home).resolve_job_def("optimize")
        with dg.partition_loading_context(dynamic_partitions_store=instance):
            partitions = STUDY_WINDOWS.get_partition_keys()
        runs = {
            str(partition): job.execute_in_process(
                instance=instance,
                partition_key=str(partition),
                run_config={"ops": {"optimization": {"config": {"workers": workers}}}},
            )
            for partition in partitions
            for workers in [2 if partition == "narrow|w00" else 1]
        }
        yield Searched(lake, instance, runs)


def test_a_backfill_covers_every_study_and_window(searched: Searched) -> None:
    """Also the one that a study does not have: it ends empty, and the log says why."""
    assert sorted(searched.runs) == ["narrow|w00", "narrow|w01", "wide|w00", "wide|w01"]
    assert all(run.success for run in searched.runs.values())
    rows = searched.lake.query(
        "SELECT study, window_name, trials FROM optimization_best ORDER BY study, window_name"
    ).rows()
    assert rows == [("narrow", "w00", 24), ("wide", "w00", 24), ("wide", "w01", 24)]
    empty = searched.metadata("optimization_trials", "narrow|w01")
    assert empty["empty"] == "the study has no such window"
    assert empty["dagster/partition_row_count"] == 0
    assert any("narrow has no window w01" in line for line in searched.log("narrow|w01"))


def test_progress_is_in_the_log_and_on_the_asset(searched: Searched) -> None:
    """Some twenty times: how many were told, done, pruned, failed, and the best so far."""
    lines = [line for line in searched.log("wide|w01") if line.startswith("w01: ")]
    assert lines[-1].startswith("w01: 24 of 24 trials: 24 done, 0 pruned, 0 failed; best so far ")
    assert 20 <= len(lines) <= 24
    seen = searched.instance.fetch_observations(
        dg.AssetRecordsFilter(dg.AssetKey("optimization_trials"), asset_partitions=["wide|w01"]),
        limit=1,
    ).records[0]
    assert seen.asset_observation is not None
    told = seen.asset_observation.metadata
    assert (told["told"].value, told["trials"].value) == (24, 24)


def test_what_was_found_is_shown(searched: Searched) -> None:
    """Figures and pictures at both tables; the figures are those of the lake."""
    best = searched.lake.query(
        "SELECT * FROM optimization_best WHERE study = 'wide' AND window_name = 'w00'"
    ).row(0, named=True)
    shown = searched.metadata("optimization_best", "wide|w00")
    assert shown["trials"] == 24
    assert shown["value"] == best["value"]
    assert shown["test_value"] == best["test_value"]
    assert shown["params"].keys() == {"min_profit_bps", "capital_allocation.amount"}
    for picture in (
        "history",
        "importance",
        "parallel_coordinates",
        "landscape",
        "in_and_out_of_sample",
    ):
        assert shown[picture].startswith("!["), picture
        assert "base64," in shown[picture], picture


def test_the_marts_say_what_the_search_found(searched: Searched) -> None:
    """A row a window; a row a trial and parameter, whose values are the trial's."""
    windows = searched.lake.query(
        "SELECT study, window_name, trials, feasible, net_profit_a_day FROM study_windows "
        "ORDER BY study, window_name"
    )
    assert windows["window_name"].to_list() == ["w00", "w00", "w01"]
    best = searched.lake.query(
        "SELECT number FROM trial_parameters JOIN optimization_best USING "
        "(study, window_name, trial_no) WHERE study = 'wide' AND window_name = 'w00' "
        "ORDER BY parameter"
    )
    shown = searched.metadata("optimization_best", "wide|w00")["params"]
    assert best["number"].to_list() == [shown[name] for name in sorted(shown)]
    assert searched.lake.query("SELECT count(*) FROM trial_parameters").item() == 3 * 24 * 2


def test_every_check_of_studies_was_made(searched: Searched) -> None:
    """None that blocks found anything; whether the best is luck, a warning says."""
    made = [check for run in searched.runs.values() for check in run.get_asset_check_evaluations()]
    names = {check.check_name for check in made}
    assert {"best_is_a_trial", "trials_add_up", "overfit_warning"} <= names
    failed = {check.check_name for check in made if not check.passed}
    assert failed <= {"overfit_warning"}
    (warning,) = [check for check in all_checks() if check.name == "overfit_warning"]
    assert not warning.blocking


def test_workers_of_the_config_change_nothing_but_who_measured(searched: Searched) -> None:
    """The first windows of both studies are the same search, by one worker and by two."""
    found = searched.lake.query(
        "SELECT workers, digest FROM optimization_best WHERE window_name = 'w00' ORDER BY workers"
    )
    assert found["workers"].to_list() == [1, 2]
    assert found["digest"].n_unique() == 1


#: What must be found, by the check that must find it.
DAMAGE = {
    "best_is_a_trial": "UPDATE optimization_best SET value = value + 1",
    "trials_add_up": "DELETE FROM optimization_trials WHERE trial_no = 3",
    "overfit_warning": "UPDATE optimization_best SET net_profit = 1, test_net_profit = -1",
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_check_finds_the_damage_it_is_there_for(name: str, searched: Searched) -> None:
    """Each audit finds more rows after its damage than before."""
    (check,) = [check for check in all_checks() if check.name == name]
    with contextlib.closing(searched.lake.connect()) as connection:
        connection.execute("BEGIN")  # never committed
        before = len(connection.execute(check.sql).fetchall())
        connection.execute(DAMAGE[name])
        assert (
            len(connection.execute(check.sql).fetchall()) == 3 > (before if check.blocking else 0)
        )


@pytest.mark.parametrize(
    "config", [{"workers": 0}, {"workers": 2000}, {"seed": -1}, {"threads": 2}]
)
def test_a_config_that_cannot_be_is_refused(config: dict[str, int], searched: Searched) -> None:
    """Before a trial is run, and the message names the field."""
    job = build_defs(home=searched.lake.root).resolve_job_def("optimize")
    with pytest.raises(Exception, match=next(iter(config))):
        job.execute_in_process(
            instance=searched.instance,
            partition_key="wide|w00",
            run_config={"ops": {"optimization": {"config": config}}},
        )
