"""Steps of a state file: one writer, one transaction a step, and who it is that writes.

A step is on the disk's way when its call returns: it survives the process. With ``power``
durability it survives the machine's loss of power too, and costs a flush of the disk each.
Several steps that belong together are one transaction within ``together``. Which steps there
are is ``store``'s.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from decimal import Decimal
from pathlib import Path

from arb_pipelines.clock import NS_PER_S
from arb_pipelines.errors import InvariantBroken, Transient
from arb_pipelines.execution.records.reserve import Reserve
from arb_pipelines.execution.state.lease import Lease, end_lease, renew_lease, take_lease
from arb_pipelines.execution.state.reader import StateReader

_SEEN_EVERY_NS = 60 * NS_PER_S


class StateWriter(StateReader):
    """A state file that is ours to write, on one thread.

    ``committed`` hears of each transaction; ``reserve`` is room on the disk to be given up.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        wall_ns: Callable[[], int],
        *,
        committed: Callable[[], object] = lambda: None,
        reserve: Reserve | None = None,
    ) -> None:
        super().__init__(connection)
        self.wall_ns, self._committed, self._reserve = wall_ns, committed, reserve
        self._within = False
        self._lease: Lease | None = None
        self._path = Path()
        self._file: tuple[int, int] | None = None
        self._balances: dict[str, Decimal] | None = None
        self._seen_ns = 0

    @contextmanager
    def together(self) -> Iterator[None]:
        """Make one transaction of all steps within the block; none of them if it raises.

        Raises:
            Transient: the file cannot be written: its disk is full, or somebody else writes.
            InvariantBroken: it has another idea of what happened.
        """
        if self._within:
            yield
            return
        self._within = True
        try:
            self._db.execute("BEGIN IMMEDIATE")
            yield
            self._db.execute("COMMIT")
        except self._db.IntegrityError as error:
            raise InvariantBroken(f"the state does not take it: {error}") from error
        except self._db.DatabaseError as error:
            raise Transient(f"the state file cannot be written: {error}") from None
        finally:
            self._within = False
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
        self._committed()

    # -- the file ----------------------------------------------------------------------

    def take_lease(self, path: Path, holder: str) -> None:
        """Write down who has the file.

        Raises:
            ConfigError: another machine has it.
        """
        with self.together():
            self._lease = take_lease(self._db, path, holder, self.wall_ns())
        self._path, self._file = path, _file_at(path)

    def is_there(self) -> bool:
        """Whether the file is where it was opened: nobody removed it, or put another there."""
        return self._file is not None and _file_at(self._path) == self._file

    def renew_lease(self) -> None:
        """Say that the file is still ours.

        Raises:
            Transient: it cannot be written now.
            InvariantBroken: another machine took it.
        """
        assert self._lease is not None, "a lease is taken before it is renewed"
        with self.together():
            self._lease = renew_lease(self._db, self._lease, self.wall_ns())

    def end_lease(self) -> None:
        """Say that nobody has the file any more, if it can be said."""
        if self._lease is not None:
            with suppress(Transient), self.together():
                end_lease(self._db, self._lease)

    def give_up_reserve(self) -> bool:
        """Make room on a full disk for what is in flight; whether there was any to make."""
        return self._reserve is not None and self._reserve.give_up()

    def lists_untold(self, since_ns: int) -> None:
        """Note that the venue's lists are still to be asked for, from a time on."""
        with self.together():
            self._db.execute(
                "INSERT INTO meta VALUES ('untold', ?) ON CONFLICT (name) DO UPDATE SET value = "
                "excluded.value",
                (str(since_ns),),
            )

    def lists_told(self) -> None:
        """Note that the venue's lists have been read up to now."""
        with self.together():
            self._db.execute("DELETE FROM meta WHERE name = 'untold'")

    def see_balances(self, free: Mapping[str, Decimal], source: str) -> None:
        """Note what the venue says is free: what has changed, once a minute at most.

        What was seen while the clock was ahead is told anew as of now: else it would stay the
        newest until that time has come.
        """
        if self._balances is None:
            self._balances = self._last_seen()
        now, zero = self.wall_ns(), Decimal(0)
        ahead = self._db.execute("SELECT 1 FROM balances_seen WHERE ts_ns > ? LIMIT 1", (now,))
        if ahead.fetchone() is not None:
            with self.together():
                self._db.execute(
                    "INSERT OR REPLACE INTO balances_seen SELECT ?, currency, available, source "
                    "FROM (SELECT *, max(ts_ns) FROM balances_seen GROUP BY currency)",
                    (now,),
                )
                self._db.execute("DELETE FROM balances_seen WHERE ts_ns > ?", (now,))
            self._seen_ns = 0
        currencies = {*self._balances, *free}
        changed = {
            of: free.get(of, zero)
            for of in currencies
            if free.get(of, zero) != self._balances.get(of, zero)
        }
        if not changed or now - self._seen_ns < _SEEN_EVERY_NS:
            return
        with self.together():
            self._db.executemany(
                "INSERT OR REPLACE INTO balances_seen VALUES (?, ?, ?, ?)",
                [(now, of, f"{by:f}", source) for of, by in changed.items()],
            )
        self._seen_ns = now
        self._balances |= changed


def _file_at(path: Path) -> tuple[int, int] | None:
    """Name the file that is there, whatever it is called; ``None`` without one."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
