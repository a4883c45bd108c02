"""A loop that polls for a while and then sleeps: told by how often it comes round."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from arb_pipelines.awake import Awake


class Waits(selectors.DefaultSelector):
    """Notes whether the loop was ready to sleep each time it looked for news."""

    def __init__(self) -> None:
        super().__init__()
        self.slept: list[bool] = []

    def select(self, timeout: float | None = None) -> Any:
        self.slept.append(timeout is None or timeout > 0)
        return super().select(timeout)


def run(main: Callable[[list[bool]], Coroutine[Any, Any, None]]) -> list[bool]:
    """Run a coroutine; tell it, and whoever asks, of each turn whether the loop would sleep."""
    waits = Waits()
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(waits)) as runner:
        runner.run(main(waits.slept))
        return waits.slept


@pytest.mark.parametrize("blocks_left", [0, 1])
def test_a_loop_does_not_sleep_within_a_block(blocks_left: int) -> None:
    """A wait within a block polls, whatever other blocks were left; the one after it sleeps."""
    awake = Awake(60.0)
    within: list[bool] = []

    async def main(slept: list[bool]) -> None:
        with awake:
            for _ in range(blocks_left):
                with awake:
                    pass
            slept.clear()
            await asyncio.sleep(0.01)
            within.extend(slept)
        await asyncio.sleep(0)
        slept.clear()
        await asyncio.sleep(0.01)

    after = run(main)
    assert len(within) > 10
    assert not any(within)
    assert any(after)


@pytest.mark.parametrize("most_s", [0.0, 0.005])
def test_a_long_wait_sleeps_all_the_same(most_s: float) -> None:
    """After its time the block costs nothing, and without any it never does."""

    async def main(_slept: list[bool]) -> None:
        with Awake(most_s):
            await asyncio.sleep(0.05)

    slept = run(main)
    assert any(slept)
    if not most_s:
        assert len(slept) < 10


def test_staying_awake_ends_by_itself() -> None:
    """Without a block the loop polls for the time named."""

    async def main(_slept: list[bool]) -> None:
        awake = Awake(0.005)
        awake.stay()
        awake.stay()
        await asyncio.sleep(0.05)

    slept = run(main)
    assert slept.count(False) > 10
    assert any(slept)
