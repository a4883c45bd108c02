"""The `arb agreement` command: whether a session and a backtest say the same."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from arb_pipelines.commands.output import JsonFlag, print_facts, print_json, print_rows

if TYPE_CHECKING:
    from arb_pipelines.research.agreement import Agreement

_SHOWN = 20


def register(app: typer.Typer) -> None:
    """Add this topic's commands to ``app``."""
    app.command()(agreement)


def agreement(
    strategy: Annotated[
        str, typer.Option(help="Strategy file, or a name in the strategies folder.")
    ],
    venue: Annotated[str | None, typer.Option(help="Default: the strategy's exchange.")] = None,
    seconds: Annotated[float, typer.Option(min=0.1, help="How long a session trades freely.")] = 60,
    states: Annotated[
        int | None,
        typer.Option(min=1, help="Instead: so many states in lock step, of --books."),
    ] = None,
    books: Annotated[
        str, typer.Option(help="What the exchange plays by hand, as in its own --books.")
    ] = "generator",
    symbols: Annotated[int | None, typer.Option(min=1, help="As the exchange's.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="As the exchange's.")] = 7,
    json: JsonFlag = False,
) -> None:
    """Trade on paper at a local exchange, then give the backtest the same books, and compare.

    The backtest gets the books as the session received them and the session's own delays.
    Freely, books and orders race as they do on any venue, and each difference is told with
    its reason; in lock step (the exchange plays with --speed 0) nothing should differ.

    Example: arb agreement --strategy strategies/demo.yaml --venue kucoin --seconds 30
    """
    import asyncio

    from arb_pipelines.lake.store import Lake
    from arb_pipelines.research.agreement import expect_takers, trade_again
    from arb_pipelines.research.exchange_books import open_books
    from arb_pipelines.research.lock_step import play
    from arb_pipelines.research.session_requests import strategy_file
    from arb_pipelines.research.watched_session import observe
    from arb_pipelines.settings import load_settings
    from arb_pipelines.trading.strategy import load_strategy

    settings = load_settings()
    trader = load_strategy(strategy_file(settings, strategy), for_backtest=True)
    if venue is not None:
        trader = trader.model_copy(update={"exchange": venue})
    expect_takers(trader)
    if states is None:
        observed = asyncio.run(observe(settings, trader, seconds=seconds))
    else:
        played = open_books(books, Lake(settings), n_symbols=symbols, seed=seed).states
        observed = asyncio.run(play(settings, trader, played, count=states))
    found = trade_again(trader, observed, max_cycles=settings.max_cycles)
    if json:
        print_json(_document(found))
    else:
        _print(found)


def _document(found: Agreement) -> dict[str, object]:
    return {
        "complete": found.complete,
        "counts": {str(what): asdict(count) for what, count in found.counts.items()},
        "reasons": {why.name.lower(): n for why, n in found.reasons().items()},
        "differences": [asdict(difference) for difference in found.differences],
    }


def _print(found: Agreement) -> None:
    rows = ((what, c.session, c.backtest, c.equal) for what, c in found.counts.items())
    print_rows(("", "session", "backtest", "equal"), rows)
    if found.complete:
        print_facts({"differences": "none"})
        return
    print_facts({str(why): n for why, n in found.reasons().items()}, title="differences")
    for difference in found.differences[:_SHOWN]:
        typer.echo(str(difference))
    if len(found.differences) > _SHOWN:
        typer.echo(f"and {len(found.differences) - _SHOWN} more: see --json")
