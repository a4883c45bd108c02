"""Reading a state file: cycles, orders, fills and history as values, whoever writes it.

One file may be read by any number of processes while its engine writes it; none waits for
another. Each reading is of one moment, and sees whole transactions.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from decimal import Decimal
from functools import lru_cache
from pathlib import Path

from pydantic import SecretStr

from arb_pipelines.errors import DataError, InvariantBroken
from arb_pipelines.execution.state.database import Database
from arb_pipelines.execution.state.lease import Lease, lease_of
from arb_pipelines.execution.state.rows import (
    balance_of,
    cycle_of,
    fill_of,
    order_of,
    transition_of,
)
from arb_pipelines.execution.state.values import (
    BalanceSeen,
    Cycle,
    CycleState,
    Fill,
    StoredOrder,
    Transition,
)

#: A panic sell of hundreds of orders asks for them all with each: what a row says is read once.
_read_before = lru_cache(maxsize=4096)(order_of)


class StateReader:
    """What a state file says; made by ``open_state_for_reading``."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    @property
    def engine_id(self) -> str:
        """Six hex digits that begin the client id of every order this file knows."""
        return str(self._db.execute("SELECT value FROM meta WHERE name = 'engine'").fetchone()[0])

    def cycle(self, cycle: str) -> Cycle:
        """Give one cycle.

        Raises:
            InvariantBroken: there is none of that id.
        """
        row = self._db.execute("SELECT * FROM cycles WHERE id = ?", (cycle,)).fetchone()
        if row is None:
            raise InvariantBroken(f"there is no cycle {cycle}")
        return cycle_of(row)

    def has_cycle(self, cycle: str) -> bool:
        """Whether there is a cycle of that id."""
        row = self._db.execute("SELECT 1 FROM cycles WHERE id = ?", (cycle,)).fetchone()
        return row is not None

    def state_of(self, cycle: str) -> CycleState:
        """Give the state of one cycle.

        Raises:
            InvariantBroken: there is none of that id.
        """
        row = self._db.execute("SELECT state FROM cycles WHERE id = ?", (cycle,)).fetchone()
        if row is None:
            raise InvariantBroken(f"there is no cycle {cycle}")
        return CycleState(row[0])

    def open_cycles(self) -> list[Cycle]:
        """Give the cycles that have not ended, the oldest first."""
        rows = self._db.execute(
            "SELECT * FROM cycles WHERE ended_ns IS NULL ORDER BY started_ns, id"
        )
        return [cycle_of(row) for row in rows]

    def held(self) -> Mapping[str, Decimal]:
        """Give what the cycles that have not ended hold outside their start currencies."""
        total: defaultdict[str, Decimal] = defaultdict(Decimal)
        for cycle in self.open_cycles():
            for currency, amount in cycle.held.items():
                total[currency] += amount
        return dict(total)

    def ended_cycles(self, last: int) -> list[Cycle]:
        """Give the ``last`` cycles that ended, the newest first."""
        rows = self._db.execute(
            "SELECT * FROM cycles WHERE ended_ns IS NOT NULL ORDER BY ended_ns DESC, id LIMIT ?",
            (last,),
        )
        return [cycle_of(row) for row in rows]

    def orders(self, cycle: str) -> list[StoredOrder]:
        """Give a cycle's orders as they were intended, one after the other."""
        rows = self._db.execute(
            "SELECT * FROM orders WHERE cycle = ? ORDER BY intended_ns, client_id", (cycle,)
        )
        return [_read_before(row) for row in rows]

    def orders_ended(self, since_ns: int) -> list[StoredOrder]:
        """Give the orders that ended after a time and were booked."""
        rows = self._db.execute(
            "SELECT * FROM orders WHERE status = 'done' AND ended_ns > ?", (since_ns,)
        )
        return [order_of(row) for row in rows]

    def transitions(self, cycle: str) -> list[Transition]:
        """Give a cycle's history."""
        rows = self._db.execute(
            "SELECT * FROM transitions WHERE cycle = ? ORDER BY number", (cycle,)
        )
        return [transition_of(row) for row in rows]

    def fills(self, client_id: str) -> list[Fill]:
        """Give the executions of an order, as far as the venue has told them."""
        rows = self._db.execute(
            "SELECT * FROM fills WHERE client_id = ? ORDER BY ts_ns, trade_id", (client_id,)
        )
        return [fill_of(row) for row in rows]

    def balances_seen(self, since_ns: int = 0) -> list[BalanceSeen]:
        """Give what the venue said was free, from a time on, the oldest first."""
        rows = self._db.execute(
            "SELECT * FROM balances_seen WHERE ts_ns >= ? ORDER BY ts_ns, currency", (since_ns,)
        )
        return [balance_of(row) for row in rows]

    def _last_seen(self) -> dict[str, Decimal]:
        """What was free of each currency when it was seen last."""
        rows = self._db.execute(
            "SELECT currency, available, max(ts_ns) FROM balances_seen GROUP BY currency"
        )
        return {row["currency"]: Decimal(row["available"]) for row in rows}

    @property
    def untold_since_ns(self) -> int | None:
        """From when on the venue's lists are still to be asked for; ``None`` if they were told."""
        row = self._db.execute("SELECT value FROM meta WHERE name = 'untold'").fetchone()
        return None if row is None else int(row[0])

    @property
    def lease(self) -> Lease | None:
        """Who writes the file, or did when it ended without a word."""
        return lease_of(self._db)


@contextmanager
def open_state_for_reading(path: Path, *, key: SecretStr | None = None) -> Iterator[StateReader]:
    """Open a state file to read one moment of it; its engine waits for nothing.

    Raises:
        ConfigError: it is encrypted, and ``key`` does not open it.
        DataError: there is none, or it is damaged.
    """
    with reading(Database(path, key)) as connection:
        yield StateReader(connection)


@contextmanager
def reading(database: Database) -> Iterator[sqlite3.Connection]:
    """Open a state file for queries of one's own, all of one moment.

    Raises:
        ConfigError, DataError: as ``open_state_for_reading``.
    """
    if not database.path.exists():
        raise DataError("is not there", source=str(database.path))
    with closing(database.connect(read_only=True)) as connection:
        try:
            connection.execute("BEGIN")
            yield connection
        except connection.DatabaseError as error:
            raise DataError(f"cannot be read: {error}", source=str(database.path)) from None
