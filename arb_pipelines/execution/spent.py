"""What a session's journal says of its limits: executions begun, and what they brought.

An execution counts from its first intent, which was written before the order left; one
whose end is not there was cut short, and what it lost is what was found out since
(``recovery``): what its start currency changed by, a residual counting nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import msgspec

from arb_pipelines.execution.limits import Spent
from arb_pipelines.execution.records.journal_reading import RECOVERED, journal_lines
from arb_pipelines.market.graph import BUY


class _Line(msgspec.Struct):
    """``{"event":"intent","client_id":"3465efc67f4d-0-0","symbol":"ETH-USDT","side":0,…}``,
    ``{"event":"cycle","execution":0,"spent":99.9,"returned":99.7,…}`` or
    ``{"event":"recovered","execution":"3465efc67f4d-7","changes":{"USDT":"-99.9"},"unknown":[]}``
    """

    event: str
    client_id: str = ""
    symbol: str = ""
    side: int = BUY
    execution: int | str | None = None
    spent: float = 0.0
    returned: float = 0.0
    changes: Mapping[str, str] = {}
    unknown: list[str] = []


def read_spent(folder: Path) -> Spent:
    """Count what the journal of a session's folder tells; nothing if there is none."""
    begun: set[str] = set()
    currency: dict[int | str | None, str] = {}  # by number of the last start, and by name
    profit: defaultdict[str, float] = defaultdict(float)
    for line in journal_lines(folder, _Line):
        if line.event == "intent":
            name, _, number = line.client_id.rpartition("-")
            if name not in begun and number == "0":
                base, _, quote = line.symbol.partition("-")
                start = quote if line.side == BUY else base
                currency[int(name.rpartition("-")[2])] = currency[name] = start
            begun.add(name)
        elif line.event == "cycle" and line.execution in currency:
            profit[currency[line.execution]] += line.returned - line.spent
        elif line.event == RECOVERED and line.execution in currency and not line.unknown:
            start = currency[line.execution]
            profit[start] += float(line.changes.get(start, 0.0))
    return Spent(len(begun), dict(profit))
