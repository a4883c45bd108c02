"""Build a model: a view is defined, a table's partition is replaced whole."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import duckdb

from arb_pipelines.errors import ConfigError
from arb_pipelines.lake.models.files import Model
from arb_pipelines.lake.transaction import Transaction


def build_model(
    tx: Transaction, model: Model, partition: Mapping[str, object] | None = None
) -> int | None:
    """Build one model and return the rows that went into ``partition`` (None for a view).

    Without a partition a table is rebuilt whole. What it reads must be there.

    Raises:
        ConfigError: ``partition`` names other columns than the model's own.
    """
    if model.materialized == "view":
        _define(tx, model)
        return None
    if partition is not None and set(partition) != set(model.partition_by):
        raise ConfigError(
            f"{model.name} is partitioned by {', '.join(model.partition_by)}, "
            f"not {', '.join(partition)}"
        )
    return _fill(tx, model, partition)


def _define(tx: Transaction, model: Model) -> None:
    """Create or replace the view, unless the lake has just this one already.

    Every definition is a new schema version for all writers, so an unchanged
    one is left alone; a digest in the view's comment tells.
    """
    if _comment(tx, "duckdb_views()", "view_name", model.name) == _note(model):
        return
    tx.connection.execute(f"CREATE OR REPLACE VIEW {model.name} AS {model.sql}")
    tx.connection.execute(f"COMMENT ON VIEW {model.name} IS '{_quoted(_note(model))}'")


def ensure_table(tx: Transaction, model: Model) -> None:
    """Make the model's table where it is missing or its columns have changed."""
    if _comment(tx, "duckdb_tables()", "table_name", model.name) != _note(model):
        _recreate(tx, model)


def _fill(tx: Transaction, model: Model, partition: Mapping[str, object] | None) -> int:
    ensure_table(tx, model)
    where = " AND ".join(f"{name} = ?" for name in partition or {})
    clause = f" WHERE {where}" if where else ""
    values = list((partition or {}).values())
    tx.connection.execute(f"DELETE FROM {model.name}{clause}", values)
    done = tx.connection.execute(
        f"INSERT INTO {model.name} SELECT * FROM ({_body(model)}) AS model{clause}", values
    ).fetchone()
    return int(done[0]) if done else 0


def _recreate(tx: Transaction, model: Model) -> None:
    """Make the table anew when its query changed; rows with the same columns are kept.

    A changed query with unchanged columns leaves the other partitions as they
    were built; they are renewed by a backfill, as every changed asset is.
    """
    wanted = _columns(tx.connection, f"({_body(model)})")
    try:
        present = _columns(tx.connection, model.name)
    except duckdb.CatalogException:
        present = None
    if present != wanted:
        tx.connection.execute(f"DROP TABLE IF EXISTS {model.name}")
        columns = ", ".join(f'"{name}" {kind}' for name, kind in wanted)
        tx.connection.execute(f"CREATE TABLE {model.name} ({columns})")
        if model.partition_by:
            keys = ", ".join(model.partition_by)
            tx.connection.execute(f"ALTER TABLE {model.name} SET PARTITIONED BY ({keys})")
    tx.connection.execute(f"COMMENT ON TABLE {model.name} IS '{_quoted(_note(model))}'")


def _columns(connection: duckdb.DuckDBPyConnection, relation: str) -> list[tuple[str, str]]:
    rows = connection.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()
    return [(name, kind) for name, kind, *_ in rows]


def _comment(tx: Transaction, catalog: str, column: str, name: str) -> str | None:
    row = tx.connection.execute(
        f"SELECT comment FROM {catalog} WHERE database_name = 'lake' AND {column} = ?", [name]
    ).fetchone()
    return str(row[0]) if row and row[0] is not None else None


def _note(model: Model) -> str:
    digest = hashlib.sha256(model.sql.encode()).hexdigest()[:12]
    return f"{model.description} Grain: {model.grain}. Units: {model.units}. [{digest}]"


def _body(model: Model) -> str:
    return model.sql.rstrip().rstrip(";")


def _quoted(text: str) -> str:
    return text.replace("'", "''")
