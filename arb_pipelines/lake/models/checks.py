"""What must hold, as queries that return the bad rows.

The tests beside a model and the audits both become ``Check``s; the Dagster
layer shows them as asset checks, ``arb models test`` runs them all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache

import duckdb
import polars as pl

from arb_pipelines.errors import DataError
from arb_pipelines.lake.models.files import Audit, ColumnTest, Model
from arb_pipelines.lake.store import Lake


@dataclass(frozen=True, slots=True)
class Check:
    """``sql`` returns the rows of table ``on`` that break the rule; none is good.

    ``reads`` is what a model is made of, for a rule that a model without rows cannot break.
    """

    name: str
    on: str
    description: str
    sql: str
    blocking: bool = False
    reads: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CheckResult:
    """How many bad rows there are, and the first few of them."""

    check: Check
    bad: int
    sample: pl.DataFrame

    @property
    def passed(self) -> bool:
        """True when no bad row was found."""
        return self.bad == 0


def checks_of(model: Model) -> list[Check]:
    """Make the checks of the tests beside ``model``."""
    return [replace(check, reads=model.reads) for check in _checks_of(model)]


def check_of(audit: Audit) -> Check:
    """Make the check of an audit."""
    return Check(audit.name, audit.on, audit.description, audit.sql, audit.blocking)


def run_checks(
    lake: Lake, checks: Iterable[Check], partition: Mapping[str, object] | None = None
) -> list[CheckResult]:
    """Run checks on one connection, over one partition of their rows or over all.

    A partition narrows a check only by those of its columns that the bad rows
    show. Up to 20 bad rows of each come back as a sample.

    Raises:
        DataError: a model that a check reads has not been built.
    """
    with lake.reading() as connection:
        connection.execute("BEGIN")  # one snapshot for all, and the catalog is read once

        @cache
        def is_empty(relation: str) -> bool:
            return connection.execute(f"SELECT 1 FROM {relation} LIMIT 1").fetchone() is None

        return [_run(connection, check, partition or {}, is_empty) for check in checks]


def _run(
    connection: duckdb.DuckDBPyConnection,
    check: Check,
    partition: Mapping[str, object],
    is_empty: Callable[[str], bool],
) -> CheckResult:
    try:
        bad_rows = connection.sql(check.sql)
        # DuckLake takes 0.1 s to plan a query over a wide table that has never had a row, and a
        # home in which nobody has traded has a dozen such, with seven rules each.
        if any(map(is_empty, check.reads)) and is_empty(check.on):
            return CheckResult(check, 0, pl.DataFrame(schema=bad_rows.columns))
    except duckdb.CatalogException as error:
        raise DataError(
            f"{check.name} cannot run: {str(error).splitlines()[0]}; build every model first with "
            "`arb models run`",
            source=check.on,
        ) from None
    keys = {name: value for name, value in partition.items() if name in bad_rows.columns}
    where = f"WHERE {' AND '.join(f'{name} = ?' for name in keys)}" if keys else ""
    sample = connection.execute(
        f"SELECT *, count(*) OVER () AS bad_rows_in_all FROM ({_body(check.sql)}) {where} LIMIT 20",
        list(keys.values()),
    ).pl()
    bad = int(sample["bad_rows_in_all"][0]) if len(sample) else 0
    return CheckResult(check, bad, sample.drop("bad_rows_in_all"))


def _body(sql: str) -> str:
    return sql.rstrip().rstrip(";")


def _checks_of(model: Model) -> Iterator[Check]:
    tests, table = model.tests, model.name
    if tests.unique:
        yield _unique(table, tests.unique)
    for column, column_tests in tests.columns.items():
        for test in column_tests:
            match test:
                case "not_null":
                    yield _not_null(table, column)
                case "unique":
                    yield _unique(table, (column,))
                case ColumnTest():
                    yield from _column_test(table, column, test)
    for name, condition in tests.expressions.items():
        yield Check(
            f"{table}_{name}",
            table,
            f"Every row has: {condition}.",
            f"SELECT * FROM {table} WHERE NOT ({condition})",
        )


def _column_test(table: str, column: str, test: ColumnTest) -> Iterator[Check]:
    if test.not_null:
        yield _not_null(table, column)
    if test.unique:
        yield _unique(table, (column,))
    if test.accepted_values is not None:
        values = ", ".join(_literal(value) for value in test.accepted_values)
        yield Check(
            f"{table}_{column}_accepted_values",
            table,
            f"{column} is one of {values}.",
            f"SELECT * FROM {table} WHERE {column} NOT IN ({values})",
        )
    if test.relationships is not None:
        other, keys = test.relationships.to, test.relationships.columns
        match = " AND ".join(f"child.{key} = parent.{key}" for key in keys)
        yield Check(
            f"{table}_{column}_found_in_{other}",
            table,
            f"Every ({', '.join(keys)}) is a row of {other}.",
            f"SELECT child.* FROM {table} AS child ANTI JOIN {other} AS parent ON {match}",
        )


def _not_null(table: str, column: str) -> Check:
    return Check(
        f"{table}_{column}_not_null",
        table,
        f"{column} is never NULL.",
        f"SELECT * FROM {table} WHERE {column} IS NULL",
    )


def _unique(table: str, columns: tuple[str, ...]) -> Check:
    keys = ", ".join(columns)
    return Check(
        f"{table}_unique_{'_'.join(columns)}",
        table,
        f"No two rows share ({keys}).",
        f"SELECT {keys}, count(*) AS times FROM {table} GROUP BY {keys} HAVING count(*) > 1",
    )


def _literal(value: object) -> str:
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return str(value)
