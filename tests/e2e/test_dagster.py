"""Dagster as it is used: `arb ui` started for real, runs and a backfill asked for over GraphQL.

One scenario for the whole module, since webserver, daemon and code server take
seconds to start: four days of a generated market come in through a partition
run, a backfill and the landing folder, and what is in the lake is looked at.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from arb_pipelines.definitions import build_defs
from arb_pipelines.generator.write import generate
from arb_pipelines.lake.store import Lake
from arb_pipelines.settings import load_settings
from tests.e2e.dagster_client import DagsterClient
from tests.e2e.dagster_process import running_ui, tag

pytestmark = [pytest.mark.xdist_group("dagster-services"), pytest.mark.timeout(600)]

DAYS = tuple(date(2026, 1, day) for day in (5, 6, 7, 8))
STRATEGY = """
name: alpha
exchange: demo
universe: {start: [USDT]}
min_profit_bps: 1
fee_bps: 0
capital_allocation: {mode: fixed_amount, amount: 100}
balances: {USDT: 1000}
"""
STUDY = """
name: search
target: {kind: triangle, strategy: alpha}
days: {first: 2026-01-05, last: 2026-01-06}
windows: {kind: single, test_days: 1}
parameters:
  min_profit_bps: {type: float, low: 0, high: 30}
sampler: {kind: random}
trials: 4
objectives: [net_profit]
"""


@dataclass(frozen=True, slots=True)
class Running:
    """A running `arb ui`: who to ask, its home, and the recordings that may be landed."""

    client: DagsterClient
    home: Path
    recordings: tuple[Path, ...]

    @property
    def lake(self) -> Lake:
        """The lake of the home."""
        return Lake(load_settings(home=self.home), read_only=True)

    def days(self, table: str) -> list[date]:
        """Days that a table has rows of."""
        found = self.lake.query(f"SELECT DISTINCT day FROM {table} ORDER BY day")
        return found["day"].to_list()

    def land(self, number: int) -> None:
        """Drop the recording of a day into the landing folder, as a person would."""
        folder = self.home / "landing" / "demo" / "recording"
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(self.recordings[number], folder / self.recordings[number].name)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Start `arb ui` in a home of its own."""
    home, strategies, studies = map(tmp_path_factory.mktemp, ("home", "strategies", "studies"))
    (strategies / "alpha.yaml").write_text(STRATEGY)
    (studies / "search.yaml").write_text(STUDY)
    made = generate(tmp_path_factory.mktemp("made"), days=DAYS, symbols=12, minutes=0.5, seed=3)
    environment = os.environ | {
        "ARB_HOME": str(home),
        "ARB_STRATEGIES": str(strategies),
        "ARB_STUDIES": str(studies),
    }
    with running_ui(environment) as (client, _):
        yield Running(client, home, tuple(file.path for file in made.recordings))


def test_a_fresh_home_has_no_failing_tick(running: Running) -> None:
    """Every sensor has looked without an error, and the schedules that run find nothing yet."""
    client = running.client
    sensors = len(build_defs().sensors or ())
    ticks = client.until(client.ticks, lambda seen: sum(map(bool, seen.values())) >= sensors)
    assert {"reconcile_yesterday", "upkeep_daily"} < ticks.keys()
    assert {one for seen in ticks.values() for one in seen} <= {"STARTED", "SKIPPED", "SUCCESS"}
    half_past_midnight = datetime(2026, 1, 9, 0, 30, tzinfo=UTC)
    tried = client.try_schedule("reconcile_yesterday", half_past_midnight.timestamp())
    assert tried["error"] is None
    assert not tried["runRequests"]
    assert tried["skipReason"].startswith("no engine has traded: ")


def test_what_is_asked_for_ends_in_the_lake(running: Running) -> None:
    """A landed file, a partition run, a backfill of two days in one run, backtests, and a search.

    They go on side by side, as far as the queue lets them.
    """
    client = running.client
    by_sensor = [tag("dagster/sensor_name", "landed_files")]
    running.land(3)
    (landed,) = client.wait_for_requests(1, tags=by_sensor)
    assert landed["tags"]["dagster/partition"] == "2026-01-08|demo"
    client.switch_sensor("landed_files", on=False)  # the other days are a person's

    for number in (0, 1, 2):
        running.land(number)
    run = client.launch("research", "2026-01-05|demo")
    backfill = client.backfill("research", ["2026-01-06|demo", "2026-01-07|demo"])
    (several,) = client.wait_for_runs(1, tags=[tag("dagster/backfill", backfill)])
    assert several["tags"]["dagster/asset_partition_range_start"] == "2026-01-06|demo"
    assert several["tags"]["dagster/asset_partition_range_end"] == "2026-01-07|demo"
    assert client.wait_for_backfill(backfill) == "COMPLETED_SUCCESS"
    assert client.wait_for_run(run) == "SUCCESS"
    (landed,) = client.wait_for_runs(1, tags=by_sensor)

    # The sensor of study files has long made the partition.
    search = client.launch("optimize", "search|w00")
    follow_ups = client.wait_for_runs(
        3, tags=[tag("dagster/sensor_name", "backtests_after_research")]
    )
    assert {run["status"] for run in [several, landed, *follow_ups]} == {"SUCCESS"}
    for table in ("markets", "book_tops", "cycles", "backtest_summaries"):
        assert running.days(table) == list(DAYS), table
    for asset in ("markets", "book_tops", "opportunities", "backtest_trades"):
        assert client.materialized_partitions(asset) == len(DAYS), asset

    assert client.wait_for_run(search) == "SUCCESS"
    found = running.lake.query("SELECT study, window_name, trials, test_last FROM study_windows")
    assert found.rows() == [("search", "w00", 4, date(2026, 1, 6))]
    for asset in ("optimization_trials", "optimization_best", "trial_parameters"):
        assert client.materialized_partitions(asset) == 1, asset
