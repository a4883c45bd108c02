"""Running an async test on each of the loops that our code runs on."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine
from typing import Any

import uvloop


def on_both_loops(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run an async test on asyncio's loop, and on the one that sessions run on."""

    @functools.wraps(test)
    def run(*args: object, **kwargs: object) -> None:
        for run_on in (asyncio.run, uvloop.run):
            run_on(asyncio.wait_for(test(*args, **kwargs), 20))

    return run
