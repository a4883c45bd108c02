"""The one transaction that changes a partition of books, whole or not at all.

Files already in the lake's layout are moved to where the lake keeps them and
adopted. A lake on an object store gets their rows instead.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Mapping
from pathlib import Path

import polars as pl

from arb_pipelines.errors import ArbError
from arb_pipelines.lake.markets import markets_frame
from arb_pipelines.lake.merge import Held, Merged, merge
from arb_pipelines.lake.parquet import new_file
from arb_pipelines.lake.partition import NewRows
from arb_pipelines.lake.readers.bars import BAR_SOURCES
from arb_pipelines.lake.readers.base import Gap
from arb_pipelines.lake.schemas import (
    BOOK_GAPS,
    BOOK_LEVELS,
    BOOK_TOPS,
    INGESTS,
    MARKETS,
    REJECTED_ROWS,
    Table,
)
from arb_pipelines.lake.spool import Writer
from arb_pipelines.lake.store import Lake
from arb_pipelines.lake.transaction import Transaction

_ATTEMPTS = 8


class _ChangedError(Exception):
    """Another ingest committed to the partition since this one read it."""


def commit_partition(
    lake: Lake, venue: str, new: NewRows, folder: Path, writer: Writer, *, replace: bool
) -> Mapping[str, int]:
    """Join ``new`` with what the lake has of the partition, and commit it.

    ``replace`` forgets all other sources. Gives by how much merging changed
    each source's accepted rows.

    Raises:
        ArbError: other ingests kept changing the partition.
    """
    for attempt in range(_ATTEMPTS):
        work = folder / f"{new.day}-{attempt}"
        work.mkdir()
        with contextlib.closing(lake.connect()) as connection:
            connection.execute("BEGIN")  # one snapshot for all that is read
            held = _held(Transaction(connection), venue, new, replace)
            if held.kept or not new.in_order:
                merged = merge(connection, new, held, work, writer)
            else:
                merged = Merged(new.tops.finish(), new.levels.finish(), new.rejected.finish())
        with contextlib.suppress(_ChangedError):
            _commit(lake, venue, new, held, merged)
            return merged.change
    raise ArbError(f"the books of {venue} on {new.day} kept changing; run the ingest again")


def _held(transaction: Transaction, venue: str, new: NewRows, replace: bool) -> Held:
    where = f"venue = '{venue}' AND day = DATE '{new.day}'"
    rows = transaction.connection.execute(f"FROM ingests WHERE {where} ORDER BY source").pl()
    ingests = {row["source"]: row for row in rows.iter_rows(named=True)}
    digests = {source.sha256 for source in new.sources.values()}
    forgotten = {
        name
        for name, row in ingests.items()
        if replace or name in new.sources or row["sha256"] in digests
    }
    return Held(where, ingests, frozenset(forgotten))


def _commit(lake: Lake, venue: str, new: NewRows, held: Held, merged: Merged) -> None:
    keys = {"venue": venue, "day": new.day}
    gaps, ingests = _gaps(keys, new), _ingests(keys, new, held, merged)
    books = {BOOK_TOPS: merged.tops, BOOK_LEVELS: merged.levels, REJECTED_ROWS: merged.rejected}
    data = lake.data_path()
    moves = {
        file: _place(data, table, keys, file) for table, files in books.items() for file in files
    }

    def replace(transaction: Transaction) -> None:
        now = transaction.connection.execute(f"FROM ingests WHERE {held.where}").pl()
        if {row["source"]: row for row in now.iter_rows(named=True)} != held.ingests:
            raise _ChangedError
        of_bars = transaction.connection.execute(
            f"FROM rejected_rows WHERE {held.where} AND starts_with(source, ?)", [BAR_SOURCES]
        ).pl()
        for table, files in books.items():
            _replace_by_files(transaction, table, keys, {file: moves[file] for file in files})
        if not of_bars.is_empty():
            transaction.append(REJECTED_ROWS, of_bars)
        old = transaction.connection.execute(
            f"FROM book_gaps WHERE {held.where} AND list_contains(?, source)", [list(held.kept)]
        ).pl()
        all_gaps = pl.concat([old, gaps]).sort("source", "ts_recv", "symbol")
        transaction.replace(BOOK_GAPS, keys, all_gaps)
        transaction.replace(INGESTS, keys, ingests)
        _add_inferred(transaction, venue, new)

    for file, place in moves.items():
        if place != file:
            shutil.move(file, place)
    try:
        lake.commit(replace)
    except _ChangedError:
        for file, place in moves.items():
            if place != file:
                shutil.move(place, file)
        raise
    # After any other error the files stay: whether the catalog has taken them is
    # not always known, and files that it has not are removed by `arb lake maintain`.


def _place(data: str, table: Table, keys: Mapping[str, object], file: Path) -> Path:
    """Where the lake keeps files of this partition; ``file`` itself if it is an object store."""
    if "://" in data:
        return file
    return new_file(Path(data), table, keys)


def _replace_by_files(
    transaction: Transaction, table: Table, keys: Mapping[str, object], moves: Mapping[Path, Path]
) -> None:
    """Replace a partition by files, those of a folder by adopting them where they are."""
    transaction.replace(table, keys, table.frame())
    for file, place in moves.items():
        if place != file:
            transaction.adopt(table, place)
        else:
            constants = [f"? AS {name}" for name in keys]
            columns = ", ".join([*constants, *(n for n in table.names if n not in keys)])
            transaction.connection.execute(
                f"INSERT INTO {table.name} BY NAME SELECT {columns} FROM read_parquet(?)",
                [*keys.values(), str(file)],
            )


def _ingests(keys: Mapping[str, object], new: NewRows, held: Held, merged: Merged) -> pl.DataFrame:
    rows: list[dict[str, object]] = [dict(held.ingests[name]) for name in held.kept]
    rows += [
        {
            **keys,
            "source": source.name,
            "sha256": source.sha256,
            "format": source.format,
            "rows_read": source.read,
            "rows_accepted": source.accepted,
            "rows_rejected": source.rejected,
            "gaps": len(source.gaps),
        }
        for source in new.sources.values()
    ]
    for row in rows:
        change = merged.change.get(str(row["source"]), 0)
        row["rows_accepted"] = int(str(row["rows_accepted"])) + change
        row["rows_rejected"] = int(str(row["rows_rejected"])) - change
    return INGESTS.frame(rows).sort("source")


def _gaps(keys: Mapping[str, object], new: NewRows) -> pl.DataFrame:
    return BOOK_GAPS.frame(
        [
            {**keys, "source": source.name, **{name: getattr(gap, name) for name in Gap.__slots__}}
            for source in new.sources.values()
            for gap in source.gaps
        ]
    )


def _add_inferred(transaction: Transaction, venue: str, new: NewRows) -> None:
    """Add the markets inferred from the recordings that the day has not yet."""
    known = transaction.connection.execute(
        "SELECT symbol FROM markets WHERE venue = ? AND day = ?", [venue, new.day]
    ).fetchall()
    missing = set(new.inferred) - {symbol for (symbol,) in known}
    if missing:
        markets = [new.inferred[symbol] for symbol in missing]
        transaction.append(MARKETS, markets_frame(venue, new.day, markets, list_day=new.day))
