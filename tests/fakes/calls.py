"""Calls for executors to run: well-behaved ones, and each way of going wrong."""

from __future__ import annotations

import asyncio
import ctypes
import os
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from arb_pipelines.containers.executors import open_executor
from arb_pipelines.containers.modes import ThreadModel

prepared: list[Any] = []


def square(x: int) -> int:
    return x * x


async def square_later(x: int) -> int:
    await asyncio.sleep(0)
    return x * x


def prepare(value: object) -> None:
    """An initializer: note that it ran here."""
    prepared.append(value)


def prepare_badly() -> None:
    raise ValueError("no such\ndata")


def tell_prepared(_: object) -> tuple[int, int, list[Any]]:
    """Process, thread, and what initializers left in this process."""
    return os.getpid(), threading.get_ident(), list(prepared)


def fail(x: object) -> None:
    raise ValueError(f"cannot use\n{x}")


def leave(x: object) -> None:
    sys.exit(f"gone {x}")


def die(x: int) -> int:
    """End the process without a word where ``x`` is 13."""
    if x == 13:
        os._exit(7)
    return x * x


def crash(_: object) -> None:
    ctypes.string_at(0)


def give_unsendable(_: object) -> object:
    return threading.Lock()


class Untellable(Exception):
    """An error whose message cannot be printed."""

    def __str__(self) -> str:
        raise RuntimeError("hostile")


def fail_untellably(_: object) -> None:
    raise Untellable


class Unreadable:
    """Pickles, and cannot be unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return fail, ("unreadable",)


def give_unreadable(_: object) -> object:
    return Unreadable()


def allocate(mib: int) -> int:
    """Fill so much memory, and tell how much was filled."""
    return int(np.ones(mib << 17).nbytes) >> 20


def allocate_objects(mib: int) -> int:
    """The same out of the interpreter's own allocator, in cycles that hold one another."""
    kept: list[Any] = []
    for _ in range(mib * 10):
        kept.append([bytearray(100_000), kept])
    return len(kept)


def allocate_here(job: tuple[Callable[[int], int], list[int]]) -> list[str | None]:
    """Allocate in this process, 64 MiB at most each time; tell what went wrong."""
    with closing(open_executor(ThreadModel.SINGLE_THREADED, 1, memory_limit_mib=64)) as executor:
        call, sizes = job
        errors: list[str | None] = []
        for number, mib in enumerate(sizes):
            executor.submit(number, call, mib)
            errors += (done.error for done in executor.wait())
    return errors


def stay(marker: str) -> None:
    """Say that it runs, and never end by itself."""
    Path(marker).write_text(str(os.getpid()))
    threading.Event().wait()


async def stay_on_loop(marker: str) -> None:
    """The same for a loop."""
    Path(marker).write_text(str(os.getpid()))
    await asyncio.Event().wait()


async def meet(parties: dict[str, Any]) -> int:
    """End only once as many calls as ``count`` run side by side on this loop."""
    here = _meetings.setdefault(parties["name"], [])
    event = asyncio.Event()
    here.append(event)
    if len(here) == parties["count"]:
        for waiting in here:
            waiting.set()
    await event.wait()
    return threading.get_ident()


_meetings: dict[str, list[asyncio.Event]] = {}
