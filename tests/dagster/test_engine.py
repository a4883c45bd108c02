"""The engine's assets, checks, schedule and sensors, as Dagster runs them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import dagster as dg
import pytest

from arb_pipelines.alerts import alerts_path
from arb_pipelines.clock import day_start_ns
from arb_pipelines.definitions import build_defs
from arb_pipelines.execution.state.files import account_name
from arb_pipelines.execution.state.risk import RiskEvent
from arb_pipelines.execution.state.values import CycleState, Outcome
from arb_pipelines.lake.store import Lake
from arb_pipelines.research import account_days
from arb_pipelines.settings import Settings
from assets.checks import table_checks
from assets.engine import ended_cycles, reconciliations, state_and_lake_agree
from assets.partitions import VENUES, VenueDay
from resources.lake import LakeResource
from sensors.daily import reconcile_yesterday
from sensors.engine import breached_risk_limits, cycles_that_stick
from tests.fakes.state_worlds import DAY, state_world
from tests.fakes.venue_connection import QuietConnection

KEY = VenueDay("kucoin", DAY).key
OF_CYCLES = {"strategy_cycles", "strategy_transitions", "strategy_orders"}


def materialize(lake: Lake, instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    """Bring a day's cycles to the lake, with the checks of their tables."""
    instance.add_dynamic_partitions(str(VENUES.name), ["kucoin"])
    checks = [
        check
        for check in table_checks
        if {key.asset_key.to_user_string() for key in check.check_keys} <= OF_CYCLES
    ]
    return dg.materialize(
        [ended_cycles, state_and_lake_agree, *checks],
        instance=instance,
        partition_key=KEY,
        resources={"lake": lake},
    )


def test_a_days_cycles_come_to_the_lake_and_pass_their_checks(
    lake: Lake, home: Settings, instance: dg.DagsterInstance
) -> None:
    """Twice the same; rows by table, and every check on them made."""
    with state_world(home) as world:
        world.complete("c-1")
        world.fail("c-2")
        for copied in ({"cycles": 2, "transitions": 8, "orders": 4}, dict.fromkeys(
            ("cycles", "transitions", "orders"), 0
        )):  # fmt: skip
            result = materialize(lake, instance)
            assert result.success
            checks = {one.check_name: one.passed for one in result.get_asset_check_evaluations()}
            assert all(checks.values())
            assert {"state_and_lake_agree", "transitions_follow"} <= set(checks)
            (event,) = instance.fetch_materializations(
                dg.AssetKey("strategy_cycles"), limit=1
            ).records
            shown = event.asset_materialization.metadata  # type: ignore[union-attr]
            assert shown["copied"].value == copied
            assert shown["dagster/partition_row_count"].value == 2


def test_the_check_fails_where_the_lake_says_something_else(
    lake: Lake, home: Settings, instance: dg.DagsterInstance
) -> None:
    """And shows which cycle and what of it."""
    with state_world(home) as world:
        world.complete("c-1")
    materialize(lake, instance)
    wrong = "UPDATE strategy_cycles SET profit = 1 WHERE cycle = 'c-1'"
    lake.commit(lambda transaction: transaction.connection.execute(wrong))
    result = materialize(lake, instance)
    (failed,) = [one for one in result.get_asset_check_evaluations() if not one.passed]
    assert failed.check_name == "state_and_lake_agree"
    assert "c-1 has profit 0.6992" in str(failed.metadata["first"].value)


