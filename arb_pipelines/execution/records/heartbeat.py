"""Signs of life of a session, in a file that is replaced whole each second."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import structlog

from arb_pipelines.clock import now_ns
from arb_pipelines.venues.tasks import worst_error

EVERY_S = 1.0
_FILE = "heartbeat.json"
#: Gives a session's state and counts, as they stand.
Pulse = Callable[[], tuple[str, Mapping[str, Any]]]
_log = structlog.get_logger()


def beat(folder: Path, state: str, counts: Mapping[str, Any]) -> None:
    """Write ``{"ts_ns", "pid", "state", …counts}`` to the session's heartbeat, atomically."""
    document = {"ts_ns": now_ns(), "pid": os.getpid(), "state": state, **counts}
    part = folder / f".{_FILE}.part"
    try:
        part.write_bytes(orjson.dumps(document))
        part.replace(folder / _FILE)
    except OSError as error:  # of a full disk: trading is not what ends by it
        _log.warning("session.heartbeat_fails", error=str(error), folder=str(folder))


@asynccontextmanager
async def beating(folder: Path, pulse: Pulse) -> AsyncIterator[None]:
    """Beat each second within the block."""
    with worst_error():
        async with asyncio.TaskGroup() as tasks:
            beats = tasks.create_task(_keep_beating(folder, pulse))
            yield
            beats.cancel()


async def _keep_beating(folder: Path, pulse: Pulse) -> None:
    while True:
        beat(folder, *pulse())
        await asyncio.sleep(EVERY_S)
