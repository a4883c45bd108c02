"""What a query reads, by parsing it: tables, and column by column."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.lineage import lineage
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import build_scope, traverse_scope
from sqlglot.schema import MappingSchema

from arb_pipelines.errors import ConfigError
from arb_pipelines.lake.schemas import TABLES

if TYPE_CHECKING:
    from arb_pipelines.lake.models.files import Model

#: Columns of a relation and their DuckDB types, in order.
Columns = dict[str, str]
#: For each output column, the (table, column) pairs it is made of.
ColumnLineage = dict[str, list[tuple[str, str]]]


def tables_read(sql: str, source: str) -> tuple[str, ...]:
    """Names of the tables and views a query reads, CTEs excluded, sorted.

    Raises:
        ConfigError: the query does not parse.
    """
    try:
        scopes = traverse_scope(sqlglot.parse_one(sql, dialect="duckdb"))
    except SqlglotError as error:
        raise ConfigError(
            f"the SQL does not parse: {str(error).splitlines()[0]}", source=source
        ) from None
    return tuple(
        sorted(
            {
                table.name
                for scope in scopes
                for table in scope.sources.values()
                if isinstance(table, exp.Table)
            }
        )
    )


def table_columns() -> dict[str, Columns]:
    """Columns of every table of the lake's own schemas."""
    return {
        table.name: {column.name: column.type for column in table.columns}
        for table in TABLES.values()
    }


def column_lineage(models: Mapping[str, Model]) -> dict[str, ColumnLineage]:
    """Trace every model's columns to the columns of what it reads directly.

    ``models`` must be in dependency order, as ``load_models`` gives it. Models
    that a mart reads are named as they are, not expanded to their own sources.
    """
    known = table_columns()
    traced: dict[str, ColumnLineage] = {}
    for model in models.values():
        schema = MappingSchema({name: dict(known[name]) for name in model.reads}, dialect="duckdb")
        parsed = sqlglot.parse_one(model.sql, dialect="duckdb")
        query = qualify(parsed, schema=schema, dialect="duckdb", identify=False)
        assert isinstance(query, exp.Query)
        outputs = query.named_selects
        known[model.name] = dict.fromkeys(outputs, "UNKNOWN")
        # Qualified once, and no label of a node made: either takes longer than all the rest.
        once: dict[str, Any] = {
            "dialect": "duckdb",
            "scope": build_scope(query),
            "trim_selects": False,
            "copy": False,
        }
        traced[model.name] = {
            column: sorted(
                {
                    (node.expression.name, node.name.rpartition(".")[2])
                    for node in lineage(column, query, schema, **once).walk()
                    if isinstance(node.expression, exp.Table)
                }
            )
            for column in outputs
        }
    return traced
