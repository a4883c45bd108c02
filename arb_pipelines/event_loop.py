"""The one loop of a process that does nothing but wait for a network: uvloop where it is made."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TypeVar

T = TypeVar("T")


def run_loop(main: Coroutine[object, object, T]) -> T:
    """Run ``main`` to its end on a loop of this thread."""
    try:
        import uvloop
    except ImportError:  # not made for Windows
        return asyncio.run(main)
    return uvloop.run(main)
