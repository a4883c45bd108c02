"""Both jobs on a small generated market, in process: what is materialised, and what stops them."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.assets.graph.asset_graph import AssetNode

import assets.books
from arb_pipelines.definitions import build_defs
from arb_pipelines.generator.write import generate
from arb_pipelines.lake.landing import ingest_landing
from arb_pipelines.lake.schemas import TABLES
from arb_pipelines.lake.store import Lake
from arb_pipelines.research.models import all_checks
from arb_pipelines.settings import load_settings
from assets.partitions import STUDY_WINDOWS, partition_tags
from assets.tables import asset_of
from sensors.landing import landed_files
from tests.fakes.generated_home import DAYS, new_home

pytestmark = pytest.mark.xdist_group("dagster-main-job")


@dataclass(frozen=True, slots=True)
class Finished:
    """Both jobs after their run over two days."""

    lake: Lake
    instance: dg.DagsterInstance
    research: dg.ExecuteInProcessResult
    backtest: dg.ExecuteInProcessResult

    def materializations(self, asset: str) -> list[dg.AssetMaterialization]:
        """The asset's materialisations, by partition."""
        records = self.instance.fetch_materializations(dg.AssetKey(asset), limit=10).records
        found = [record.asset_materialization for record in records]
        return sorted((one for one in found if one), key=lambda one: str(one.partition))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Finished]:
    """Run both jobs once over two days, each in one run."""
    folder = tmp_path_factory.mktemp("main-job")
    home = new_home(folder)
    with pytest.MonkeyPatch.context() as patch, dg.DagsterInstance.ephemeral() as instance:
        patch.setenv("ARB_STRATEGIES", str(folder / "strategies"))
        instance.add_dynamic_partitions("venue", ["demo"])
        instance.add_dynamic_partitions("strategy", ["alpha"])
        defs = build_defs(home=home)
        research, backtest = (
            defs.resolve_job_def(job).execute_in_process(
                instance=instance,
                tags=partition_tags(f"{DAYS[0]}|{owner}", f"{DAYS[-1]}|{owner}"),
                raise_on_error=False,
            )
            for job, owner in (("research", "demo"), ("backtest", "alpha"))
        )
        yield Finished(Lake(load_settings(home=home)), instance, research, backtest)


def nodes() -> Iterable[AssetNode]:
    """Every asset of the code location."""
    return build_defs().resolve_asset_graph().asset_nodes


def test_every_asset_is_materialised_in_every_partition(finished: Finished) -> None:
    """One run over two days gives each table an event a day, and nothing is left out.

    Searches have windows in place of days, sessions fill their tables themselves, and what the
    engine did is a job's of its own; they have tests of their own.
    """
    assert finished.research.success
    assert finished.backtest.success
    for node in nodes():
        if node.partitions_def == STUDY_WINDOWS or not node.is_executable:
            continue
        if node.group_name == "engine":
            continue
        partitions = [one.partition for one in finished.materializations(node.key.to_user_string())]
        owner = "alpha" if "strategy" in str(node.partitions_def) else "demo"
        assert partitions == [f"{day}|{owner}" for day in DAYS], node.key


def test_row_counts_are_those_of_the_lake(finished: Finished) -> None:
    """The counts shown are the counts that a query gives."""
    for name, table in TABLES.items():
        if "day" not in table.partition_by or table.appended:
            continue
        rows = finished.lake.query(f"SELECT day, count(*) AS n FROM {name} GROUP BY day")
        by_day = dict(rows.iter_rows())
        for day, event in zip(DAYS, finished.materializations(name), strict=True):
            assert event.metadata["dagster/partition_row_count"].value == by_day.get(day, 0)
            assert event.metadata["dagster/row_count"].value == sum(by_day.values())
            assert isinstance(event.metadata["lake_snapshot"].value, int)


def test_a_person_finds_a_picture_where_they_would_look(finished: Finished) -> None:
    """Edge distribution at the opportunities, equity curve at the backtests, one a day."""
    for asset, picture in (
        ("opportunities", "edge_distribution"),
        ("backtest_trades", "equity_curve"),
    ):
        shown = [event.metadata[picture].value for event in finished.materializations(asset)]
        assert all(str(one).startswith("![") and "base64," in str(one) for one in shown)
        assert shown[0] != shown[1], "each day has its own"


