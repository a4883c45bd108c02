"""Recorded or generated book states into the engine, at the pace of the market or by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from decimal import Decimal
from functools import lru_cache

from arb_pipelines.clock import NS_PER_S
from arb_pipelines.exchange.server.answers import BAD_PARAMETER, Refusal
from arb_pipelines.exchange.server.venue import Venue
from arb_pipelines.lake.recording.format import BookState, Side

#: States of this span of market time, from the first one, are shown at once.
_OPENING_NS = NS_PER_S
#: Prices whose decimals are remembered: levels stay where they are, though sizes change.
_REMEMBERED = 1 << 17


class Player:
    """Shows ``batches`` of states at ``speed`` times the pace of their ``ts_recv``.

    A speed of 0 is step by step. The next batch is got in a thread, so that neither
    reading nor generating keeps clients waiting.
    """

    def __init__(self, venue: Venue, batches: Iterator[Iterator[BookState]], speed: float) -> None:
        self._venue, self._batches, self.speed = venue, batches, speed
        self._walk: Iterator[BookState] = iter(())
        self._next: BookState | None = None
        self._stepping = asyncio.Lock()
        self.shown = 0

    async def open(self) -> None:
        """Show the first second of market time."""
        first = await self._peek()
        while (state := await self._peek()) is not None:
            assert first is not None
            if state.ts_recv - first.ts_recv > _OPENING_NS:
                return
            self._show(state)

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
            self._show(state)

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
                self._show(state)
            return self.shown - before

    async def _peek(self) -> BookState | None:
        """The next state, which stays the next one until it is shown."""
        while self._next is None:
            self._next = next(self._walk, None)
            if self._next is None:
                batch = await asyncio.to_thread(next, self._batches, None)
                if batch is None:
                    return None
                self._walk = batch
        return self._next

    def _show(self, state: BookState) -> None:
        self._next = None
        self.shown += 1
        self._venue.show(state.symbol, _levels(state.bids), _levels(state.asks))


def _levels(side: Side) -> list[tuple[Decimal, Decimal]]:
    return [(_price(price), _exact(size)) for price, size in side]


def _exact(number: float) -> Decimal:
    """The decimal that a number was recorded from: the shortest that gives this float."""
    return Decimal(repr(number))


_price = lru_cache(_REMEMBERED)(_exact)
