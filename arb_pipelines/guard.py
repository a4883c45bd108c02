"""Ends a process group when whoever started it is gone, even by ``kill -9``.

The guard is a process whose standard input is a pipe that its owner alone holds
open. The system closes it however the owner ends, so this works wherever there
are pipes. Starting what is guarded is the owner's.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

GRACE_S = 30.0


@contextlib.contextmanager
def guarded(leader: int) -> Iterator[None]:
    """Guard the process group of ``leader``, its pid, while the body runs.

    The guard itself does nothing to a group whose owner leaves the body alive.
    """
    guard = subprocess.Popen(  # noqa: S603 - our own interpreter and arguments
        [sys.executable, "-m", __spec__.name, str(leader)],
        stdin=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        yield
    finally:
        guard.communicate(b"done")


def _watch(leader: int) -> None:
    if sys.stdin.buffer.read():  # returns when the owner is done, or gone
        return
    with contextlib.suppress(ProcessLookupError):
        os.kill(leader, signal.SIGINT)
        deadline = time.monotonic() + GRACE_S
        while time.monotonic() < deadline:
            os.kill(leader, 0)
            time.sleep(0.2)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)


if __name__ == "__main__":
    _watch(int(sys.argv[1]))
