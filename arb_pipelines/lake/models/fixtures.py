"""Try a model on given rows in a database in memory, and compare what it gives."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import duckdb

from arb_pipelines.errors import ConfigError
from arb_pipelines.lake.models.files import Fixture, Model
from arb_pipelines.lake.models.lineage import Columns, table_columns


def relation_columns(models: Mapping[str, Model]) -> dict[str, Columns]:
    """Columns and DuckDB types of every table and model, found by building all of them empty.

    ``models`` must be in dependency order.
    """
    known = table_columns()
    with duckdb.connect() as connection:
        for name, columns in known.items():
            _create(connection, name, columns)
        for model in models.values():
            connection.execute(f"CREATE VIEW {model.name} AS {model.sql}")
            described = connection.execute(f"DESCRIBE {model.name}").fetchall()
            known[model.name] = {row[0]: row[1] for row in described}
    return known


def run_fixture(model: Model, fixture: Fixture, columns: Mapping[str, Columns]) -> list[str]:
    """Run ``model`` on the fixture's rows; return one line a difference, none when it holds.

    Floats are compared to 9 significant digits.

    Raises:
        ConfigError: the fixture gives or expects a relation or column that does not exist.
    """
    where = f"{model.name}.yml: {fixture.name}"
    with duckdb.connect() as connection:
        for table in model.reads:
            _create(connection, table, columns[table])
        for table, rows in fixture.given.items():
            if table not in model.reads:
                raise ConfigError(
                    f"gives rows of {table}, which the model does not read", source=where
                )
            for row in rows:
                _insert(connection, table, row, columns[table], where)
        result = connection.execute(model.sql)
        names = [column[0] for column in result.description or []]
        found = [dict(zip(names, values, strict=True)) for values in result.fetchall()]
        wanted = sorted({name for row in fixture.expect for name in row})
        unknown = [name for name in wanted if name not in names]
        if unknown:
            raise ConfigError(
                f"expects {', '.join(unknown)}, which the model does not give", source=where
            )
        return _differences(connection, found, fixture.expect, columns[model.name])


def _create(connection: duckdb.DuckDBPyConnection, name: str, columns: Columns) -> None:
    body = ", ".join(f'"{column}" {kind}' for column, kind in columns.items())
    connection.execute(f"CREATE TABLE {name} ({body})")


def _insert(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    row: Mapping[str, Any],
    columns: Columns,
    where: str,
) -> None:
    unknown = [name for name in row if name not in columns]
    if unknown:
        raise ConfigError(f"gives {table}.{unknown[0]}, which does not exist", source=where)
    names, marks = ", ".join(row), ", ".join("?" for _ in row)
    connection.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", list(row.values()))


def _differences(
    connection: duckdb.DuckDBPyConnection,
    found: list[dict[str, Any]],
    expected: list[dict[str, Any]],
    columns: Columns,
) -> list[str]:
    left = list(found)
    lines = []
    for row in expected:
        cast = {name: _cast(connection, value, columns[name]) for name, value in row.items()}
        match = next((seen for seen in left if _agree(seen, cast)), None)
        if match is None:
            lines.append(f"missing: {cast}")
        else:
            left.remove(match)
    return lines + [f"not expected: {row}" for row in left]


def _cast(connection: duckdb.DuckDBPyConnection, value: object, kind: str) -> object:
    row = connection.execute(f"SELECT CAST(? AS {kind})", [value]).fetchone()
    return row[0] if row else None


def _agree(seen: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    return all(_same(seen[name], value) for name, value in wanted.items())


def _same(left: object, right: object) -> bool:
    if isinstance(left, float) and isinstance(right, float):
        return math.isclose(left, right, rel_tol=1e-9) or (math.isnan(left) and math.isnan(right))
    return left == right
