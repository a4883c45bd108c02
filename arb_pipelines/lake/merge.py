"""New rows of a partition joined with those that the lake has from other sources.

The result depends on the set of sources alone. Rows stand in order of
``ts_recv``, ties by source, then by row of the source. A state that an earlier
source (by name) has too is a duplicate; the refusal names that row, so that the
refused one comes back when the other's source is replaced.

Works slice by slice of time, so that memory does not grow with the day.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from arb_pipelines.lake.attachment import sql_text
from arb_pipelines.lake.partition import LEVEL_COLUMNS, LEVELS, SAMPLE_ROWS, TOPS, NewRows
from arb_pipelines.lake.rejects import REJECTED
from arb_pipelines.lake.spool import Spool, Writer

_SLICE_ROWS = 1_000_000
_SLICE_ROWS_WITH_LEVELS = 150_000
_TOP = ("bid_px", "bid_sz", "ask_px", "ask_sz")
_LISTS = tuple(LEVEL_COLUMNS.values())
_STATE = ("symbol", "ts_event", "ts_recv", "update_id", *_TOP)
_TWIN = "'same state as row ' || {row} || ' of ' || {source}"


@dataclass(frozen=True, slots=True)
class Held:
    """What the lake has of a partition before this ingest.

    ``where`` selects the partition. ``ingests`` are its rows of that table, by
    source; the sources in ``forgotten`` are to go, the others stay.
    """

    where: str
    ingests: Mapping[str, Mapping[str, object]]
    forgotten: frozenset[str]

    @property
    def kept(self) -> tuple[str, ...]:
        """Sources whose rows stay."""
        return tuple(name for name in self.ingests if name not in self.forgotten)


@dataclass(slots=True)
class Merged:
    """Files of the whole partition, and by how much each source's accepted rows changed."""

    tops: list[Path] = field(default_factory=list)
    levels: list[Path] = field(default_factory=list)
    rejected: list[Path] = field(default_factory=list)
    change: dict[str, int] = field(default_factory=dict)

    def count(self, sources: pa.ChunkedArray, sign: int) -> None:
        """Note rows of ``sources`` that came back (+1) or turned out to be duplicates (-1)."""
        for entry in sources.value_counts().to_pylist():
            name = entry["values"]
            self.change[name] = self.change.get(name, 0) + sign * entry["counts"]


def merge(
    connection: duckdb.DuckDBPyConnection, new: NewRows, held: Held, folder: Path, writer: Writer
) -> Merged:
    """Write the partition anew into ``folder``: ``new`` and the kept sources of ``held``.

    ``connection`` has the lake attached, and reads one snapshot of it.
    """
    merged = Merged()
    tops = Spool(folder / "tops", writer)
    levels = Spool(folder / "levels", writer)
    rejected = Spool(folder / "twins", writer)
    _find_revived(connection, held)
    merged.count(connection.sql("SELECT source FROM revived").to_arrow_table()["source"], 1)
    for rows in _slices(connection, new, held):
        twin = pc.not_equal(rows["source"], rows["first_source"])
        refused = rows.filter(twin)
        if len(refused):
            rejected.add(_refused(refused))
            merged.count(refused["source"], -1)
            rows = rows.filter(pc.invert(twin))
        row_no = pa.array(np.arange(tops.rows, tops.rows + len(rows)), pa.int64())
        rows = rows.append_column("row_no", row_no)
        tops.add(rows.select(TOPS.names).cast(TOPS))
        levels.add(_with_lists(rows.filter(rows["bids_px"].is_valid())))
    merged.tops, merged.levels = tops.finish(), levels.finish()
    twins = rejected.finish()
    merged.rejected = _all_rejected(connection, new.rejected.finish() + twins, held, folder)
    return merged


def _find_revived(connection: duckdb.DuckDBPyConnection, held: Held) -> None:
    """Fill table ``revived``: kept rows once refused for a twin that goes now, and its row_no."""
    twin = _TWIN.format(row="t.source_row", source="t.source")
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE revived AS "
        f"SELECT r.source, r.row AS source_row, t.row_no "
        f"FROM (FROM rejected_rows WHERE {held.where} AND reason = 'duplicate' "
        f"AND source IN {_texts(held.kept)}) r "
        f"JOIN (FROM book_tops WHERE {held.where} AND source IN {_texts(held.forgotten)}) t "
        f"ON r.detail = {twin}"
    )


def _slices(connection: duckdb.DuckDBPyConnection, new: NewRows, held: Held) -> Iterator[pa.Table]:
    """All rows in order, each with the first of its twins, in tables of bounded size."""
    new_tops, new_levels = new.tops.finish(), new.levels.finish()
    has_levels = bool(new_levels) or _any(connection, f"book_levels WHERE {held.where}")
    twins = "source AS first_source, source_row AS first_row"
    if _may_overlap(connection, new, held):
        state = ", ".join((*_STATE, *_LISTS))
        over = f"OVER (PARTITION BY {state} ORDER BY source, source_row)"
        twins = (
            f"first_value(source) {over} AS first_source, "
            f"first_value(source_row) {over} AS first_row"
        )
    for start, stop in _spans(connection, new, held, has_levels):
        inputs = _inputs(new_tops, new_levels, held, f"ts_recv >= {start} AND ts_recv < {stop}")
        yield connection.execute(
            f"SELECT *, {twins} FROM ({inputs}) ORDER BY ts_recv, source, source_row"
        ).to_arrow_table()


