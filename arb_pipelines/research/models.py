"""Build and test the SQL models over the lake."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from arb_pipelines.lake.models.checks import Check, CheckResult, check_of, checks_of, run_checks
from arb_pipelines.lake.models.files import load_audits, load_models
from arb_pipelines.lake.models.fixtures import relation_columns, run_fixture
from arb_pipelines.lake.models.runner import build_model, ensure_table
from arb_pipelines.lake.store import Lake
from arb_pipelines.lake.transaction import Transaction


@dataclass(frozen=True, slots=True)
class FixtureResult:
    """One unit fixture of a model: the differences found, none when it holds."""

    model: str
    fixture: str
    differences: list[str]


def build_models(
    lake: Lake, partition: Mapping[str, object] | None = None
) -> dict[str, int | None]:
    """Build, in one transaction, the views and every table partitioned as ``partition``.

    Tables partitioned otherwise are there afterwards, perhaps empty. Without a
    partition all tables are rebuilt whole. Returns the rows that went
    into each table, None for a view.
    """

    def build(tx: Transaction) -> dict[str, int | None]:
        built: dict[str, int | None] = {}
        for model in load_models().values():
            if model.materialized == "view":
                built[model.name] = build_model(tx, model)
            elif partition is None or {*model.partition_by} == {*partition}:
                built[model.name] = build_model(tx, model, partition)
            else:
                ensure_table(tx, model)
        return built

    return lake.commit(build)


def define_models(lake: Lake) -> None:
    """Have every view, and every table with its columns, be there; no rows are built."""
    build_models(lake, {})


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
