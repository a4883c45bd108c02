"""The `arb universe` command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from arb_pipelines.commands.output import JsonFlag, print_facts, print_json, remarks
from arb_pipelines.errors import ConfigError


def register(app: typer.Typer) -> None:
    """Add this topic's commands to ``app``."""

    @app.command()
    def universe(
        venue: Annotated[str, typer.Option(help="binance, kraken, kucoin or okx.")],
        symbols: Annotated[
            Path | None,
            typer.Option(
                help="Symbol list in the venue's own JSON, plain or gzip. Default: the lake's "
                "markets of --day."
            ),
        ] = None,
        day: Annotated[
            str | None,
            typer.Option(help="UTC day to store for. Without it nothing is stored."),
        ] = None,
        start: Annotated[
            str,
            typer.Option(
                help="Start currencies, such as USDT,BTC: only cycles through one of them, each "
                "beginning at the first it contains. 'any': each directed cycle once."
            ),
        ] = "any",
        min_length: Annotated[int, typer.Option(min=3, max=5, help="Fewest legs.")] = 3,
        max_length: Annotated[int, typer.Option(min=3, max=5, help="Most legs.")] = 3,
        json: JsonFlag = False,
    ) -> None:
        """Find the directed cycles of a venue's symbols, and store them for a day.

        Counts trading symbols, their currencies, and cycles by length. With --symbols and --day
        the list becomes the day's markets, and the cycles its universe. With --day alone the
        universe is built anew from the markets in the lake. With --symbols alone nothing is
        stored. ARB_MAX_CYCLES bounds how many cycles are taken on (10,000,000).

        Example: arb universe --venue kucoin --symbols symbols.json --start USDT,BTC --max-length 4
        """
        from arb_pipelines.clock import parse_day
        from arb_pipelines.lake.markets import store_markets
        from arb_pipelines.lake.store import Lake
        from arb_pipelines.research.universe import build_universe, survey_universe
        from arb_pipelines.settings import load_settings
        from arb_pipelines.venues.symbol_lists import read_symbol_list

        if symbols is None and day is None:
            raise ConfigError("give --symbols FILE, or --day D of markets in the lake, or both")
        settings = load_settings()
        on = None if day is None else parse_day(day)
        wanted = _start_currencies(start)
        markets = [] if symbols is None else read_symbol_list(symbols, venue)
        if on is None:
            _, report = survey_universe(
                markets,
                start=wanted,
                min_length=min_length,
                max_length=max_length,
                limit=settings.max_cycles,
            )
        else:
            lake = Lake(settings)
            if markets:
                store_markets(lake, venue, on, markets, list_day=on)
            report = build_universe(
                lake, venue, on, start=wanted, min_length=min_length, max_length=max_length
            )
        if report.unknown_start:
            remarks.print(f"nothing trades {', '.join(report.unknown_start)}", style="yellow")
        cycles = {str(n): count for n, count in report.directed_cycles.items()}
        routes = {str(n): count for n, count in report.routes.items()}
        counts = {"symbols": report.symbols, "currencies": report.currencies}
        facts = {
            "halted": report.halted,
            "start": "any" if report.start is None else list(report.start),
            "venue": venue,
            "day": day,
        }
        if json:
            print_json(counts | {"directed_cycles": cycles, "routes": routes} | facts)
        else:
            by_length = {f"cycles of {n} legs": f"{cycles[n]} ({routes[n]} routes)" for n in cycles}
            print_facts(counts | by_length | facts)


def _start_currencies(text: str) -> tuple[str, ...] | None:
    if text == "any":
        return None
    names = tuple(name.strip() for name in text.split(","))
    if not all(names):
        raise ConfigError(f"--start {text!r} is not a list of currencies such as USDT,BTC, nor any")
    return names
