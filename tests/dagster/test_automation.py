"""Sensors and the schedule, evaluated as the daemon evaluates them."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path

import dagster as dg
import pytest

from arb_pipelines.alerts import alerts_path
from arb_pipelines.definitions import build_defs
from arb_pipelines.lake.store import Lake
from assets.jobs import research
from assets.partitions import VENUE_DAYS, StrategyDay, VenueDay, keys_of_run, partition_tags
from sensors.after_research import backtests_after_research
from sensors.daily import research_yesterday
from sensors.failures import alert_on_failure
from sensors.strategies import new_strategies

STRATEGY = """
name: {name}
exchange: {venue}
universe: {{start: [USDT]}}
min_profit_bps: 1
capital_allocation: {{mode: fixed_amount, amount: 100}}
balances: {{USDT: 1000}}
"""


@pytest.fixture
def strategies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A strategies folder: two of venue 'demo', one of 'kucoin', and a broken file."""
    folder = tmp_path / "strategies"
    folder.mkdir()
    monkeypatch.setenv("ARB_STRATEGIES", str(folder))
    for name, venue in (("alpha", "demo"), ("beta", "demo"), ("gamma", "kucoin")):
        (folder / f"{name}.yaml").write_text(STRATEGY.format(name=name, venue=venue))
    (folder / "broken.yaml").write_text("name: [")
    return folder


@pytest.fixture
def fresh_lake(strategies: Path, home: object) -> Lake:
    """A lake whose settings know the strategies folder."""
    from arb_pipelines.settings import load_settings

    return Lake(load_settings())


def finished_run(
    instance: dg.DagsterInstance, job: dg.JobDefinition, tags: dict[str, str]
) -> tuple[dg.DagsterRun, dg.DagsterEvent]:
    """A run of ``job`` with ``tags``, and the event of its end."""
    result = job.execute_in_process(instance=instance, tags=tags, raise_on_error=False)
    run = instance.get_run_by_id(result.run_id)
    assert run is not None
    ends = {dg.DagsterEventType.RUN_SUCCESS, dg.DagsterEventType.RUN_FAILURE}
    (end,) = [event for event in result.all_events if event.event_type in ends]
    return run, end


def stand_in(name: str, *, fails: bool = False) -> dg.JobDefinition:
    """A job that only has a name, and fails if it should."""

    @dg.op
    def work() -> None:
        if fails:
            raise ValueError("no books")

    @dg.job(name=name)
    def job() -> None:
        work()

    return job


def test_the_schedule_asks_for_yesterday_of_every_venue(
    stored_instance: dg.DagsterInstance,
) -> None:
    """At a quarter past midnight, each venue's day that has just ended; without venues, nothing."""
    context = dg.build_schedule_context(
        instance=stored_instance,
        scheduled_execution_time=datetime(2026, 3, 1, 0, 15, tzinfo=UTC),
        repository_def=build_defs().get_repository_def(),
    )
    assert not research_yesterday.evaluate_tick(context).run_requests
    stored_instance.add_dynamic_partitions("venue", ["demo", "kucoin"])
    asked = research_yesterday.evaluate_tick(context).run_requests
    assert asked is not None
    assert [request.partition_key for request in asked] == ["2026-02-28|demo", "2026-02-28|kucoin"]
    assert len({request.run_key for request in asked}) == 2


def test_strategy_files_become_partitions(instance: dg.DagsterInstance, fresh_lake: Lake) -> None:
    """Each good file once; the broken one is named in the log and stops nothing."""
    context = dg.build_sensor_context(instance=instance)
    result = new_strategies(context, lake=fresh_lake)
    assert isinstance(result, dg.SensorResult)
    (request,) = result.dynamic_partitions_requests or []
    assert request.partition_keys == ["alpha", "beta", "gamma"]
    instance.add_dynamic_partitions("strategy", ["alpha", "beta", "gamma"])
    again = new_strategies(dg.build_sensor_context(instance=instance), lake=fresh_lake)
    assert isinstance(again, dg.SkipReason)


def test_research_is_followed_by_the_backtests_of_its_venue(
    instance: dg.DagsterInstance, fresh_lake: Lake
) -> None:
    """One run a strategy over just the days of the research run, with a key that holds once."""
    instance.add_dynamic_partitions("venue", ["demo"])
    tags = partition_tags("2026-01-05|demo", "2026-01-07|demo")
    run, end = finished_run(instance, stand_in("research"), tags)
    context = dg.build_run_status_sensor_context("backtests_after_research", end, instance, run)
    asked = list(backtests_after_research(context, lake=fresh_lake))
    assert [request.tags for request in asked] == [
        partition_tags(f"2026-01-05|{name}", f"2026-01-07|{name}") for name in ("alpha", "beta")
    ]
    assert [request.run_key for request in asked] == [f"{run.run_id}|alpha", f"{run.run_id}|beta"]
    assert set(instance.get_dynamic_partitions("strategy")) == {"alpha", "beta"}


def test_a_failed_run_leaves_an_alert(instance: dg.DagsterInstance, fresh_lake: Lake) -> None:
    """The line names run, job, partition, step and reason."""
    run, end = finished_run(
        instance, stand_in("research", fails=True), {"dagster/partition": "2026-01-05|demo"}
    )
    context = dg.build_run_status_sensor_context(
        "alert_on_failure", end, instance, run
    ).for_run_failure()
    alert_on_failure(context, lake=fresh_lake)
    (line,) = alerts_path(fresh_lake.settings).read_text().splitlines()
    alert = json.loads(line)
    assert alert["run_id"] == run.run_id
    assert alert["job"] == "research"
    assert alert["partition"] == "2026-01-05|demo"


def test_a_run_s_partitions_are_read_from_its_tags(instance: dg.DagsterInstance) -> None:
    """One partition, a range of days, or none."""
    instance.add_dynamic_partitions("venue", ["demo", "kucoin"])
    read = lambda tags: keys_of_run(tags, VENUE_DAYS, instance)  # noqa: E731
    assert read({"dagster/partition": "2026-01-05|demo"}) == ["2026-01-05|demo"]
    assert read(partition_tags("2025-12-31|demo", "2026-01-01|demo")) == [
        "2025-12-31|demo",
        "2026-01-01|demo",
    ]
    assert read({}) == []


def test_partition_keys_are_dagster_s_own() -> None:
    """Day first, since dimensions are ordered by name."""
    assert VenueDay("demo", date(2026, 1, 5)).key == dg.MultiPartitionKey(
        {"venue": "demo", "day": "2026-01-05"}
    )
    assert StrategyDay("alpha", date(2026, 1, 5)).key == dg.MultiPartitionKey(
        {"strategy": "alpha", "day": "2026-01-05"}
    )


def test_the_days_reach_back_to_old_recordings_and_up_to_today() -> None:
    """2017 is there for old recordings, and the day that is still running."""
    days = VENUE_DAYS.get_partitions_def_for_dimension("day").get_partition_keys()
    assert days[0] == "2017-01-01"
    assert days[-1] == datetime.now(UTC).date().isoformat()


def test_the_jobs_cover_every_asset_once() -> None:
    """No asset is left out of all jobs, or run by two."""
    defs = build_defs()
    keys = [
        key
        for name in (research.name, "backtest", "optimize", "reconcile")
        for key in defs.resolve_job_def(name).asset_layer.executable_asset_keys
    ]
    assert sorted(keys) == sorted(defs.resolve_asset_graph().executable_asset_keys)
