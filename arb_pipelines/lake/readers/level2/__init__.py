"""Rebuilds books from the level-2 messages of a recorded stream.

A feed is given message after message in order of receipt and writes states,
refusals and gaps into a ``BatchBuilder``. How a message lies in a file is not
its business.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from arb_pipelines.errors import DataError
from arb_pipelines.lake.readers.builder import BatchBuilder
from arb_pipelines.lake.readers.level2 import messages
from arb_pipelines.lake.readers.level2.kraken import KrakenFeed
from arb_pipelines.lake.readers.level2.messages import MALFORMED, Request, Update
from arb_pipelines.lake.readers.level2.sequenced import SequencedFeed
from arb_pipelines.market.book import Snapshot


class Feed(Protocol):
    """Takes the messages of a stream in order of receipt."""

    def advance(self, ts_recv: int) -> None:
        """Do what was due up to ``ts_recv``, before the message received then."""

    def take(self, row: int, ts_recv: int, message: bytes) -> None:
        """Take one message.

        Raises:
            MALFORMED: it is not of the venue's form; nothing has changed.
        """

    def finish(self) -> None:
        """Settle what is open at the end of the stream."""


_Snapshots = Callable[[Request], tuple[str, Snapshot] | None]
_SEQUENCED: dict[str, tuple[Callable[[bytes], Update | None], _Snapshots]] = {
    "kucoin": (messages.kucoin_update, messages.kucoin_snapshot),
    "binance": (messages.binance_update, messages.binance_snapshot),
}
VENUES = (*_SEQUENCED, "kraken")


def make_feed(
    venue: str, builder: BatchBuilder, depth: int, requests: Iterable[tuple[str, int, Request]]
) -> Feed:
    """Make the feed of ``venue``. ``requests`` are its REST answers with file and row.

    Raises:
        DataError: an answer that should be a snapshot is not one.
    """
    if venue == "kraken":
        return KrakenFeed(builder, depth)
    update, snapshot_of = _SEQUENCED[venue]
    snapshots = []
    for source, row, request in requests:
        try:
            found = snapshot_of(request)
        except MALFORMED as error:
            raise DataError(f"a broken snapshot ({error!r})", source=source, row=row) from error
        if found:
            snapshots.append((request.ts_recv, *found))
    return SequencedFeed(builder, depth, update, snapshots)
