"""The `arb sql` command: questions to the lake, one at a time or at a prompt."""

from __future__ import annotations

import csv
import math
import sys
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from arb_pipelines.commands.output import JsonFlag, print_json
from arb_pipelines.errors import ConfigError

if TYPE_CHECKING:
    from arb_pipelines.lake.readonly import Answer

#: Rows a table on the screen shows unless told otherwise.
TABLE_ROWS = 100


class Format(StrEnum):
    """How rows are printed."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


def register(app: typer.Typer) -> None:
    """Add this topic's commands to ``app``."""
    app.command()(sql)


def sql(
    query: Annotated[
        str | None, typer.Argument(help="Statements to run. Without any, a prompt.")
    ] = None,
    format: Annotated[Format, typer.Option(help="How rows are printed.")] = Format.TABLE,
    json: JsonFlag = False,
    snapshot: Annotated[
        int | None, typer.Option(help="Ask the lake as it was at this snapshot.")
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            min=0, help=f"Most rows printed; 0 for all. Default: {TABLE_ROWS} in a table."
        ),
    ] = None,
    attach: Annotated[
        bool, typer.Option("--attach", help="Print the SQL with which any DuckDB client attaches.")
    ] = False,
) -> None:
    r"""Ask the lake in SQL, read-only, while runs are writing.

    At the prompt a statement ends with a semicolon, \d lists the tables, \q leaves.

    Example: arb sql "SELECT venue, day, count(*) FROM book_tops GROUP BY ALL" --format csv
    """
    from arb_pipelines.commands.prompt import run_prompt
    from arb_pipelines.lake.attachment import attach_statements
    from arb_pipelines.lake.readonly import TABLES_SQL, ask
    from arb_pipelines.lake.store import Lake
    from arb_pipelines.settings import load_settings

    settings = load_settings()
    if attach:
        sys.stdout.write(attach_statements(settings))
        return
    lake = Lake(settings, read_only=True)
    chosen = Format.JSON if json else format
    most = (TABLE_ROWS if chosen is Format.TABLE else 0) if limit is None else limit
    with lake.reading(snapshot) as connection:

        def run(text: str) -> None:
            command, _, name = text.partition(" ")
            if command == r"\d":
                text = f'DESCRIBE "{name.strip()}"' if name else TABLES_SQL
            elif command.startswith("\\"):
                raise ConfigError(rf"{command} is unknown; there are \d, \d NAME and \q")
            for answer in ask(connection, text, most):
                _print(answer, chosen)

        if query is not None:
            run(query)
        else:
            run_prompt(run, lake.root / "sql_history")


def _print(answer: Answer, format: Format) -> None:
    if format is Format.JSON:
        print_json(
            [dict(zip(answer.columns, map(_plain, row), strict=True)) for row in answer.rows]
        )
    elif format is Format.CSV:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(answer.columns)
        writer.writerows(
            [["" if cell is None else _text(cell) for cell in row] for row in answer.rows]
        )
    else:
        _print_table(answer)
    if answer.more:
        sys.stderr.write(f"the first {len(answer.rows)} rows; --limit 0 shows all\n")


def _print_table(answer: Answer) -> None:
    """Print aligned columns, numbers to the right, nothing cut off."""
    cells = [["NULL" if cell is None else _text(cell) for cell in row] for row in answer.rows]
    widths = [max(map(len, column)) for column in zip(answer.columns, *cells, strict=True)]
    numeric = [
        any(isinstance(row[i], int | float | Decimal) for row in answer.rows)
        for i in range(len(answer.columns))
    ]
    for line in ([*answer.columns], ["-" * width for width in widths], *cells):
        padded = [
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(line, widths, numeric, strict=True)
        ]
        sys.stdout.write("  ".join(padded).rstrip() + "\n")


def _text(cell: object) -> str:
    if isinstance(cell, bool):
        return str(cell).lower()
    return str(cell) if isinstance(cell, float) else str(_plain(cell))


def _plain(cell: Any) -> Any:
    """``cell`` as JSON can carry it: times in ISO 8601, decimals and huge integers as text."""
    if cell is None or isinstance(cell, bool | str):
        return cell
    if isinstance(cell, int):
        return cell if -(2**63) <= cell < 2**63 else str(cell)
    if isinstance(cell, float):
        return cell if math.isfinite(cell) else None
    if isinstance(cell, date | datetime):
        return cell.isoformat()
    if isinstance(cell, Mapping):
        return {str(key): _plain(value) for key, value in cell.items()}
    if isinstance(cell, list | tuple):
        return [_plain(value) for value in cell]
    return str(cell)
