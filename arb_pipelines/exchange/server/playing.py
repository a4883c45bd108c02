"""Recorded or generated book states into the engine, at the pace of the market or by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from decimal import Decimal
from itertools import islice

from arb_pipelines.clock import NS_PER_S
from arb_pipelines.exchange.server.answers import BAD_PARAMETER, Refusal
from arb_pipelines.exchange.server.venue import Venue
from arb_pipelines.lake.recording.format import BookState, Side

#: States of this span of market time, from the first one, are shown at once.
_OPENING_NS = NS_PER_S
_BATCH = 256


class Player:
    """Shows ``states`` at ``speed`` times the pace of their ``ts_recv``; 0 is step by step.

    States are made ready in a thread, a batch at a time, so that neither reading
    nor generating keeps clients waiting.
    """

    def __init__(self, venue: Venue, states: Iterator[BookState], speed: float) -> None:
        self._venue, self._states, self.speed = venue, states, speed
        self._ready: list[BookState] = []
        self._next = 0
        self._stepping = asyncio.Lock()
        self.shown = 0

    async def open(self) -> None:
        """Show the first second of market time."""
        first = await self._peek()
        while (state := await self._peek()) is not None:
            assert first is not None
            if state.ts_recv - first.ts_recv > _OPENING_NS:
                return
            await self._show(state)

    async def run(self) -> None:
        """Play to the end; the last books stay. Returns at once when played by hand."""
        if not self.speed:
            return
        loop = asyncio.get_running_loop()
        began = loop.time()
        first = await self._peek()
        while (state := await self._peek()) is not None:
            assert first is not None
            due = began + (state.ts_recv - first.ts_recv) / NS_PER_S / self.speed
            # Even when late: clients are to be heard between two states.
            await asyncio.sleep(max(0.0, due - loop.time()))
            await self._show(state)

    async def step(self, count: int) -> int:
        """Show the next ``count`` states now; gives how many there were.

        Raises:
            Refusal: the books play by themselves.
        """
        if self.speed:
            raise Refusal(BAD_PARAMETER, "start the exchange with --speed 0 to step by hand")
        async with self._stepping:
            before = self.shown
            while self.shown - before < count and (state := await self._peek()) is not None:
                await self._show(state)
            return self.shown - before

    async def _peek(self) -> BookState | None:
        """The next state, which stays the next one until it is shown."""
        if self._next == len(self._ready):
            self._ready = await asyncio.to_thread(lambda: list(islice(self._states, _BATCH)))
            self._next = 0
        return self._ready[self._next] if self._ready else None

    async def _show(self, state: BookState) -> None:
        self._next += 1
        self.shown += 1
        await self._venue.show(state.symbol, _exact(state.bids), _exact(state.asks))


def _exact(side: Side) -> list[tuple[Decimal, Decimal]]:
    """Levels as the decimals they were recorded from: the shortest that give these floats."""
    return [(Decimal(repr(price)), Decimal(repr(size))) for price, size in side]
