"""Reading journals back: all files of a session's folder, line by line, the oldest first."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from arb_pipelines.execution.orders.client_ids import cycle_of
from arb_pipelines.execution.records.journal import JOURNAL
from arb_pipelines.execution.records.rolling_file import rolled_files

T = TypeVar("T")

#: The name under which a journal says what was found out of an execution that was cut short.
RECOVERED = "recovered"


def journal_lines(folder: Path, kind: type[T]) -> Iterator[T]:
    """Decode each line of a journal; one that was cut short, by a crash, is passed over."""
    newest = folder / JOURNAL
    decoder = msgspec.json.Decoder(kind)
    for file in (*rolled_files(newest), newest):
        if not file.exists():
            continue
        with file.open("rb") as lines:
            for line in lines:
                try:
                    yield decoder.decode(line)
                except msgspec.DecodeError:
                    continue


def read_journal(folder: Path) -> Iterator[dict[str, Any]]:
    """Give the events of a session as they were written."""
    return journal_lines(folder, dict[str, Any])


def unfinished_orders(folder: Path) -> list[dict[str, Any]]:
    """Give the intents of which the journal knows no end, nor a recovery, oldest first.

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
            case {"event": "recovered", "execution": str(execution), "unknown": []}:
                for known in [name for name in intents if cycle_of(name) == execution]:
                    del intents[known]
    return list(intents.values())
