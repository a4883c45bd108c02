"""The `arb kill` command: stop everything that trades, and let it trade again."""

from __future__ import annotations

from typing import Annotated

import typer

from arb_pipelines.commands.output import JsonFlag, print_facts, print_json


def register(app: typer.Typer) -> None:
    """Add this topic's command to ``app``."""
    app.command()(kill)


def kill(
    reason: Annotated[
        str, typer.Option(help="Why; kept in the file that stops them.")
    ] = "no reason given",
    lift: Annotated[
        bool, typer.Option("--lift", help="Take the kill switch back; starts nothing by itself.")
    ] = False,
    json: JsonFlag = False,
) -> None:
    """Stop every session of this ARB_HOME within a second; what is in flight is brought home.

    Nothing begins until it is lifted. SIGUSR1 to a process that trades does the same.

    Example: arb kill --reason "prices look wrong"
    """
    from arb_pipelines.clock import now_ns
    from arb_pipelines.execution import kill_switch
    from arb_pipelines.execution.control.client import person
    from arb_pipelines.execution.limits import KILL_FILE
    from arb_pipelines.research.session_folders import active_sessions
    from arb_pipelines.settings import load_settings

    settings = load_settings()
    file = settings.root / KILL_FILE
    if lift:
        facts = {"lifted": str(file), "said": kill_switch.lift(file)}
    else:
        kill_switch.throw(file, who=person(), reason=reason, now_ns=now_ns())
        active = ", ".join(active_sessions(settings, now_ns())) or "none"
        facts = {"thrown": str(file), "stops": active, "lift it with": "arb kill --lift"}
    if json:
        print_json(facts)
    else:
        print_facts(facts)
