"""What a session's journal says of its limits: executions begun, and what they brought.

An execution counts from its first intent, which was written before the order left; one
whose end is not there was cut short, and what it lost is not known.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import msgspec

from arb_pipelines.execution.journal import JOURNAL
from arb_pipelines.execution.limits import Spent
from arb_pipelines.market.graph import BUY


class _Line(msgspec.Struct):
    """``{"event":"intent","client_id":"3465efc67f4d-0-0","symbol":"ETH-USDT","side":0,…}`` or
    ``{"event":"cycle","execution":0,"spent":99.9,"returned":99.7,…}``
    """

    event: str
    client_id: str = ""
    symbol: str = ""
    side: int = BUY
    execution: int = -1
    spent: float = 0.0
    returned: float = 0.0


def read_spent(folder: Path) -> Spent:
    """Count what the journal of a session's folder tells; nothing if there is none."""
    begun: set[str] = set()
    currency: dict[int, str] = {}
    profit: defaultdict[str, float] = defaultdict(float)
    for line in _lines(folder):
        if line.event == "intent":
            name, _, number = line.client_id.rpartition("-")
            if name not in begun and number == "0":
                base, _, quote = line.symbol.partition("-")
                currency[int(name.rpartition("-")[2])] = quote if line.side == BUY else base
            begun.add(name)
        elif line.event == "cycle" and line.execution in currency:
            profit[currency[line.execution]] += line.returned - line.spent
    return Spent(len(begun), dict(profit))


def _lines(folder: Path) -> Iterator[_Line]:
    """Read the journal's files, the oldest first; a line that was cut short is none."""
    journal = folder / JOURNAL
    full = sorted(folder.glob(f"{journal.stem}.[0-9]*{journal.suffix}"))
    decoder = msgspec.json.Decoder(_Line)
    for file in (*full, journal):
        if not file.exists():
            continue
        with file.open("rb") as lines:
            for line in lines:
                try:
                    yield decoder.decode(line)
                except msgspec.DecodeError:
                    continue
