"""Looking into what earlier sessions of an account left unfinished, before one begins to trade.

What the venue says of an execution's orders belongs in ``execution.recovery``.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass
from pathlib import Path

from arb_pipelines.execution.recovery import Recovered, Unfinished, look_into, read_unfinished
from arb_pipelines.venues.base import VenueConnection


@dataclass(frozen=True, slots=True)
class LookedInto:
    """An execution that a session left in its ``folder``, and what became of it."""

    folder: Path
    unfinished: Unfinished
    found: Recovered

    @property
    def profit(self) -> float:
        """What its start currency changed by, as far as is known; a residual counts nothing."""
        return float(self.found.changes.get(self.unfinished.start, 0))


async def looked_into(
    folders: Iterable[Path], connection: VenueConnection
) -> AsyncGenerator[LookedInto, None]:
    """Look into what is unfinished in the folders, one execution after the other.

    Raises:
        Fatal: the keys do not do.
    """
    markets = {market.symbol: market for market in connection.markets}
    for folder in folders:
        for unfinished in await asyncio.to_thread(read_unfinished, folder):
            found = await look_into(unfinished, connection.account, markets, connection.fees)
            yield LookedInto(folder, unfinished, found)
