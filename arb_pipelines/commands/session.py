"""The `arb session` group: what a person does with live and paper sessions.

Here is the control of a running one, over its socket; asking for one and looking at them is
in ``session_requests``, running one here and now in ``session_run``.
"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from arb_pipelines.commands.output import JsonFlag, print_facts, print_json, print_rows, readable

#: Every command of sessions joins this group.
session = typer.Typer(no_args_is_help=True, help="Live and paper sessions.")

Key = Annotated[str, typer.Argument(help="Key of a session that runs, as `arb session list` says.")]
Why = Annotated[str | None, typer.Option(help="Reason, for its journal.")]


def register(app: typer.Typer) -> None:
    """Add this topic's commands to ``app``."""
    for command in (pause, resume, cancel, slots, reports, config, uptime, health, stop):
        session.command()(command)
    session.command("in-flight")(in_flight)
    app.add_typer(session, name="session")


def pause(key: Key, reason: Why = None, json: JsonFlag = False) -> None:
    """Have a session begin nothing new; what is in flight goes on.

    Example: arb session pause demo-kucoin-20260105T093000Z --reason "venue maintenance"
    """
    _print(_ask(key, "pause", reason=reason), json)


def resume(key: Key, reason: Why = None, json: JsonFlag = False) -> None:
    """Have a paused session take signals again; a pause by a risk limit needs a reason.

    Example: arb session resume demo-kucoin-20260105T093000Z --reason "fees were wrong, now fixed"
    """
    from arb_pipelines.execution.control.client import person

    _print(_ask(key, "resume", reason=reason, who=person()), json)


def cancel(
    key: Key,
    execution: Annotated[
        int | None, typer.Option(min=0, help="Its number; default: all in flight.")
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Bring what is in flight back to the start currency between its legs.

    Example: arb session cancel demo-kucoin-20260105T093000Z --execution 12
    """
    _print(_ask(key, "cancel", execution=execution), json)


def slots(
    key: Key,
    number: Annotated[
        int | None,
        typer.Argument(min=0, max=64, help="Most executions in flight; default: show them."),
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Show how many executions may be in flight, or bound them below the strategy's slots.

    Example: arb session slots demo-kucoin-20260105T093000Z 1
    """
    _print(_ask(key, "slots", slots=number), json)


def in_flight(key: Key, json: JsonFlag = False) -> None:
    """List the executions under way, with the legs that have ended and the orders that are out.

    Example: arb session in-flight demo-kucoin-20260105T093000Z --json
    """
    answer = _ask(key, "in_flight")
    if json:
        print_json(answer)
        return
    flights = answer["in_flight"]
    print_rows(
        ("execution", "path", "legs ended", "orders out", "cancelled", "sender's id"),
        (
            (
                flight["execution"],
                flight["path"],
                len(flight["legs"]),
                " ".join(flight["out"]),
                "yes" if flight["cancelled"] else "",
                flight["correlation_id"] or "",
            )
            for flight in flights
        ),
        f"{len(flights)} in flight",
    )


def reports(
    key: Key,
    last: Annotated[int, typer.Option(min=1, max=1_000, help="How many.")] = 20,
    json: JsonFlag = False,
) -> None:
    """List the last executions that ended, newest first; --json has their legs and ledger.

    Example: arb session reports demo-kucoin-20260105T093000Z --last 5
    """
    answer = _ask(key, "reports", last=last)
    if json:
        print_json(answer)
        return
    print_rows(
        ("execution", "status", "path", "predicted bps", "effective bps", "profit", "ms"),
        (
            (
                report["execution"],
                report["status"],
                report["path"],
                _number(report["predicted_bps"]),
                _number(report["effective_bps"]),
                _number(report["profit"]),
                _number(report["from_signal_ms"]),
            )
            for report in answer["reports"]
        ),
    )


def config(key: Key, json: JsonFlag = False) -> None:
    """Show what a session runs with; it knows of no secret.

    Example: arb session config demo-kucoin-20260105T093000Z --json
    """
    answer = _ask(key, "config")["config"]
    if not json:  # side by side, what the session is before what its file says
        strategy = answer.pop("strategy")
        answer |= {name: strategy[name] for name in strategy if name not in {"session", "mode"}}
        answer |= strategy["session"]
    _print(answer, json)


def uptime(key: Key, json: JsonFlag = False) -> None:
    """Show since when a session runs.

    Example: arb session uptime demo-kucoin-20260105T093000Z
    """
    _print(_ask(key, "uptime"), json)


def health(key: Key, json: JsonFlag = False) -> None:
    """Show the state of a session, its counts, and the signals from outside by refusal.

    What was done about its limits is listed by `arb strategy standing`, and here by --json.

    Example: arb session health demo-kucoin-20260105T093000Z
    """
    answer = _ask(key, "health")
    if not json:
        (answer["risk"] or {}).pop("last", None)
    _print(answer, json)


def stop(key: Key, reason: Why = None, json: JsonFlag = False) -> None:
    """Have a session take no more signals, settle what is in flight, and end.

    Example: arb session stop demo-kucoin-20260105T093000Z --reason "end of the day"
    """
    _print(_ask(key, "stop", reason=reason), json)


def _ask(key: str, op: str, **arguments: object) -> dict[str, Any]:
    from arb_pipelines.execution.control.client import ask
    from arb_pipelines.research.session_requests import checked_key
    from arb_pipelines.settings import load_settings

    given = {name: value for name, value in arguments.items() if value is not None}
    return ask(load_settings().sessions / checked_key(key), op, given)


def _print(answer: dict[str, Any], json: bool) -> None:
    if json:
        print_json(answer)
    else:
        print_facts(readable(answer))


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.6g}"
