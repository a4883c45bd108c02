"""What came into the landing folder: which partitions are to be run for it.

Recordings are the business of ``lake.landing``, symbol lists of ``research.listed``;
here a partition learns of both.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from arb_pipelines.lake.landing import pending
from arb_pipelines.lake.store import Lake
from arb_pipelines.research.listed import due_lists


@dataclass(frozen=True, slots=True)
class Arrival:
    """A (venue, day) to be run. ``digest`` changes with any file that it is to be run for."""

    venue: str
    day: date
    digest: str


def arrivals(lake: Lake) -> tuple[Arrival, ...]:
    """List the partitions that lack a landed recording or symbol list, by venue and day.

    A list alone asks for nothing: it is taken with the first books of its venue,
    and asks for the days whose books came before it.
    """
    recordings = {(part.venue, part.day): part.digest for part in pending(lake)}
    with_books = lake.query("SELECT DISTINCT venue, day FROM ingests").rows()
    lists = due_lists(lake, [*recordings, *with_books])
    return tuple(
        Arrival(*part, "|".join(found[part] for found in (recordings, lists) if part in found))
        for part in sorted({*recordings, *lists})
    )
