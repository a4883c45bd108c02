"""The lake's Parquet files: where one lies, how it is encoded.

Whoever has rows ready writes them with this and lets a ``Transaction`` adopt the
file, which takes milliseconds. A file that is never adopted is removed by
maintenance.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq

from arb_pipelines.lake.schemas import Table

#: Row groups of this size compress and scan well, and bound a writer's memory.
ROW_GROUP_ROWS = 500_000


def new_file(data: Path, table: Table, keys: Mapping[str, object]) -> Path:
    """Name a file of the partition ``keys`` below ``data``, in a folder that is there.

    The partition columns are in the path, Hive-style, and not in the file.
    """
    parts = [f"{name}={quote(str(value), safe='')}" for name, value in keys.items()]
    folder = data.joinpath("main", table.name, *parts)
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"arb-{uuid4()}.parquet"


def parquet_writer(path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    """Open a file, its encodings chosen by type: differences for integers, a dictionary for text.

    Prices and sizes are split by byte: on book rows less than half the time of a
    dictionary for them, and read back by DuckDB as fast as any.
    """
    encodings = {f.name: "DELTA_BINARY_PACKED" for f in schema if pa.types.is_integer(f.type)}
    encodings |= {f.name: "BYTE_STREAM_SPLIT" for f in schema if pa.types.is_floating(f.type)}
    return pq.ParquetWriter(
        path,
        schema,
        compression="lz4",
        use_dictionary=[f.name for f in schema if pa.types.is_dictionary(f.type)],
        column_encoding=encodings,
        store_schema=False,
    )
