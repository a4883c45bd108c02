"""The `arb session run` command: one session in the foreground."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from arb_pipelines.commands.output import JsonFlag, print_facts, print_json, readable, remarks
from arb_pipelines.commands.session import session
from arb_pipelines.trading.session_rules import TradingMode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from arb_pipelines.research.sessions import SessionProgress, SessionRequest
    from arb_pipelines.settings import Settings

#: Something is left for a person to look at.
_FAILED = 1


def register(_app: typer.Typer) -> None:
    """Add this topic's command to the group of sessions."""
    session.command()(run)


def run(
    strategy: Annotated[
        list[str],
        typer.Option(help="Strategy file, or a name in the strategies folder; several share."),
    ],
    venue: Annotated[str | None, typer.Option(help="Default: the strategy's exchange.")] = None,
    mode: Annotated[
        TradingMode | None, typer.Option(help="paper or live; default: the strategy's.")
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(min=0.001, help="How long; default: until it is stopped.")
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Run a session here, until SIGTERM, Ctrl-C, its minutes or a limit ends it.

    Orders reach a market only on an exchange of this machine, or with `mode: live` in the
    strategy and ARB_ALLOW_LIVE=yes. Keys and addresses are settings (ARB_KUCOIN_...). Several
    strategies become sessions of their own that share connection and account; --json then
    prints a list.

    Example: arb session run --strategy strategies/demo.yaml --venue kucoin --minutes 5
    """
    from arb_pipelines.settings import load_settings

    settings = load_settings()
    requests = asked_for(settings, strategy, venue=venue, mode=mode, minutes=minutes)
    run_here(settings, requests, json=json)


def asked_for(
    settings: Settings,
    strategies: Sequence[str],
    *,
    venue: str | None = None,
    mode: TradingMode | None = None,
    minutes: float | None = None,
    cycles: int | None = None,
    dry_run: bool = False,
) -> list[SessionRequest]:
    """Make the requests of sessions that are to run here, one a strategy."""
    from arb_pipelines.clock import now_ns
    from arb_pipelines.research.session_requests import SessionRequest, session_key, strategy_file
    from arb_pipelines.trading.strategy import load_strategy

    asked, requests = now_ns(), []
    for named in strategies:
        file = strategy_file(settings, named)
        trader = load_strategy(file)
        key = session_key(trader.name, venue or trader.exchange, asked)
        requests.append(
            SessionRequest(key, file, venue, mode, minutes, asked, cycles=cycles, dry_run=dry_run)
        )
    return requests


def run_here(settings: Settings, requests: Sequence[SessionRequest], *, json: bool) -> None:
    """Host sessions in this process to their end, print what came of them, and exit by it."""
    from arb_pipelines.errors import ConfigError
    from arb_pipelines.execution.records.values import SessionState
    from arb_pipelines.lake.store import Lake
    from arb_pipelines.research.request_folder import begin_session, refuse_sessions
    from arb_pipelines.research.sessions import run_sessions

    for request in requests:
        begin_session(settings, request)
        remarks.print(f"{request.key}: stop it with Ctrl-C, or arb session stop {request.key}")
    try:
        summaries = run_sessions(Lake(settings), requests, on_flush=_tell)
    except ConfigError as error:
        refuse_sessions(settings, requests, str(error))
        raise
    documents = [summary.document() for summary in summaries]
    if json:
        print_json(documents[0] if len(documents) == 1 else documents)
    else:
        for document in documents:
            facts = document | document.pop("counts")
            print_facts(readable(facts), title=document["session"])
    if any(summary.unwritten for summary in summaries):
        # the thread that writes to the lake hangs in it, and would keep the process from ending
        sys.stdout.flush()
        os._exit(_FAILED)
    if any(one.state is SessionState.FAILED or one.in_flight for one in summaries):
        raise typer.Exit(_FAILED)


def _tell(progress: SessionProgress) -> None:
    counts = progress.counts
    ended = sum(counts.executions.values())
    profit = ", ".join(f"{amount:+.6f} {of}" for of, amount in progress.profit.items())
    refused = max(counts.refused.items(), key=lambda one: one[1], default=None)
    why = "" if refused is None else ", most refused as {} ({})".format(*refused)
    remarks.print(
        f"{progress.session}: {counts.signals} signals{why}, {ended} executions, "
        f"{profit or 'no profit'}"
    )
