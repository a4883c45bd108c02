"""Rows on their way into the lake, as files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from arb_pipelines.lake.spool import Spool, Writer

ROWS = 4_000


def _symbol_bytes(folder: Path, dictionaries: list[list[str]]) -> int:
    """Write one batch a dictionary, all of the same symbols; give the size of the column."""
    with Writer() as writer:
        spool = Spool(folder / "rows", writer)
        for names in dictionaries:
            at = np.array([names.index(name) for name in ("A-B", "A-C")], np.int32)
            codes = pa.array(np.tile(at, ROWS // 2))
            spool.add(pa.table({"symbol": pa.DictionaryArray.from_arrays(codes, pa.array(names))}))
        (file,) = spool.finish()
    column = pq.ParquetFile(file).metadata.row_group(0).column(0)
    assert pq.read_table(file)["symbol"].to_pylist() == ["A-B", "A-C"] * (
        ROWS * len(dictionaries) // 2
    )
    return int(column.total_uncompressed_size)


def test_batches_of_other_symbols_share_one_dictionary(tmp_path: Path) -> None:
    """Batches that number the same symbols differently take no more room than ones that agree."""
    (tmp_path / "alike").mkdir()
    (tmp_path / "other").mkdir()
    alike = _symbol_bytes(tmp_path / "alike", [["A-B", "A-C"]] * 3)
    other = _symbol_bytes(tmp_path / "other", [["A-B", "A-C"], ["A-C", "A-B"], ["A-B", "A-C"]])
    assert other == alike
