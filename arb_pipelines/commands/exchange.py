"""The `arb exchange` command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add this topic's commands to ``app``."""
    app.command()(exchange)


def exchange(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 0,
    books: Annotated[
        str, typer.Option(help="generator, VENUE/YYYY-MM-DD of the lake, or a recording file.")
    ] = "generator",
    symbols: Annotated[
        int | None, typer.Option(min=1, max=1300, help="Symbols; 60 generated, else all.")
    ] = None,
    speed: Annotated[
        float, typer.Option(min=0, max=10_000, help="Times the market's pace; 0 by hand.")
    ] = 1.0,
    seed: Annotated[int, typer.Option(min=0, help="Of the generator, and of jitter.")] = 7,
    account: Annotated[
        str | None,
        typer.Option(help="Key, secret and passphrase, joined by colons; made up without it."),
    ] = None,
    balance: Annotated[
        str, typer.Option(help="What the account begins with.")
    ] = "USDT=10000,BTC=1",
    fee_bps: Annotated[
        float, typer.Option(min=0, max=1000, help="Taker's and maker's rate, basis points.")
    ] = 10.0,
    kcs_fees: Annotated[
        bool, typer.Option("--kcs-fees", help="Takers pay fees in KCS, at 0.8, if they have it.")
    ] = False,
    state: Annotated[
        Path | None,
        typer.Option(help="File of accounts, orders and fills: made, or gone on with."),
    ] = None,
    tls: Annotated[
        bool, typer.Option("--tls", help="https and wss, with a certificate made for this run.")
    ] = False,
) -> None:
    """Run a local exchange that speaks KuCoin's protocol, until SIGTERM or Ctrl-C.

    Prints one line of JSON when it is ready: rest, ws, admin, key, secret,
    passphrase, symbols, and certificate with --tls. Listens on 127.0.0.1 only.
    Nothing of value is at stake: the secret is in the open.

    Example: arb exchange --port 8420 --symbols 60 --balance USDT=5000
    """
    from arb_pipelines.research.exchange import Asked, run_exchange

    asked = Asked(
        port, books, symbols, speed, seed, account, balance, fee_bps, kcs_fees, state, tls
    )
    run_exchange(asked, _announce)


def _announce(ready: dict[str, object]) -> None:
    import sys

    from arb_pipelines.commands.output import print_json

    print_json(ready)
    sys.stdout.flush()
