"""One session a strategy and venue, and one an account: locks that end with their holder.

Each is a file under ``sessions/locks``, held by ``flock``: the system lets go of it however
its holder ends. What the file says names the holder, for whoever finds it taken. An account
is locked for the whole machine too, since two homes may have keys of the same one.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from arb_pipelines.clock import iso, now_ns
from arb_pipelines.errors import ConfigError


@contextmanager
def account_held(folder: Path, venue: str, account_id: str, session: str) -> Iterator[None]:
    """Hold an account for ``session`` within the block, in ``folder`` and on this machine.

    Raises:
        ConfigError: another session of this user's has it, from whatever home; says which.
    """
    name = f"account-{venue}-{account_id}"
    with held(machine_folder(), name, session), held(folder, name, session):
        yield


def machine_folder() -> Path:
    """Folder of the locks that all homes of a user share."""
    return Path(tempfile.gettempdir()) / f"arb-locks-{os.getuid()}"


@contextmanager
def held(folder: Path, name: str, session: str) -> Iterator[None]:
    """Hold the lock ``name`` for ``session`` within the block.

    Raises:
        ConfigError: another session holds it; says which, its process, and since when.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"{name}.lock"
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(file, 500, 0).decode(errors="replace").strip() or "another session"
            raise ConfigError(
                f"{name} is traded by {holder}; stop that one, or wait for its end",
                source=str(path),
            ) from None
        said = f"session {session} (process {os.getpid()}) since {iso(now_ns())}\n"
        os.ftruncate(file, 0)
        os.pwrite(file, said.encode(), 0)
        yield
    finally:
        os.close(file)
