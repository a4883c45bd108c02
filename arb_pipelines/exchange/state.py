"""The exchange's durable state: accounts, orders and fills in one SQLite file.

Rows rather than a log of calls: what a call did depends on the feed's liquidity, which
is not kept, so that calls alone could not be played again; and rows can be looked at with
any SQLite client. One transaction a call, committed before its events leave.

The file is in WAL mode. A commit is in the operating system's hands when the call
returns, so that killing the process, at any instant, loses nothing acknowledged; a frame
torn in the writing fails its checksum and is dropped, and it belonged to a call that
nobody was answered. Against loss of power choose ``synchronous="FULL"``, which waits
for the disk at every commit.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from decimal import Decimal
from pathlib import Path
from typing import Literal

import msgspec

from arb_pipelines.errors import ConfigError
from arb_pipelines.exchange.engine.accounts import Accounts, Balance
from arb_pipelines.exchange.engine.archive import HISTORY
from arb_pipelines.exchange.engine.events import BalanceChanged, Events, OrderChanged
from arb_pipelines.exchange.engine.journal import Kept
from arb_pipelines.exchange.engine.orders import Fill, Order

#: The books of each start count their sequences in a range of their own.
SEQUENCES_PER_START = 10**12

_SCHEMA = """
CREATE TABLE IF NOT EXISTS balances (
    user TEXT, currency TEXT, available TEXT NOT NULL, hold TEXT NOT NULL,
    PRIMARY KEY (user, currency)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS venue (
    currency TEXT PRIMARY KEY, house TEXT NOT NULL, fees TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS orders (
    number INTEGER PRIMARY KEY, done_number INTEGER NOT NULL, body BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS orders_by_end ON orders (done_number);
CREATE TABLE IF NOT EXISTS fills (
    id INTEGER PRIMARY KEY, symbol TEXT NOT NULL, trade_id INTEGER NOT NULL, body BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS starts (number INTEGER PRIMARY KEY);
"""


class StateFile:
    """An open state file; one process at a time may hold it."""

    def __init__(self, path: Path, *, synchronous: Literal["NORMAL", "FULL"] = "NORMAL") -> None:
        """Open or make the file.

        Raises:
            ConfigError: it is no such file, or another exchange holds it.
        """
        self.path = path
        try:
            self._db = sqlite3.connect(path, isolation_level=None, timeout=1.0)
            self._db.execute("PRAGMA locking_mode=EXCLUSIVE")
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute(f"PRAGMA synchronous={synchronous}")
            self._db.executescript(_SCHEMA)
            self._db.execute("INSERT INTO starts DEFAULT VALUES")
        except sqlite3.Error as error:
            raise ConfigError(
                f"cannot be used as the exchange's state ({error}); "
                "name another file, or stop the exchange that holds it",
                source=str(path),
            ) from error

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def keep(self, events: Events, accounts: Accounts) -> None:
        """Write what ``events`` changed, in one transaction; nothing for a feed that met nobody."""
        orders: dict[int, Order] = {}
        balances: dict[tuple[str, str], BalanceChanged] = {}
        fills: list[Fill] = []
        for event in events:
            if isinstance(event, OrderChanged):
                orders[event.order.number] = event.order
                if event.fill is not None:
                    fills.append(event.fill)
            elif isinstance(event, BalanceChanged):
                balances[event.user, event.currency] = event
        if orders or balances:
            self._write(orders, balances, fills, accounts)

    def load(self) -> Kept:
        """Read everything back; of done orders and fills, the newest that are remembered."""
        users: dict[str, dict[str, Balance]] = {}
        for user, currency, available, hold in self._db.execute("SELECT * FROM balances"):
            users.setdefault(user, {})[currency] = Balance(Decimal(available), Decimal(hold))
        venue = list(self._db.execute("SELECT currency, house, fees FROM venue"))
        return Kept(
            users=users,
            house={currency: Decimal(house) for currency, house, _ in venue},
            fees={currency: Decimal(fees) for currency, _, fees in venue},
            active=self._orders("WHERE done_number = 0 ORDER BY number DESC"),
            done=self._orders(f"WHERE done_number > 0 ORDER BY done_number DESC LIMIT {HISTORY}"),
            fills=tuple(
                msgspec.json.decode(body, type=Fill)
                for body in self._newest_last(
                    f"SELECT body FROM fills ORDER BY id DESC LIMIT {HISTORY}"
                )
            ),
            orders_seen=self._number("SELECT max(number) FROM orders"),
            orders_done=self._number("SELECT max(done_number) FROM orders"),
            fills_seen=self._number("SELECT max(id) FROM fills"),
            trade_ids=dict(
                self._db.execute("SELECT symbol, max(trade_id) FROM fills GROUP BY symbol")
            ),
            first_sequence=(self._number("SELECT max(number) FROM starts") - 1)
            * SEQUENCES_PER_START,
        )

    def _write(
        self,
        orders: dict[int, Order],
        balances: dict[tuple[str, str], BalanceChanged],
        fills: list[Fill],
        accounts: Accounts,
    ) -> None:
        encode = msgspec.json.encode
        db = self._db
        db.execute("BEGIN IMMEDIATE")
        try:
            db.executemany(
                "INSERT OR REPLACE INTO balances VALUES (?, ?, ?, ?)",
                [
                    (user, currency, str(changed.available), str(changed.hold))
                    for (user, currency), changed in balances.items()
                ],
            )
            db.executemany(
                "INSERT OR REPLACE INTO orders VALUES (?, ?, ?)",
                [(number, order.done_number, encode(order)) for number, order in orders.items()],
            )
            if fills:
                db.executemany(
                    "INSERT INTO fills VALUES (?, ?, ?, ?)",
                    [(fill.id, fill.symbol, fill.trade_id, encode(fill)) for fill in fills],
                )
                db.executemany(
                    "INSERT OR REPLACE INTO venue VALUES (?, ?, ?)",
                    [
                        (currency, str(accounts.house[currency]), str(accounts.fees[currency]))
                        for currency in {currency for _, currency in balances}
                    ],
                )
            db.execute("COMMIT")
        except BaseException:
            db.execute("ROLLBACK")
            raise

    def _orders(self, which: str) -> tuple[Order, ...]:
        return tuple(
            msgspec.json.decode(body, type=Order)
            for body in self._newest_last(f"SELECT body FROM orders {which}")
        )

    def _newest_last(self, newest_first: str) -> deque[bytes]:
        bodies: deque[bytes] = deque()
        for (body,) in self._db.execute(newest_first):
            bodies.appendleft(body)
        return bodies

    def _number(self, query: str) -> int:
        (number,) = self._db.execute(query).fetchone()
        return number or 0
