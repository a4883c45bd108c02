"""The process that writes to the lake for a session's: how it listens, and how it ends.

Started by ``lake_process`` as a module; what it does is in ``lake_scribe``. It does one thing
after the other, as it is asked, gives way to trading, and leaves signals to the process that
asks: whoever ends a service or interrupts a terminal still wants the last records written. It
ends with its pipe, so also when that process is killed.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any

import msgspec

#: How far it stands back behind trading where both want a core.
_POLITENESS = 10
_LEFT_TO_OTHERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)


class Asked(msgspec.Struct, array_like=True):
    """First message of a call: for which session, what, and how many messages belong to it."""

    session: int
    what: str
    pieces: int


_ASKED = msgspec.msgpack.Decoder(Asked)
_Calls = SimpleQueue[tuple[Asked, list[bytes]] | None]


def main(pipe: Connection[Any, Any]) -> None:
    """Do what is asked until nobody asks any more; the answer is why it failed, or nothing."""
    for number in _LEFT_TO_OTHERS:
        signal.signal(number, signal.SIG_IGN)
    os.nice(_POLITENESS)
    os.environ["POLARS_MAX_THREADS"] = "1"  # rows are few; more would want the trading core, too
    calls: _Calls = SimpleQueue()
    working = threading.Lock()
    try:
        settings, owner = pipe.recv()
        if settings.rehearse_ms:
            _stand_back()
        threading.Thread(target=_listen, args=(pipe, calls, working), daemon=True).start()
        from arb_pipelines.research.lake_scribe import Scribe  # takes a second

        scribe = Scribe(settings, owner)
        while (call := calls.get()) is not None:
            asked, pieces = call
            with working:
                pipe.send_bytes(scribe.do(asked.session, asked.what, pieces).encode())
    except (EOFError, OSError):  # who asked is gone
        return


def _stand_back() -> None:
    """Run where nobody else wants to, since a loop that rehearses pays a core for being quick.

    To the scheduler a core that does only this is a free one: whoever wakes goes there, and not
    to the loop's. Short of that, each write has the loop wait for others for 2 ms a few times.
    """
    if hasattr(os, "SCHED_IDLE"):  # Linux has it
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def _listen(pipe: Connection[Any, Any], calls: _Calls, working: threading.Lock) -> None:
    try:
        while True:
            asked = _ASKED.decode(pipe.recv_bytes())
            calls.put((asked, [pipe.recv_bytes() for _ in range(asked.pieces)]))
    except (EOFError, OSError):
        if working.locked():
            os._exit(1)  # nobody waits for what it is at
        calls.put(None)


if __name__ == "__main__":
    main(Connection(int(sys.argv[1])))
