"""Garbage is collected between what counts, and by Python itself again when that is over."""

from __future__ import annotations

import asyncio
import gc
import weakref

import pytest

from arb_pipelines import garbage
from arb_pipelines.garbage import collected_when_idle


class _Loop:
    """Garbage that only the collector finds."""

    def __init__(self) -> None:
        self.me = self


def _dropped() -> weakref.ref[_Loop]:
    return weakref.ref(_Loop())


async def _gone(dropped: weakref.ref[_Loop]) -> None:
    async with asyncio.timeout(20):
        while dropped() is not None:
            await asyncio.sleep(0.001)


def test_it_is_collected_while_nothing_is_in_flight(monkeypatch: pytest.MonkeyPatch) -> None:
    """And not before, but for a wait that is too long."""
    monkeypatch.setattr(garbage, "_LOOK_S", 0.001)
    monkeypatch.setattr(garbage, "_EVERY_S", ((0.001, 1e9), (0.002, 1e9), (0.004, 1e9)))
    idle = False

    async def main() -> None:
        nonlocal idle
        with collected_when_idle(lambda: idle):
            assert not gc.isenabled()
            dropped = _dropped()
            await asyncio.sleep(0.05)
            assert dropped() is not None
            idle = True
            await _gone(dropped)
        assert gc.isenabled()
        assert gc.get_freeze_count() == 0

    asyncio.run(main())


def test_one_that_is_never_idle_is_collected_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory has an end, too; each generation in its time."""
    monkeypatch.setattr(garbage, "_LOOK_S", 0.001)
    monkeypatch.setattr(garbage, "_EVERY_S", ((1e9, 0.001), (1e9, 0.002), (1e9, 0.004)))
    collected: list[int] = []
    monkeypatch.setattr(gc, "collect", lambda generation=2: collected.append(generation))

    async def main() -> None:
        with collected_when_idle(lambda: False):
            async with asyncio.timeout(20):
                while {0, 1, 2} - set(collected[1:]):
                    await asyncio.sleep(0.001)

    asyncio.run(main())
