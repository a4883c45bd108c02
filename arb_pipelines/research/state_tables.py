"""Copying cycles that have ended from the state files into the lake.

What is copied is found by comparing the two, so a copy that a crash cut short is simply made
again, and a figure that changed after a cycle's end, such as its fee, is brought along. A
cycle's rows of all three tables go in one transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from arb_pipelines.clock import NS_PER_DAY, NS_PER_S, day_of, day_start_ns
from arb_pipelines.errors import DataError
from arb_pipelines.lake.store import Lake
from arb_pipelines.lake.transaction import Transaction
from arb_pipelines.research.state_files import StateFile, reading_state, state_files
from arb_pipelines.research.state_rows import STATE_TABLES, rows_of

#: Cycles a transaction.
_CHUNK = 2_000
#: How long after a cycle's end a copy of what is new still looks for a fee that was told late.
_LATE_NS = 60 * NS_PER_S
_EVER_NS = 2**63 - 1
_ROWS = "venue = $1 AND day BETWEEN $2 AND $3 AND account = $4"
#: Cycles of an account that are there with all their rows.
_WHOLE_SQL = (
    f"SELECT cycle, ts_updated FROM strategy_cycles AS cycles WHERE {_ROWS} "
    "AND orders = (SELECT count(*) FROM strategy_orders AS found "
    f"WHERE {_ROWS} AND found.cycle = cycles.cycle) "
    "AND transitions = (SELECT count(*) FROM strategy_transitions AS found "
    f"WHERE {_ROWS} AND found.cycle = cycles.cycle)"
)


@dataclass(frozen=True, slots=True)
class Copied:
    """Rows that a copy wrote; none if the lake had everything."""

    cycles: int = 0
    transitions: int = 0
    orders: int = 0

    @property
    def rows(self) -> int:
        """Of all three tables."""
        return self.cycles + self.transitions + self.orders

    def __add__(self, other: Copied) -> Copied:
        return Copied(
            self.cycles + other.cycles,
            self.transitions + other.transitions,
            self.orders + other.orders,
        )


class StateCopier:
    """Copies one state file again and again, while its engine writes; used on one thread at a time.

    The first copy compares the whole file with the lake, each later one what ended since with
    what it copied itself.
    """

    def __init__(self, lake: Lake, file: StateFile) -> None:
        self._lake, self._file = lake, file
        self._newest_ns: int | None = None
        self._copied: dict[str, int] = {}

    def copy(self) -> Copied:
        """Copy what the lake lacks.

        Raises:
            DataError: the state file cannot be read.
            ArbError: the lake could not take it; what it took before is whole.
        """
        if self._newest_ns is None:
            ended = _ended(self._file, 0, _EVER_NS)
            lacking = _lacking(self._lake, self._file, ended)
        else:
            ended = _ended(self._file, self._newest_ns - _LATE_NS, _EVER_NS)
            lacking = [cycle for cycle, _, updated in ended if self._copied.get(cycle) != updated]
        copied = _copy(self._lake, self._file, lacking)
        self._newest_ns = max((ended_ns for _, ended_ns, _ in ended), default=self._newest_ns or 0)
        self._copied = {cycle: updated for cycle, _, updated in ended}
        return copied


def copy_day(lake: Lake, venue: str, day: date) -> Copied:
    """Copy what ended on a day, from all state files of a venue.

    Doing it again changes nothing; cycles that were cleaned up stay in the lake.

    Raises:
        DataError: a state file cannot be read.
        ArbError: the lake could not take it; what it took before is whole.
    """
    copied, first_ns = Copied(), day_start_ns(day)
    for file in state_files(lake.settings, venue):
        ended = _ended(file, first_ns, first_ns + NS_PER_DAY)
        copied += _copy(lake, file, _lacking(lake, file, ended))
    return copied


def ended_before(lake: Lake, file: StateFile, before_ns: int) -> tuple[list[str], list[str]]:
    """Give the ids of the cycles that ended before a time: those the lake has, and the others.

    One that has changed since it was copied is among the others.

    Raises:
        DataError: the state file cannot be read.
    """
    ended = _ended(file, 0, before_ns)
    lacking = {*_lacking(lake, file, ended)}
    return [cycle for cycle, _, _ in ended if cycle not in lacking], sorted(lacking)


Ended = tuple[str, int, int]  # id, ended_ns, updated_ns


def _ended(file: StateFile, from_ns: int, before_ns: int) -> list[Ended]:
    with reading_state(file) as connection:
        rows = connection.execute(
            "SELECT id, ended_ns, updated_ns FROM cycles "
            "WHERE ended_ns >= ? AND ended_ns < ? ORDER BY ended_ns, id",
            (from_ns, before_ns),
        )
        return [(row["id"], row["ended_ns"], row["updated_ns"]) for row in rows]


def _lacking(lake: Lake, file: StateFile, ended: Sequence[Ended]) -> list[str]:
    """Those that the lake does not have as they stand, or not with all their rows."""
    if not ended:
        return []
    days = day_of(ended[0][1]), day_of(ended[-1][1])
    try:
        rows = lake.query(_WHOLE_SQL, [file.venue, *days, file.account]).rows()
    except DataError:  # no lake yet
        rows = []
    known = dict(rows)
    return [cycle for cycle, _, updated in ended if known.get(cycle) != updated]


def _copy(lake: Lake, file: StateFile, cycles: Sequence[str]) -> Copied:
    copied = Copied()
    for chunk in _chunks(cycles):
        rows = rows_of(file, chunk)

        def write(transaction: Transaction) -> Copied:
            return Copied(
                *(transaction.upsert(table, rows[table]) for table in STATE_TABLES)  # noqa: B023
            )

        copied += lake.commit(write)
    return copied


def _chunks(ids: Sequence[str]) -> Iterable[Sequence[str]]:
    return (ids[first : first + _CHUNK] for first in range(0, len(ids), _CHUNK))
