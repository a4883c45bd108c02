"""What a run found, for people: the last line, the table, and each finding."""

from __future__ import annotations

from collections.abc import Sequence

from tests.torture.audit import KINDS
from tests.torture.matrix import Row


def verdict(rows: Sequence[Row]) -> str:
    """Say in one line what all kills came to."""
    kills = sum(row.kills for row in rows)
    counted = (f"{kind} {sum(len(getattr(row.found, kind)) for row in rows)}" for kind in KINDS)
    return f"kills {kills}, {', '.join(counted)}"


def failed(rows: Sequence[Row]) -> bool:
    """Whether anything was found."""
    return any(row.found for row in rows)


def table(rows: Sequence[Row]) -> str:
    """Make the table of cases, as Markdown."""
    lines = [
        "| case | points | kills | cycles cut short | not reached | worst time to terminal, s |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {row.name} | {row.points or 'random'} | {row.kills} | {row.cut} "
        f"| {len(row.not_reached)} | {row.worst_s:.2f} |"
        for row in rows
    ]
    return "\n".join(lines)


def details(rows: Sequence[Row]) -> list[str]:
    """Give a line for each finding, and for each point that no run got to again."""
    found = [line for row in rows for line in row.found.lines()]
    return found + [
        f"not reached: [{row.name}] {point}" for row in rows for point in row.not_reached
    ]
