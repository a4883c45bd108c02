"""The `arb backtest` command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from arb_pipelines.commands.output import JsonFlag, print_facts, print_json, print_rows, remarks


def register(app: typer.Typer) -> None:
    """Add this topic's commands to ``app``."""

    @app.command()
    def backtest(
        strategy: Annotated[Path, typer.Option(help="Strategy file (YAML).")],
        days: Annotated[str, typer.Option(help="UTC day D, or inclusive range D..D.")],
        venue: Annotated[
            str | None, typer.Option(help="Trade this venue's books instead of the strategy's.")
        ] = None,
        workers: Annotated[
            int, typer.Option(min=1, help="Days replayed at once. Results do not depend on it.")
        ] = 1,
        engine: Annotated[
            Literal["kernel", "reference"],
            typer.Option(help="The fast engine, or the readable one; they agree to the last bit."),
        ] = "kernel",
        snapshot: Annotated[
            int | None,
            typer.Option(help="Read the lake as of this snapshot: repeats an earlier run."),
        ] = None,
        json: JsonFlag = False,
    ) -> None:
        """Replay recorded books through a strategy, and store trades, legs and a summary a day.

        Replaces backtest_trades, backtest_legs and backtest_summaries of the strategy and the
        days. Days without books are named. The digest is equal for equal books, strategy, seed
        and snapshot. What a strategy file may say is in arb_pipelines/trading/parameters.py.

        Example: arb backtest --strategy strategies/demo.yaml --days 2025-01-01..2025-01-02
        """
        from arb_pipelines.clock import parse_days
        from arb_pipelines.lake.store import Lake
        from arb_pipelines.research.backtest_ranges import describe, run_backtests
        from arb_pipelines.settings import load_settings
        from arb_pipelines.trading.strategy import load_strategy

        chosen = load_strategy(strategy, for_backtest=True)
        if venue is not None:
            chosen = chosen.model_copy(update={"exchange": venue})
        wanted = parse_days(days)
        with remarks.status(f"replaying {days} ...") as status:
            report = run_backtests(
                Lake(load_settings()),
                chosen,
                wanted,
                workers=workers,
                snapshot=snapshot,
                engine=engine,
                progress=lambda day: status.update(f"replayed {day}"),
            )
        for day in report.without_books:
            remarks.print(f"{day}: no books of {chosen.exchange}, left out", style="yellow")
        document = describe(report)
        if json:
            print_json(document)
        else:
            _print(document)


def _print(document: dict[str, Any]) -> None:
    attribution = document.pop("attribution")
    refused = {reason: count for reason, count in document.pop("refused").items() if count}
    print_facts({name: _text(value) for name, value in (document | {"refused": refused}).items()})
    parts = next(iter(attribution.values()))
    print_rows(
        ("start currency", *(part.replace("_", " ") for part in parts)),
        ([currency, *map(_text, own.values())] for currency, own in attribution.items()),
        title="From expected to net profit",
    )


def _text(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_text(part)}" for name, part in value.items()) or "none"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, float):
        return f"{value:.6g}"
    return "unknown" if value is None else str(value)
