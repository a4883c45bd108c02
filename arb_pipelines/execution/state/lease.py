"""Who writes a state file: a row in it that says so, renewed as long as it is true.

On one machine ``flock`` decides who writes, and ends with its holder. Where several machines
share the file a lock may not be seen by the other, so there the row decides: who finds one
that was renewed a moment ago, by another machine, keeps out.
"""

from __future__ import annotations

import os
import socket
import sqlite3
from dataclasses import dataclass
from pathlib import Path

import msgspec

from arb_pipelines.clock import NS_PER_S, iso
from arb_pipelines.errors import ConfigError, InvariantBroken

#: A lease that was not renewed for so long is over; it is renewed every few seconds.
LEASE_S = 60
_BOOT = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class Lease:
    """Its holder, the process, its machine and start of that, since when, and when renewed (ns)."""

    holder: str
    process: int
    host: str
    boot: str
    since_ns: int
    renewed_ns: int

    def __str__(self) -> str:
        return f"{self.holder} (process {self.process} on {self.host}) since {iso(self.since_ns)}"


def is_gone(lease: Lease) -> bool:
    """Whether its process is known to have ended; of another machine, or start of it, it is not."""
    if (lease.host, lease.boot) != (socket.gethostname(), _boot()):
        return False
    try:
        os.kill(lease.process, 0)
    except ProcessLookupError:
        return True
    except PermissionError:  # it is there, and somebody else's
        return False
    return False


def lease_of(connection: sqlite3.Connection) -> Lease | None:
    """Read who has the file; the last one did not end in order if he runs no more."""
    row = connection.execute("SELECT value FROM meta WHERE name = 'lease'").fetchone()
    return None if row is None else msgspec.json.decode(row[0], type=Lease)


def take_lease(connection: sqlite3.Connection, path: Path, holder: str, now: int) -> Lease:
    """Write down who has the file from now on; whoever asks has its lock, and is in a transaction.

    Raises:
        ConfigError: another machine has it; says who, and until when to wait.
    """
    there, host = lease_of(connection), socket.gethostname()
    if there is not None and there.host != host:
        left_s = LEASE_S - (now - there.renewed_ns) / NS_PER_S
        if left_s > 0:
            raise ConfigError(
                f"is written by {there}; stop that one, or if its machine is gone, try again in "
                f"{left_s:.0f} s",
                source=str(path),
            )
    lease = Lease(holder, os.getpid(), host, _boot(), now, now)
    _write(connection, lease)
    return lease


def renew_lease(connection: sqlite3.Connection, ours: Lease, now: int) -> Lease:
    """Say that the file is still ours; within a transaction.

    Raises:
        InvariantBroken: somebody took it, since we did not renew it for long.
    """
    there = lease_of(connection)
    if not _is_ours(there, ours):
        raise InvariantBroken(f"the state was taken from {ours} by {there or 'nobody'}")
    renewed = Lease(ours.holder, ours.process, ours.host, ours.boot, ours.since_ns, now)
    _write(connection, renewed)
    return renewed


def end_lease(connection: sqlite3.Connection, ours: Lease) -> None:
    """Say that nobody has the file, unless somebody took it."""
    if _is_ours(lease_of(connection), ours):
        connection.execute("DELETE FROM meta WHERE name = 'lease'")


def _boot() -> str:
    """Name this start of the machine; nothing where it has no name."""
    return _BOOT.read_text().strip() if _BOOT.exists() else ""


def _is_ours(there: Lease | None, ours: Lease) -> bool:
    return there is not None and (there.host, there.process, there.since_ns) == (
        ours.host, ours.process, ours.since_ns,
    )  # fmt: skip


def _write(connection: sqlite3.Connection, lease: Lease) -> None:
    connection.execute(
        "INSERT INTO meta VALUES ('lease', ?) ON CONFLICT (name) DO UPDATE SET value = "
        "excluded.value",
        (msgspec.json.encode(lease).decode(),),
    )
