"""Signs of life of a session, in a file that is replaced whole each second."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import orjson

from arb_pipelines.clock import now_ns

EVERY_S = 1.0
_FILE = "heartbeat.json"


def beat(folder: Path, state: str, counts: Mapping[str, Any]) -> None:
    """Write ``{"ts_ns", "pid", "state", …counts}`` to the session's heartbeat, atomically."""
    document = {"ts_ns": now_ns(), "pid": os.getpid(), "state": state, **counts}
    part = folder / f".{_FILE}.part"
    part.write_bytes(orjson.dumps(document))
    part.replace(folder / _FILE)


async def keep_beating(
    folder: Path, state: Callable[[], str], counts: Callable[[], Mapping[str, Any]]
) -> None:
    """Beat each second until cancelled."""
    while True:
        beat(folder, state(), counts())
        await asyncio.sleep(EVERY_S)
