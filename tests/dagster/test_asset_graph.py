"""The asset graph is what was agreed on: a change to it shows as a change to a text file.

Learned from Dagster's own open platform, which keeps such a snapshot.
"""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from arb_pipelines.definitions import build_defs
from arb_pipelines.lake.schemas import TABLES

SNAPSHOT = Path(__file__).with_name("asset_graph.txt")


@pytest.fixture(scope="module")
def defs() -> dg.Definitions:
    """The code location."""
    return build_defs()


def test_the_graph_is_the_one_in_the_snapshot(
    defs: dg.Definitions, request: pytest.FixtureRequest
) -> None:
    """To accept a change: pytest tests/dagster/test_asset_graph.py --renew."""
    drawn = draw(defs)
    if request.config.getoption("--renew", default=False):
        SNAPSHOT.write_text(drawn)
    assert drawn == SNAPSHOT.read_text(), "the asset graph changed; accept it with --renew"


def test_every_asset_says_what_it_is(defs: dg.Definitions) -> None:
    """Group, owner, kinds, tags and description are there for each asset."""
    for node in defs.resolve_asset_graph().asset_nodes:
        assert node.group_name != "default", node.key
        assert node.owners, node.key
        assert node.kinds, node.key
        assert node.tags, node.key
        assert node.description, node.key


def test_every_table_asset_shows_its_columns(defs: dg.Definitions) -> None:
    """The column schema is the lake's, with a meaning for each column."""
    for node in defs.resolve_asset_graph().asset_nodes:
        if (table := TABLES.get(node.key.to_user_string())) is None:
            continue
        schema = node.metadata["dagster/column_schema"]
        assert isinstance(schema, dg.TableSchema)
        assert [column.name for column in schema.columns] == list(table.names)
        assert all(column.description for column in schema.columns)


def test_definitions_load_as_dagster_loads_them(defs: dg.Definitions) -> None:
    """Jobs, sensors and schedules resolve against assets and resources."""
    dg.Definitions.validate_loadable(defs)


def draw(defs: dg.Definitions) -> str:
    """Draw assets, checks, jobs and automations as text, in a stable order."""
    graph = defs.resolve_asset_graph()
    repository = defs.get_repository_def()
    lines = []
    for node in sorted(graph.asset_nodes, key=lambda node: (node.group_name, node.key)):
        partitions = node.partitions_def
        by = "|".join(partitions.partition_dimension_names) if partitions else "-"
        kinds = " ".join(sorted(node.kinds))
        lines.append(f"{node.group_name}/{node.key.to_user_string()} [{kinds}] by {by}")
        lines += [
            f"  < {parent}" for parent in sorted(k.to_user_string() for k in node.parent_keys)
        ]
        for check in sorted(node.check_keys, key=lambda key: key.name):
            blocks = " (blocks)" if graph.get(check).blocking else ""
            lines.append(f"  ? {check.name}{blocks}")
    for job in sorted(repository.get_all_jobs(), key=lambda job: job.name):
        if not job.name.startswith("__"):
            keys = sorted(key.to_user_string() for key in job.asset_layer.executable_asset_keys)
            lines += [f"job {job.name}", *(f"  {key}" for key in keys)]
    for sensor in sorted(repository.sensor_defs, key=lambda sensor: sensor.name):
        lines.append(f"sensor {sensor.name} ({sensor.default_status.value})")
    for schedule in sorted(repository.schedule_defs, key=lambda schedule: schedule.name):
        lines.append(f"schedule {schedule.name} {schedule.cron_schedule}")
    return "\n".join(lines) + "\n"