def test_a_reconciliation_says_how_many_lines_came_to_what(
    lake: Lake, home: Settings, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows and verdicts are at the asset, and its check says that nothing explains them."""

    @asynccontextmanager
    async def quiet_venue(venue: str, settings: Settings) -> AsyncIterator[QuietConnection]:
        yield QuietConnection()

    monkeypatch.setattr(account_days, "open_venue", quiet_venue)
    instance.add_dynamic_partitions(str(VENUES.name), ["kucoin"])
    with state_world(home, account=account_name(QuietConnection.account_id)) as world:
        world.complete("c-1")
    (check,) = [
        check
        for check in table_checks
        if {key.asset_key.to_user_string() for key in check.check_keys} == {"reconciliations"}
    ]
    result = dg.materialize(
        [reconciliations, check],
        instance=instance,
        partition_key=KEY,
        resources={"lake": lake},
        raise_on_error=False,
    )
    (event,) = result.asset_materializations_for_node("reconciliations")
    shown = {name: value.value for name, value in event.metadata.items()}
    assert shown["verdicts"] == {"ours_only": 6}
    assert shown["lines"] == shown["dagster/partition_row_count"] == 6
    (unexplained,) = result.get_asset_check_evaluations()
    assert (unexplained.passed, unexplained.metadata["bad_rows"].value) == (False, 6)


def tick_after(instance: dg.DagsterInstance) -> dg.ScheduleEvaluationContext:
    """The tick of the night after ``DAY``, with the code location as Dagster loads it."""
    at = datetime.fromtimestamp(day_start_ns(DAY) / 10**9, UTC) + timedelta(days=1, minutes=30)
    return dg.build_schedule_context(
        instance,
        scheduled_execution_time=at,
        repository_def=build_defs().get_repository_def(),
        resources={"lake": LakeResource()},
    )


KEYS = {
    "ARB_KUCOIN_URL": "http://127.0.0.1:9",
    "ARB_KUCOIN_KEY": "key",
    "ARB_KUCOIN_SECRET": "secret",
    "ARB_KUCOIN_PASSPHRASE": "phrase",
}


def test_the_schedule_asks_for_yesterday_of_each_venue_traded_at(
    home: Settings, stored_instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One run a venue; accounts on which orders are only tested have nothing to reconcile."""
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    for venue, account in (
        ("binance", "1" * 16 + "-tested"),
        ("kraken", "2" * 16),
        ("kucoin", "0" * 16),
    ):
        with state_world(home, venue=venue, account=account) as world:
            world.fail("c-1")
    tick = reconcile_yesterday.evaluate_tick(tick_after(stored_instance))
    assert tick.run_requests is not None
    assert [request.partition_key for request in tick.run_requests] == [KEY]
    assert stored_instance.get_dynamic_partitions(str(VENUES.name)) == ["kucoin"]


def test_the_schedule_runs_by_itself_and_rests_until_an_engine_has_traded(
    home: Settings, stored_instance: dg.DagsterInstance
) -> None:
    """In an empty home every night passes with a reason; nobody has to switch anything on."""
    assert reconcile_yesterday.default_status is dg.DefaultScheduleStatus.RUNNING
    tick = reconcile_yesterday.evaluate_tick(tick_after(stored_instance))
    assert not tick.run_requests
    assert tick.skip_message == (
        f"no engine has traded: {home.state} has no state file with orders placed"
    )


@pytest.mark.parametrize("missing", KEYS)
def test_the_schedule_names_the_keys_that_it_lacks(
    home: Settings,
    stored_instance: dg.DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
    missing: str,
) -> None:
    """One of them is enough to pass a venue over; a venue through ccxt has keys of its own."""
    for name, value in KEYS.items():
        monkeypatch.setenv(name, "" if name == missing else value)
    for venue in ("kraken", "kucoin"):
        with state_world(home, venue=venue) as world:
            world.fail("c-1")
    tick = reconcile_yesterday.evaluate_tick(tick_after(stored_instance))
    assert not tick.run_requests
    assert tick.skip_message == (
        "kraken is not reconciled: set ARB_CCXT_URL, ARB_CCXT_KEY, ARB_CCXT_SECRET; "
        f"kucoin is not reconciled: set {missing}"
    )


def look(
    sensor: dg.SensorDefinition, lake: Lake, instance: dg.DagsterInstance, cursor: str | None
) -> tuple[str | None, list[object]]:
    """Evaluate a sensor once; give its cursor and what it observed."""
    with dg.build_sensor_context(instance=instance, cursor=cursor) as context:
        result = sensor(context, lake=lake)
        assert isinstance(result, dg.SensorResult)
        return result.cursor, [*result.asset_events]


@pytest.mark.parametrize("sensor", [breached_risk_limits, cycles_that_stick])
def test_trouble_is_told_once(
    lake: Lake, home: Settings, instance: dg.DagsterInstance, sensor: dg.SensorDefinition
) -> None:
    """An alert and an observation for what is new, silence while it stands."""
    cursor, seen = look(sensor, lake, instance, None)
    assert seen == []
    with state_world(home) as world:
        world.begin("c-1")  # and its engine ends
        world.store.risk.note(RiskEvent("thin", 7, "paused", "drawdown", "too far", "engine"))
    cursor, seen = look(sensor, lake, instance, cursor)
    assert len(seen) == 1
    again, seen = look(sensor, lake, instance, cursor)
    assert (again, seen) == (cursor, [])
    (alert,) = [json.loads(line) for line in alerts_path(home).read_text().splitlines()]
    assert alert["event"] in ("risk limit breached", "cycle is stuck")
    assert alert["account"] == world.file.name
    with state_world(home) as world:
        world.store.risk.note(RiskEvent("thin", 8, "resumed", None, "looked into", "ann"))
        world.store.end(
            "c-1", CycleState.FAILED, Outcome.NOTHING, profit=Decimal(0), what="ended", why="looked"
        )
    assert look(sensor, lake, instance, cursor) == ("[]", [])
