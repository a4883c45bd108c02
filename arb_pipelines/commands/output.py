"""How a command prints its result: JSON for programs, a table for people."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
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
