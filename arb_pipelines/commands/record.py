"""The `arb record` command."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from arb_pipelines.commands.output import JsonFlag, print_facts, print_json, remarks
from arb_pipelines.errors import ConfigError

if TYPE_CHECKING:
    from arb_pipelines.research.recording import Recorded

#: Between two lines of progress where they do not overwrite each other, seconds.
_PROGRESS_S = 10.0


def register(app: typer.Typer) -> None:
    """Add this topic's commands to ``app``."""
    app.command()(record)


def record(
    venue: Annotated[str, typer.Option(help="Exchange, lower case, such as kucoin.")],
    symbols: Annotated[
        str | None, typer.Option(help="Symbols: BTC-USDT,ETH-USDT, or as the venue names them.")
    ] = None,
    universe: Annotated[
        bool, typer.Option("--universe", help="All symbols that the venue trades.")
    ] = False,
    minutes: Annotated[
        float | None, typer.Option(min=0.0, help="How long; until stopped without it.")
    ] = None,
    channel: Annotated[
        str | None,
        typer.Option(
            help="KuCoin's level2 (default with a key), depth50 (without), depth5 or level1."
        ),
    ] = None,
    ccxt: Annotated[
        bool, typer.Option("--ccxt", help="Through ccxt also where there is a client of our own.")
    ] = False,
    json: JsonFlag = False,
) -> None:
    """Record a venue's books into the landing folder, from where they are ingested.

    A file an hour; it appears when it is whole, and what a killed recorder left is finished
    by the next one. Ctrl-C or SIGTERM ends it in order. KuCoin is where ARB_KUCOIN_URL says,
    any other venue where ARB_CCXT_URL does: neither has a default.

    Example: arb record --venue kucoin --symbols BTC-USDT,ETH-BTC,ETH-USDT --minutes 60
    """
    from arb_pipelines.research.recorder import Asked, run_recorder
    from arb_pipelines.settings import load_settings

    if universe == (symbols is not None):
        raise ConfigError("give either --symbols A,B or --universe")
    names = None
    if symbols is not None:
        names = tuple(name.strip() for name in symbols.split(",") if name.strip())
    asked = Asked(venue, names, minutes, channel, through_ccxt=ccxt)
    recorded = run_recorder(load_settings(), asked, remark=_remark, on_flush=_progress())
    facts = _facts(recorded) | {"files": [str(path) for path in recorded.files]}
    if json:
        print_json(facts)
    else:
        print_facts(facts | {"files": "\n".join(map(str, recorded.files)) or "none"})


def _remark(text: str) -> None:
    remarks.print(text, highlight=False, markup=False, soft_wrap=True)


def _progress() -> Callable[[Recorded], None]:
    """Tell how far it is: one line that is overwritten, or one line every ten seconds."""
    told = time.monotonic()

    def show(recorded: Recorded) -> None:
        nonlocal told
        in_place, now = remarks.is_terminal, time.monotonic()
        if not in_place and now - told < _PROGRESS_S:
            return
        told = now
        text = ", ".join(f"{value:,} {name}" for name, value in _counts(recorded).items())
        file = recorded.writing.name if recorded.writing else "no file yet"
        line = f"{recorded.venue}: {text} ({file})"
        if in_place:
            remarks.print(line, end="\r", highlight=False, markup=False, no_wrap=True)
        else:
            _remark(line)

    return show


def _counts(recorded: Recorded) -> dict[str, int]:
    return {
        "symbols": recorded.symbols,
        "states": recorded.states,
        "gaps": recorded.gaps,
        "dropped": recorded.dropped,
    }


def _facts(recorded: Recorded) -> dict[str, object]:
    return {"venue": recorded.venue, **_counts(recorded)}