def _inputs(new_tops: list[Path], new_levels: list[Path], held: Held, span: str) -> str:
    """Query of the rows to merge within ``span``: new, kept, revived."""
    state = ", ".join(f"t.{name}" for name in _STATE)
    lists = ", ".join(f"l.{name} AS {column}" for name, column in LEVEL_COLUMNS.items())
    no_lists = ", ".join(f"NULL::DOUBLE[] AS {name}" for name in _LISTS)
    old = (
        f"(FROM book_tops WHERE {held.where} AND {span}) t LEFT JOIN "
        f"(FROM book_levels WHERE {held.where} AND {span}) l ON l.row_no = t.row_no"
    )
    parts = [
        f"SELECT {state}, t.source, t.source_row, {lists} FROM {old} "
        f"WHERE t.source IN {_texts(held.kept)}",
        f"SELECT {state}, v.source, v.source_row, {lists} FROM {old} "
        "JOIN revived v ON v.row_no = t.row_no",
    ]
    if new_tops:
        tops = f"(FROM {_parquet(new_tops)} WHERE {span}) t"
        if new_levels:
            deep = f"(FROM {_parquet(new_levels)} WHERE {span}) l"
            tops += f" LEFT JOIN {deep} ON l.row_no = t.row_no"
        parts.append(
            f"SELECT {state}, t.source, t.source_row, {lists if new_levels else no_lists} "
            f"FROM {tops}"
        )
    return " UNION ALL ".join(parts)


def _spans(
    connection: duckdb.DuckDBPyConnection, new: NewRows, held: Held, has_levels: bool
) -> Iterator[tuple[int, int]]:
    """Cut the day where the samples say that a slice is full."""
    old = connection.execute(
        f"SELECT ts_recv FROM book_tops WHERE {held.where} AND row_no % {SAMPLE_ROWS} = 0"
    ).fetchnumpy()["ts_recv"]
    sample = np.sort(np.concatenate([*new.ts_sample, np.asarray(old, np.int64)]))
    step = (_SLICE_ROWS_WITH_LEVELS if has_levels else _SLICE_ROWS) // SAMPLE_ROWS
    cuts = np.unique(sample[step::step]).tolist()
    bounds = [-(1 << 63), *cuts, (1 << 63) - 1]
    yield from pairwise(bounds)


def _may_overlap(connection: duckdb.DuckDBPyConnection, new: NewRows, held: Held) -> bool:
    """Whether two sources span a common moment, so that they may hold the same state."""
    spans = [source.span for source in new.sources.values() if source.span]
    spans += connection.execute(
        f"SELECT min(ts_recv), max(ts_recv) FROM book_tops WHERE {held.where} "
        f"AND source IN {_texts(held.kept)} GROUP BY source"
    ).fetchall()
    if _any(connection, "revived"):
        return True
    spans.sort()
    return any(later[0] <= sooner[1] for sooner, later in pairwise(spans))


def _with_lists(rows: pa.Table) -> pa.Table:
    columns = [rows[LEVEL_COLUMNS.get(name, name)] for name in LEVELS.names]
    return pa.table(columns, names=LEVELS.names).cast(LEVELS)


def _refused(rows: pa.Table) -> pa.Table:
    first_row = rows["first_row"].cast(pa.string())
    detail = pc.binary_join_element_wise(
        "same state as row ", first_row, " of ", rows["first_source"], ""
    )
    reason = pa.DictionaryArray.from_arrays(np.zeros(len(rows), np.int32), pa.array(["duplicate"]))
    columns = [rows["source"], rows["source_row"], rows["symbol"], reason, detail]
    return pa.table(columns, names=REJECTED.names).cast(REJECTED)


def _all_rejected(
    connection: duckdb.DuckDBPyConnection, new: list[Path], held: Held, folder: Path
) -> list[Path]:
    names = ", ".join(REJECTED.names)
    rows = (
        f"SELECT {names} FROM rejected_rows r WHERE {held.where} "
        f"AND source IN {_texts(held.kept)} AND NOT EXISTS "
        "(FROM revived v WHERE v.source = r.source AND v.source_row = r.row)"
    )
    if new:
        rows += f" UNION ALL SELECT {names} FROM {_parquet(new)}"
    file = folder / "rejected.parquet"
    done = connection.execute(
        f"COPY (FROM ({rows}) ORDER BY source, row) TO {sql_text(str(file))} (FORMAT parquet)"
    ).fetchone()
    return [file] if done and done[0] else []


def _any(connection: duckdb.DuckDBPyConnection, relation: str) -> bool:
    return connection.execute(f"SELECT 1 FROM {relation} LIMIT 1").fetchone() is not None


def _parquet(files: list[Path]) -> str:
    return f"read_parquet([{', '.join(sql_text(str(file)) for file in files)}])"


def _texts(values: Collection[str]) -> str:
    return f"({', '.join(map(sql_text, values)) or 'NULL'})"
