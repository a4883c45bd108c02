"""Records of a session that was killed before it wrote them: from its journal to the lake.

What the venue says of orders that were out belongs in ``execution.recovery``.
"""

from __future__ import annotations

from pathlib import Path

from arb_pipelines.errors import DataError
from arb_pipelines.execution.records.journal_reading import unfinished_orders
from arb_pipelines.execution.records.journal_replay import replayed
from arb_pipelines.lake.store import Lake
from arb_pipelines.research.session_tables import write_lost

#: Orders named in a sentence; the journal has the others.
_NAMED = 6


def bring_records(lake: Lake, folder: Path, reason: str) -> str:
    """Write what a killed session's journal has and the lake has not; say how it ended.

    The answer is the ``reason`` and, by their client ids, the orders whose end nobody heard
    of: they may be at the venue. Doing this again changes nothing.

    Raises:
        ArbError: the lake could not take it.
    """
    names = [str(order["client_id"]) for order in unfinished_orders(folder)]
    if names:
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        reason += f"; look up at the venue: {', '.join(names[:_NAMED])}{more}"
    try:
        for batch in replayed(folder, reason):
            write_lost(lake, batch)
    except DataError as error:
        return f"{reason}; {error}"
    return reason