def test_all_checks_pass_on_a_sound_market(finished: Finished) -> None:
    """Every check of days there is was made, and none found anything."""
    made = [
        check
        for result in (finished.research, finished.backtest)
        for check in result.get_asset_check_evaluations()
    ]
    others = [node.key for node in nodes() if node.partitions_def == STUDY_WINDOWS]
    others += [n.key for n in nodes() if not n.is_executable or n.group_name == "engine"]
    wanted = [c.name for c in all_checks() if dg.AssetKey(asset_of(c.on)) not in others]
    assert sorted(check.check_name for check in made) == sorted(wanted)
    assert [check.check_name for check in made if not check.passed] == []


def test_the_landing_sensor_is_quiet_about_what_was_taken(finished: Finished) -> None:
    """After the run no partition is pending; another file makes just its own partition so."""
    context = dg.build_sensor_context(instance=finished.instance)
    assert isinstance(landed_files(context, lake=finished.lake), dg.SkipReason)
    landing = finished.lake.settings.landing / "demo" / "recording"
    more = generate(
        landing.parent.parent.parent / "more", days=[date(2026, 1, 9)], symbols=12, minutes=0.1
    )
    shutil.copy(more.recordings[0].path, landing / more.recordings[0].path.name)
    asked = landed_files(dg.build_sensor_context(instance=finished.instance), lake=finished.lake)
    assert isinstance(asked, dg.SensorResult)
    assert [request.partition_key for request in asked.run_requests or []] == ["2026-01-09|demo"]
    again = landed_files(dg.build_sensor_context(instance=finished.instance), lake=finished.lake)
    assert isinstance(again, dg.SensorResult)
    assert again.run_requests == asked.run_requests, "the same run key: the run is made once"
    (landing / more.recordings[0].path.name).unlink()


#: What must be found, by the check that must find it.
DAMAGE = {
    "crossed_books": "UPDATE book_tops SET bid_px = ask_px * 2 WHERE row_no = 5",
    "books_in_order": "UPDATE book_tops SET ts_recv = ts_recv - 86400000000000 WHERE row_no = 5",
    "row_numbers_without_holes": "DELETE FROM book_tops WHERE row_no = 5",
    "silent_symbols": "UPDATE book_tops SET ts_recv = ts_recv + 901000000000 WHERE row_no > 700",
    "nothing_vanished": "UPDATE ingests SET rows_accepted = rows_accepted - 1",
    "universe_not_empty": "DELETE FROM cycles",
    "orphan_cycle_legs": "DELETE FROM cycle_legs WHERE leg_no = 2 AND cycle_no = 0",
    "ledger_adds_up": "UPDATE backtest_trades SET fee = fee + 0.01 WHERE trade_no = 0",
    "legs_add_up": "UPDATE backtest_legs SET slippage = slippage + 0.01 WHERE trade_no = 0",
    "summaries_add_up": "UPDATE backtest_summaries SET net_profit = net_profit + 0.01",
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_check_finds_the_damage_it_is_there_for(name: str, finished: Finished) -> None:
    """Each audit finds nothing in a sound lake and something after its damage."""
    (check,) = [check for check in all_checks() if check.name == name]
    with contextlib.closing(finished.lake.connect()) as connection:
        connection.execute("BEGIN")  # never committed
        assert not connection.execute(check.sql).fetchall()
        connection.execute(DAMAGE[name])
        assert connection.execute(check.sql).fetchall()


def test_a_crossed_book_stops_what_would_follow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, instance: dg.DagsterInstance
) -> None:
    """A bad row that is in the lake fails the check, and nothing downstream of the books runs."""
    home = new_home(tmp_path, days=DAYS[:1])

    def careless(lake: Lake, venue: str, day: date) -> object:
        report = ingest_landing(lake, venue, day)
        lake.commit(lambda tx: tx.connection.execute(DAMAGE["crossed_books"]))
        return report

    monkeypatch.setattr(assets.books, "ingest_landing", careless)
    instance.add_dynamic_partitions("venue", ["demo"])
    result = (
        build_defs(home=home)
        .resolve_job_def("research")
        .execute_in_process(
            instance=instance, partition_key=f"{DAYS[0]}|demo", raise_on_error=False
        )
    )
    assert not result.success
    failed = [event.step_key for event in result.all_events if event.is_step_failure]
    assert failed == ["check_book_tops"]
    done = {event.step_key for event in result.all_events if event.is_step_success}
    assert "books" in done
    assert not done & {"universe", "opportunities", "models_by_venue"}
    (crossed,) = [
        check
        for check in result.get_asset_check_evaluations()
        if check.check_name == "crossed_books"
    ]
    assert not crossed.passed
    assert crossed.metadata["bad_rows"].value == 1
