"""What a journal tells afterwards: its events again, and the orders whose end it does not know."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from arb_pipelines.execution.journal import JOURNAL
from arb_pipelines.execution.rolling_file import rolled_files


def read_journal(folder: Path) -> Iterator[dict[str, Any]]:
    """Give the events of a session in the order they were written; none without a journal.

    A line that was cut off, as by a kill, is left out.
    """
    newest = folder / JOURNAL
    for path in (*rolled_files(newest), newest):
        if not path.exists():
            continue
        with path.open("rb") as lines:
            for line in lines:
                try:
                    document = orjson.loads(line)
                except orjson.JSONDecodeError:
                    continue
                if isinstance(document, dict):
                    yield document


def unfinished_orders(folder: Path) -> list[dict[str, Any]]:
    """Give the intents of which the journal knows no end, oldest first.

    After a crash these are the orders to look up by their client id: they may never have
    left, rest, or have filled since.
    """
    intents: dict[str, dict[str, Any]] = {}
    for document in read_journal(folder):
        match document:
            case {"event": "intent", "client_id": str(client_id)}:
                intents[client_id] = document
            case {"event": "cancelled", "client_id": str(client_id)} | {
                "event": "fill",
                "client_id": str(client_id),
                "final": True,
            }:
                intents.pop(client_id, None)
    return list(intents.values())
