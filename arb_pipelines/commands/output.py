"""How a command prints its result: JSON for programs, a table for people."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.padding import Padding
from rich.table import Table

JsonFlag = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]

#: Progress and remarks go to stderr; stdout carries the result alone.
remarks = Console(stderr=True)


def print_json(document: object) -> None:
    """Write ``document`` as one line of JSON to stdout."""
    sys.stdout.write(orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY).decode() + "\n")


def print_facts(facts: Mapping[str, Any], title: str | None = None) -> None:
    """Print names and values as two columns."""
    table = Table(title=title, show_header=False, box=None, pad_edge=False, title_justify="left")
    table.add_column()
    table.add_column(overflow="fold")  # a digest that is cut off is none, and so is a name
    for name, value in facts.items():
        table.add_row(name.replace("_", " "), str(value))
    Console(highlight=False).print(table)


def readable(facts: Mapping[str, Any]) -> dict[str, str]:
    """Put facts as people read them: times (``ts_…``, ns) as dates, amounts by name in a row."""
    from arb_pipelines.clock import iso

    return {
        name: iso(value) if name.startswith("ts_") and isinstance(value, int) else as_text(value)
        for name, value in facts.items()
    }


def as_text(value: object) -> str:
    """Put a value of JSON in words; of an amount twelve digits, of nothing nothing."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {as_text(of)}" for name, of in value.items()) or "none"
    if isinstance(value, list | tuple):
        return ", ".join(map(as_text, value)) or "none"
    if isinstance(value, float):
        return f"{value:.12g}"
    return "" if value is None else str(value)


def print_rows(
    columns: Iterable[str], rows: Iterable[Iterable[object]], title: str | None = None
) -> None:
    """Print a table with a header."""
    table = Table(title=title, box=None, pad_edge=False, title_justify="left")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(str(cell) for cell in row))
    Console(highlight=False).print(table)


def print_lines(
    columns: Sequence[str],
    rows: Iterable[tuple[Sequence[object], str | None]],
    title: str,
) -> None:
    """Print a table whose rows stay whole lines, each with its remark below, if it has one.

    For names that are copied from it: none is folded, however narrow the terminal is.
    """
    told = [([as_text(cell) for cell in cells], remark) for cells, remark in rows]
    lines = [list(columns), *(cells for cells, _ in told)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    console = Console(highlight=False, markup=False)

    def tell(cells: Sequence[str], style: str | None = None) -> None:
        line = "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        console.print(line.rstrip(), style=style, soft_wrap=True)

    console.print(title, style="italic")
    tell(columns, "bold")
    for cells, remark in told:
        tell(cells)
        if remark:
            console.print(Padding(remark, (0, 0, 0, 4)))
