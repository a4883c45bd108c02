"""The `arb session` commands that ask for a session and look at them; control is in ``session``."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from arb_pipelines.commands.output import (
    JsonFlag,
    print_facts,
    print_json,
    print_lines,
    readable,
    remarks,
)
from arb_pipelines.commands.session import session
from arb_pipelines.trading.session_rules import TradingMode


def register(_app: typer.Typer) -> None:
    """Add this topic's commands to the group of sessions."""
    session.command()(start)
    session.command("list")(list_all)
    session.command()(show)


def start(
    strategy: Annotated[
        str, typer.Option(help="Strategy file, or a name in the strategies folder.")
    ],
    venue: Annotated[str | None, typer.Option(help="Default: the strategy's exchange.")] = None,
    mode: Annotated[
        TradingMode | None, typer.Option(help="paper or live; default: the strategy's.")
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(help="How long it lasts, at most a week; default: until it is stopped."),
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Ask for a session: the sensor `sessions` of a running `arb ui` starts it.

    Live needs `mode: live` in the strategy and ARB_ALLOW_LIVE=yes; --mode paper makes paper
    of either, --mode live changes neither.

    Example: arb session start --strategy demo --venue kucoin --mode paper --minutes 30
    """
    from arb_pipelines.research.request_folder import drop_request
    from arb_pipelines.research.session_requests import new_request
    from arb_pipelines.settings import load_settings

    settings = load_settings()
    request = new_request(settings, strategy, venue=venue, mode=mode, minutes=minutes)
    file = drop_request(settings, request)
    if json:
        print_json({"session": request.key, "request": str(file)})
        return
    print_facts({"session": request.key, "request": file})
    remarks.print("It starts within seconds where `arb ui` runs; see arb session list.")


def list_all(json: JsonFlag = False) -> None:
    """List the sessions that were asked for, that run, and that have ended.

    From requests, heartbeats and the lake; at most 50 of the lake's, newest first. Each with
    when it was last heard of (UTC), the executions it has done, and below it why it ended.

    Example: arb session list --json
    """
    from arb_pipelines.lake.store import Lake
    from arb_pipelines.research.session_lists import list_sessions
    from arb_pipelines.settings import load_settings

    found = list_sessions(Lake(load_settings(), read_only=True))
    if json:
        print_json([asdict(one) for one in found])
        return
    print_lines(
        ("session", "state", "mode", "heard", "done"),
        (
            ((one.session, one.state, one.mode, _second(one.heard), one.executions), one.remark)
            for one in found
        ),
        f"{len(found)} sessions",
    )


def show(
    key: Annotated[str, typer.Argument(help="Key of a session, as arb session list shows it.")],
    json: JsonFlag = False,
) -> None:
    """Show what is known of one session: its request, last heartbeat and figures in the lake.

    Example: arb session show demo-kucoin-20260105T093000Z
    """
    from arb_pipelines.lake.store import Lake
    from arb_pipelines.research.session_lists import show_session
    from arb_pipelines.settings import load_settings

    facts = show_session(Lake(load_settings(), read_only=True), key)
    if json:
        print_json(facts)
    else:
        print_facts(readable(facts))


def _second(time: str | None) -> str | None:
    """Cut ``2026-01-05T09:30:00.123456789Z`` to its second."""
    return None if time is None else f"{time[:10]} {time[11:19]}"
