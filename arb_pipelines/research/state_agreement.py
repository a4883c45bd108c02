"""Whether state files and lake tell the same of the cycles that have ended."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date

import polars as pl

from arb_pipelines.clock import NS_PER_S, day_of, now_ns
from arb_pipelines.errors import DataError
from arb_pipelines.lake.schemas import STRATEGY_CYCLES, STRATEGY_ORDERS, STRATEGY_TRANSITIONS
from arb_pipelines.lake.schemas.table import Table
from arb_pipelines.lake.store import Lake
from arb_pipelines.research.state_files import StateFile, reading_state, state_files
from arb_pipelines.research.state_rows import rows_of

#: What ended or changed so lately may still be on its way to the lake.
_ON_ITS_WAY_NS = 60 * NS_PER_S
_CHUNK = 5_000
_COMPARED = (STRATEGY_CYCLES, STRATEGY_TRANSITIONS, STRATEGY_ORDERS)


@dataclass(frozen=True, slots=True)
class Disagreement:
    """One cycle of which state and lake tell differently, or only one of them tells."""

    account: str
    cycle: str
    what: str

    def __str__(self) -> str:
        return f"{self.account}: {self.cycle} {self.what}"


def disagreements(
    lake: Lake, only: Collection[tuple[str, date]] = (), *, at_ns: int | None = None
) -> list[Disagreement]:
    """Compare all ended cycles of the state files with the lake, or those of venues' days.

    What a state file no longer has, since it was cleaned up, is no disagreement: the lake is
    held to it from the first cycle on that it has. What changed in the minute before ``at_ns``
    (default: now) is left out.

    Raises:
        DataError: a state file cannot be read.
    """
    until_ns = (now_ns() if at_ns is None else at_ns) - _ON_ITS_WAY_NS
    found = []
    for file in state_files(lake.settings):
        days = {day for venue, day in only if venue == file.venue}
        if days or not only:
            found += _of_file(lake, file, days, until_ns)
    return found


def _of_file(lake: Lake, file: StateFile, days: set[date], until_ns: int) -> list[Disagreement]:
    with reading_state(file) as connection:
        ended = connection.execute(
            "SELECT id, ended_ns, updated_ns FROM cycles WHERE ended_ns IS NOT NULL "
            "ORDER BY ended_ns"
        ).fetchall()
    if not ended:
        return []
    wanted = [
        row["id"]
        for row in ended
        if row["updated_ns"] < until_ns and (not days or day_of(row["ended_ns"]) in days)
    ]
    known = {row["id"] for row in ended}
    lost = [
        Disagreement(file.name, cycle, "is in the lake and not in its state file")
        for cycle, day in _in_lake(lake, file, ended[0]["ended_ns"])
        if cycle not in known and (not days or day in days)
    ]
    differing = [
        one
        for first in range(0, len(wanted), _CHUNK)
        for one in _compared(lake, file, wanted[first : first + _CHUNK])
    ]
    return [*differing, *lost]


def _in_lake(lake: Lake, file: StateFile, since_ns: int) -> list[tuple[str, date]]:
    asked = [file.venue, day_of(since_ns), file.account, since_ns, file.tested]
    sql = (
        "SELECT cycle, day FROM strategy_cycles "
        "WHERE venue = ? AND day >= ? AND account = ? AND ts_ended >= ? AND tested = ?"
    )
    try:
        return [(cycle, day) for cycle, day in lake.query(sql, asked).rows()]
    except DataError:  # no lake yet
        return []


def _compared(lake: Lake, file: StateFile, cycles: list[str]) -> list[Disagreement]:
    rows = rows_of(file, cycles)
    missing: set[str] = set()
    found = []
    for table in _COMPARED:
        ours = rows[table]
        theirs = _lake_rows(lake, table, file, ours)
        absent = ours.join(theirs, on=table.key, how="anti")["cycle"].unique().sort().to_list()
        found += [
            Disagreement(file.name, cycle, f"has no row in {table.name}")
            for cycle in absent
            if cycle not in missing
        ]
        missing.update(absent)
        both = ours.join(theirs, on=table.key, suffix="_lake")
        for name in table.names:
            if name not in table.key:
                wrong = both.filter(pl.col(name).ne_missing(pl.col(f"{name}_lake")))
                found += [
                    Disagreement(file.name, row["cycle"], f"has {name} {row[name]!r} in the state "
                                 f"and {row[f'{name}_lake']!r} in {table.name}")
                    for row in wrong.iter_rows(named=True)
                ]  # fmt: skip
    return found


def _lake_rows(lake: Lake, table: Table, file: StateFile, ours: pl.DataFrame) -> pl.DataFrame:
    if ours.is_empty():
        return ours
    first, last = ours["day"].min(), ours["day"].max()
    sql = (
        f"SELECT {', '.join(table.names)} FROM {table.name} "
        "WHERE venue = ? AND day BETWEEN ? AND ? AND account = ?"
    )
    try:
        return lake.query(sql, [file.venue, first, last, file.account])
    except DataError:  # no lake yet
        return ours.clear()
