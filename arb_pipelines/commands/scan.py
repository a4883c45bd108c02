"""The `arb scan` command."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from arb_pipelines.commands.output import JsonFlag, print_facts, print_json


def register(app: typer.Typer) -> None:
    """Add this topic's commands to ``app``."""

    @app.command()
    def scan(
        venue: Annotated[str, typer.Option(help="Exchange, lower case: kucoin, binance, …")],
        day: Annotated[str, typer.Option(help="UTC day to scan, YYYY-MM-DD.")],
        fee_bps: Annotated[
            float | None,
            typer.Option(help="Taker fee of every leg. Default: each market's own."),
        ] = None,
        max_age_ms: Annotated[
            int,
            typer.Option(
                min=0, max=10**12, help="A book older than this is stale and never signals."
            ),
        ] = 2_000,
        threshold_bps: Annotated[
            float, typer.Option(help="Net edge above which an opportunity lives.")
        ] = 0.0,
        max_length: Annotated[
            int | None,
            typer.Option(
                min=3,
                max=5,
                help="Scan all cycles of up to so many legs of the day's markets instead of the "
                "day's universe.",
            ),
        ] = None,
        json: JsonFlag = False,
    ) -> None:
        """Scan a day's books for opportunities, and store them.

        Counts states, directed cycles and evaluations with a product above 1 before and after
        fees, and keeps each opportunity as one row from first to last sight. A universe that
        is missing is built from the day's markets.

        Example: arb scan --venue binance --day 2025-08-31 --fee-bps 10
        """
        from arb_pipelines.clock import parse_day
        from arb_pipelines.lake.store import Lake
        from arb_pipelines.research.scan import scan_day
        from arb_pipelines.settings import load_settings

        report = scan_day(
            Lake(load_settings()),
            venue,
            parse_day(day),
            fee_bps=fee_bps,
            max_age_ms=max_age_ms,
            threshold_bps=threshold_bps,
            max_length=max_length,
        )
        facts = asdict(report)
        if json:
            print_json(facts)
        else:
            reasons = ", ".join(f"{n:,} {name}" for name, n in report.by_reason.items() if n)
            print_facts(facts | {"by_reason": reasons}, title=f"{venue}, {day}")
