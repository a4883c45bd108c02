"""Rows of one partition as a Parquet file, written before the commit that makes it visible.

For results, which a run has in memory or as a query. The rows of an ingest, which
come batch by batch for several days at once, go through ``spool``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from arb_pipelines.errors import DataError
from arb_pipelines.lake.parquet import ROW_GROUP_ROWS, new_file, parquet_writer
from arb_pipelines.lake.schemas import Table

Rows: TypeAlias = pl.DataFrame | pa.Table | pa.RecordBatchReader | duckdb.DuckDBPyRelation

_ARROW: Mapping[str, pa.DataType] = {
    "VARCHAR": pa.dictionary(pa.int32(), pa.string()),
    "BIGINT": pa.int64(),
    "INTEGER": pa.int32(),
    "SMALLINT": pa.int16(),
    "DOUBLE": pa.float64(),
    "BOOLEAN": pa.bool_(),
    "DATE": pa.date32(),
    "DOUBLE[]": pa.list_(pa.float64()),
    "DECIMAL(38,18)": pa.decimal128(38, 18),
}
_OLDEST = pl.CompatLevel.oldest()


@dataclass(frozen=True, slots=True)
class Staged:
    """Rows of one partition in a file that no snapshot refers to yet.

    ``path`` is None when there were no rows.
    """

    table: Table
    keys: Mapping[str, object]
    path: Path | None
    rows: int


def stage(data: Path, table: Table, keys: Mapping[str, object], rows: Rows) -> Staged:
    """Write ``rows`` below ``data``; columns are taken by name and cast to the table's types.

    Raises:
        DataError: a column is missing or of another type, a row lies outside
            the partition, or a NULL stands where none may be; no file is left.
        OSError: the disk is full or not writable; no file is left.
    """
    path = new_file(data, table, keys)
    count = 0
    try:
        with parquet_writer(path, _file_schema(table, keys)) as writer:
            for part in _row_groups(_batches(rows)):
                writer.write_table(_checked(part, table, keys), row_group_size=ROW_GROUP_ROWS)
                count += len(part)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    if not count:
        path.unlink()
    return Staged(table, dict(keys), path if count else None, count)


def _file_schema(table: Table, keys: Mapping[str, object]) -> pa.Schema:
    return pa.schema(
        [
            pa.field(column.name, _ARROW[column.type], nullable=column.nullable)
            for column in table.columns
            if column.name not in keys
        ]
    )


def gathered(rows: Rows) -> pa.Table:
    """``rows`` in memory, to be read as often as needed."""
    return pa.concat_tables(_batches(rows))


def _batches(rows: Rows) -> Iterable[pa.Table]:
    if isinstance(rows, pl.DataFrame):
        return [rows.to_arrow(compat_level=_OLDEST)]
    if isinstance(rows, pa.Table):
        return [rows]
    reader = rows.to_arrow_reader() if isinstance(rows, duckdb.DuckDBPyRelation) else rows
    return (pa.Table.from_batches([batch]) for batch in reader)


def _row_groups(parts: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Join small parts until they fill a row group."""
    held: list[pa.Table] = []
    for part in parts:
        held.append(part)
        if sum(map(len, held)) >= ROW_GROUP_ROWS:
            yield pa.concat_tables(held)
            held = []
    if any(map(len, held)):
        yield pa.concat_tables(held)


def _checked(rows: pa.Table, table: Table, keys: Mapping[str, object]) -> pa.Table:
    source = f"{table.name} {' '.join(map(str, keys.values()))}"
    absent = [name for name in table.names if name not in rows.column_names]
    if absent:
        raise DataError(f"the rows lack the columns {', '.join(absent)}", source=source)
    for name, value in keys.items():
        found = pc.unique(rows[name]).to_pylist()
        if found != [value]:
            raise DataError(f"rows of {name} {found} lie outside the partition", source=source)
    for column in table.columns:
        if not column.nullable and rows[column.name].null_count:
            raise DataError(f"{column.name} is NULL and may not be", source=source)
    schema = _file_schema(table, keys)
    try:
        columns = [_as(rows[field.name], field.type) for field in schema]
    except pa.ArrowInvalid as error:
        raise DataError(str(error), source=source) from None
    return pa.table(columns, schema=schema).unify_dictionaries()


def _as(column: pa.ChunkedArray, type_: pa.DataType) -> pa.ChunkedArray:
    if column.type == type_:
        return column
    if pa.types.is_dictionary(type_):
        return column.cast(type_.value_type).dictionary_encode()
    return column.cast(type_)
