"""Build and test the SQL models over the lake."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from arb_pipelines.lake.models.checks import Check, CheckResult, check_of, checks_of, run_checks
from arb_pipelines.lake.models.files import Model, load_audits, load_models
from arb_pipelines.lake.models.fixtures import relation_columns, run_fixture
from arb_pipelines.lake.models.runner import build_model
from arb_pipelines.lake.store import Lake


@dataclass(frozen=True, slots=True)
class FixtureResult:
    """One unit fixture of a model: the differences found, none when it holds."""

    model: str
    fixture: str
    differences: list[str]


def build_models(
    lake: Lake, partition: Mapping[str, object] | None = None
) -> dict[str, int | None]:
    """Build the views and every table partitioned as ``partition``; without one, all tables whole.

    Returns the rows each table has in the partition, None for a view.
    """
    return {
        model.name: build_model(lake, model, partition if model.materialized == "table" else None)
        for model in load_models().values()
        if model.materialized == "view" or _wanted(model, partition)
    }


def all_checks() -> list[Check]:
    """Every check there is: the tests beside the models, then the audits."""
    checks = [check for model in load_models().values() for check in checks_of(model)]
    return checks + [check_of(audit) for audit in load_audits()]


def try_models(
    lake: Lake, partition: Mapping[str, object] | None = None
) -> tuple[list[FixtureResult], list[CheckResult]]:
    """Run every fixture in memory and every check over the lake's partition."""
    models = load_models()
    columns = relation_columns(models)
    fixtures = [
        FixtureResult(model.name, fixture.name, run_fixture(model, fixture, columns))
        for model in models.values()
        for fixture in model.tests.fixtures
    ]
    return fixtures, run_checks(lake, all_checks(), partition)


def _wanted(model: Model, partition: Mapping[str, object] | None) -> bool:
    return partition is None or set(model.partition_by) == set(partition)
