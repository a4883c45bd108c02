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


Run = Callable[[Callable[[], Coroutine[Any, Any, None]]], list[bool]]


@pytest.fixture
def run() -> Run:
    """Run a coroutine; tell of each turn of its loop whether it would sleep."""

    def on_a_loop(main: Callable[[], Coroutine[Any, Any, None]]) -> list[bool]:
        waits = Waits()
        with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(waits)) as runner:
            runner.run(main())
            return waits.slept

    return on_a_loop


def test_a_loop_does_not_sleep_within_a_block(run: Run) -> None:
    """A wait within the block polls; the one after it sleeps."""
    awake = Awake(60.0)
    slept: list[bool] = []

    async def main() -> None:
        waits = asyncio.get_running_loop()._selector.slept  # type: ignore[attr-defined]
        with awake:
            waits.clear()
            await asyncio.sleep(0.01)
            slept.extend(waits)
        await asyncio.sleep(0)
        waits.clear()
        await asyncio.sleep(0.01)

    after = run(main)
    assert len(slept) > 10
    assert not any(slept)
    assert any(after)


def test_blocks_may_overlap(run: Run) -> None:
    """The loop sleeps when the last of them is left."""
    awake = Awake(60.0)
    slept: list[bool] = []

    async def main() -> None:
        waits = asyncio.get_running_loop()._selector.slept  # type: ignore[attr-defined]
        with awake:
            with awake:
                pass
            waits.clear()
            await asyncio.sleep(0.01)
            slept.extend(waits)

    run(main)
    assert slept
    assert not any(slept)


@pytest.mark.parametrize("most_s", [0.0, 0.005])
def test_a_long_wait_sleeps_all_the_same(run: Run, most_s: float) -> None:
    """After its time the block costs nothing, and without any it never does."""

    async def main() -> None:
        with Awake(most_s):
            await asyncio.sleep(0.05)

    slept = run(main)
    assert any(slept)
    if not most_s:
        assert len(slept) < 10


def test_staying_awake_ends_by_itself(run: Run) -> None:
    """Without a block the loop polls for the time named."""

    async def main() -> None:
        awake = Awake(0.005)
        awake.stay()
        awake.stay()
        await asyncio.sleep(0.05)

    slept = run(main)
    assert slept.count(False) > 10
    assert any(slept)
