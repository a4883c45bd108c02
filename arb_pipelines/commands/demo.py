"""The `arb demo` and `arb ui` commands: the main job on generated books, and Dagster on it."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Annotated

import typer

from arb_pipelines.commands.output import JsonFlag, print_facts, print_json, remarks


def register(app: typer.Typer) -> None:
    """Add this topic's commands to ``app``."""
    app.command()(demo)
    app.command()(ui)


def demo(
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same market.")] = 7,
    symbols: Annotated[int, typer.Option(min=3, max=1300, help="Symbols of the venue.")] = 60,
    minutes: Annotated[float, typer.Option(help="Market time a day, of two days.")] = 10.0,
    as_json: JsonFlag = False,
) -> None:
    """Run the main job on generated books: books, cycles, opportunities, backtests.

    Example: arb demo --symbols 60 --minutes 10
    """
    from arb_pipelines.headless import run_job
    from arb_pipelines.lake.store import Lake
    from arb_pipelines.research.demo import DAYS, VENUE, demo_result
    from arb_pipelines.research.strategies import load_strategies
    from arb_pipelines.settings import load_settings

    started, settings = time.monotonic(), load_settings()
    made = _land(seed, symbols, minutes)
    strategies, broken = load_strategies(settings.strategies)
    for error in broken:
        remarks.print(f"left out: {error}")
    if not any(strategy.exchange == VENUE for strategy in strategies.values()):
        remarks.print(f"no strategy of {settings.strategies.absolute()} trades on {VENUE}")
    jobs = [("research", "venue", VENUE)]
    jobs += [
        ("backtest", "strategy", name)
        for name, strategy in strategies.items()
        if strategy.exchange == VENUE and strategy.balances is not None
    ]
    warnings: list[str] = []
    for job, dimension, owner in jobs:
        remarks.print(f"{job} of {owner}, {DAYS[0]} to {DAYS[-1]}")
        run = run_job(
            settings,
            job,
            dynamic={dimension: [owner]},
            first=f"{DAYS[0]}|{owner}",
            last=f"{DAYS[-1]}|{owner}",
            on_step=lambda name, seconds: remarks.print(f"  {name:<32} {seconds:6.1f} s"),
        )
        warnings += run.warnings
    result = demo_result(Lake(settings, read_only=True))
    facts = asdict(result) | {
        "planted": made,
        "warnings": warnings,
        "seconds": round(time.monotonic() - started, 1),
        "tables": str(settings.root / "catalog.sqlite"),
    }
    if as_json:
        print_json(facts)
        return
    net = ", ".join(f"{value:+,.2f} ({name})" for name, value in result.net_profit.items())
    print_facts(
        {
            "books": f"{result.books:,} states of {symbols} symbols on {len(DAYS)} days",
            "cycles": f"{result.cycles:,} directed triangles",
            "opportunities": f"{result.opportunities:,} ({made} dislocations were planted)",
            "trades": f"{result.trades:,}",
            "net result": net or "none",
            "fees": "; ".join(
                f"{name}: {'as listed' if strategy.fee_bps is None else strategy.fee_bps} bps a leg"
                for name, strategy in strategies.items()
                if strategy.exchange == VENUE
            ),
            "checks that warn": ", ".join(warnings) or "none",
            "tables": f'arb sql "SELECT * FROM opportunities" (in {settings.root})',
            "look around": "make ui, then http://127.0.0.1:3000",
            "took": f"{facts['seconds']} s",
        },
        title="demo: a generated market, not a real one",
    )


def ui(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port on 127.0.0.1.")] = 3000,
) -> None:
    """Open Dagster on this home: webserver and daemon, on 127.0.0.1 only, until Ctrl-C.

    Example: arb ui --port 3000
    """
    from arb_pipelines.serving import Services, serve
    from arb_pipelines.settings import load_settings

    def announce(services: Services) -> None:
        remarks.print(f"Dagster is on {services.address} (Ctrl-C ends it; log: {services.log})")

    remarks.print("starting Dagster ...")
    serve(load_settings(), port=port, announce=announce)
    remarks.print("stopped")


def _land(seed: int, symbols: int, minutes: float) -> int:
    """Generate the market under a progress bar; return how many dislocations were planted."""
    from rich.progress import Progress

    from arb_pipelines.research.demo import land_demo_market
    from arb_pipelines.settings import load_settings

    with Progress(console=remarks, transient=True) as bar:
        task = bar.add_task("generating books", total=None)
        made = land_demo_market(
            load_settings(),
            seed=seed,
            symbols=symbols,
            minutes=minutes,
            progress=lambda states: bar.update(task, advance=states),
        )
    remarks.print(f"generated {made.states:,} book states of {made.symbols} symbols")
    return made.planted
