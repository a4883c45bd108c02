"""What the state files tell of cycles, for people to look at: those open, those ended, one whole.

Read-only, and beside the engine that writes. How it is shown belongs in ``commands.monitor``.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from arb_pipelines.clock import NS_PER_S
from arb_pipelines.errors import ConfigError
from arb_pipelines.execution.state.lease import LEASE_S, Lease, is_gone
from arb_pipelines.execution.state.reader import StateReader
from arb_pipelines.execution.state.risk import risk_read
from arb_pipelines.execution.state.rows import cycle_of
from arb_pipelines.execution.state.values import Cycle, Fill, StoredOrder, Transition
from arb_pipelines.research.state_files import StateFile, reading_state
from arb_pipelines.trading.risk.breakers import Pause

_GLANCE = """
SELECT cycles.*, last.what AS last_what, last.why AS last_why, (
    SELECT count(*) FROM orders
    WHERE orders.cycle = cycles.id AND orders.status IN ('intended', 'accepted', 'lost')
) AS orders_out
FROM cycles
LEFT JOIN transitions AS last ON last.number = (
    SELECT max(number) FROM transitions WHERE transitions.cycle = cycles.id
)
"""
#: Names that an error offers, and of how many it picks them.
_NEAR, _AMONG = 3, 100_000


@dataclass(frozen=True, slots=True)
class Glance:
    """A cycle at a glance: its last change of state, and how many orders may still be out."""

    file: StateFile
    cycle: Cycle
    what: str
    why: str
    orders_out: int


@dataclass(frozen=True, slots=True)
class AccountGlance:
    """An account at a glance: who writes its state, if anybody, and what is paused and why."""

    file: StateFile
    engine: Lease | None
    alive: bool
    cycles: int
    pauses: Sequence[tuple[str, Pause]]


@dataclass(frozen=True, slots=True)
class History:
    """All there is of one cycle."""

    file: StateFile
    cycle: Cycle
    transitions: Sequence[Transition]
    orders: Sequence[StoredOrder]
    fills: Sequence[Fill]


def account_glances(files: Sequence[StateFile], at_ns: int) -> list[AccountGlance]:
    """Say of each account who trades on it, and which strategies are paused.

    An engine is not ``alive`` whose process is gone from this machine, or whose lease was not
    renewed for a minute: it died, or hangs.

    Raises:
        DataError: a file cannot be read.
    """
    found = []
    for file in files:
        with reading_state(file) as connection:
            lease = StateReader(connection).lease
            (cycles,) = connection.execute("SELECT count(*) FROM cycles").fetchone()
            pauses = pauses_in(connection)
        alive = lease is not None and renewed(lease, at_ns) and not is_gone(lease)
        found.append(AccountGlance(file, lease, alive, cycles, pauses))
    return found


def pauses_in(connection: sqlite3.Connection) -> list[tuple[str, Pause]]:
    """Give the pauses that stand in a state file, with the strategy of each."""
    tables = risk_read(connection)
    return [(name, pause) for name in tables.strategies() for pause in tables.pauses(name)]


def renewed(lease: Lease | None, at_ns: int) -> bool:
    """Whether an engine had a state file at a time, by its lease."""
    return lease is not None and at_ns - lease.renewed_ns <= LEASE_S * NS_PER_S


def open_cycles(files: Sequence[StateFile]) -> list[Glance]:
    """Give the cycles of all files that have not ended, the oldest first.

    Raises:
        DataError: a file cannot be read.
    """
    found = _glances(files, "WHERE cycles.ended_ns IS NULL")
    return sorted(found, key=lambda one: (one.cycle.started_ns, one.cycle.id))


def ended_cycles(files: Sequence[StateFile], last: int) -> list[Glance]:
    """Give the ``last`` cycles of all files that ended, the newest first.

    Raises:
        DataError: a file cannot be read.
    """
    newest = "WHERE cycles.ended_ns IS NOT NULL ORDER BY cycles.ended_ns DESC, cycles.id LIMIT ?"
    found = _glances(files, newest, last)
    return sorted(found, key=lambda one: (-(one.cycle.ended_ns or 0), one.cycle.id))[:last]


def history_of(files: Sequence[StateFile], name: str) -> History:
    """Give all there is of a cycle, by its id or by the client id of one of its orders.

    Raises:
        ConfigError: no file has it; says which ids are near.
        DataError: a file cannot be read.
    """
    for file in files:
        with reading_state(file) as connection:
            if (row := _cycle_named(connection, name)) is not None:
                return _history(file, StateReader(connection), cycle_of(row))
    near = _near(files, name)
    hint = f"the nearest are {', '.join(near)}" if near else "`arb monitor --history 20` lists some"
    raise ConfigError(
        f"no state file has this cycle; {hint}. What was cleaned up is in the lake: "
        f"`arb sql \"SELECT * FROM strategy_cycles WHERE cycle = '{name}'\"`",
        source=name,
    )


def _glances(files: Sequence[StateFile], which: str, *arguments: object) -> list[Glance]:
    found = []
    for file in files:
        with reading_state(file) as connection:
            for row in connection.execute(f"{_GLANCE} {which}", arguments):
                told = row["last_what"] or "", row["last_why"] or ""
                found.append(Glance(file, cycle_of(row), *told, row["orders_out"]))
    return found


def _cycle_named(connection: sqlite3.Connection, name: str) -> sqlite3.Row | None:
    row: sqlite3.Row | None = connection.execute(
        "SELECT * FROM cycles WHERE id = ? OR id = (SELECT cycle FROM orders WHERE client_id = ?)",
        (name, name),
    ).fetchone()
    return row


def _history(file: StateFile, state: StateReader, cycle: Cycle) -> History:
    orders = state.orders(cycle.id)
    fills = [fill for order in orders for fill in state.fills(order.client_id)]
    fills.sort(key=lambda fill: (fill.ts_ns, fill.trade_id))
    return History(file, cycle, state.transitions(cycle.id), orders, fills)


def _near(files: Sequence[StateFile], name: str) -> list[str]:
    ids: list[str] = []
    for file in files:
        with reading_state(file) as connection:
            newest = connection.execute(
                "SELECT id FROM cycles ORDER BY updated_ns DESC LIMIT ?", (_AMONG,)
            )
            ids += [row["id"] for row in newest]
    holding = [one for one in ids if name in one]
    return holding[:_NEAR] or get_close_matches(name, ids, n=_NEAR)
