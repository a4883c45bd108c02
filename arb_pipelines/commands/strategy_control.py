"""The `arb strategy` commands that tell a strategy what to do, by its name.

The session that runs it is asked over its socket. A pause, which outlives sessions, is written
to the state where none runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from arb_pipelines.commands.output import JsonFlag, print_facts, print_json, print_rows, readable
from arb_pipelines.commands.strategy import strategy as group

if TYPE_CHECKING:
    from arb_pipelines.research.strategy_standing import Changed

Name = Annotated[str, typer.Argument(help="Name of a strategy, as its file has it.")]
File = Annotated[
    str, typer.Option("--strategy", help="Strategy file, or a name in the strategies folder.")
]


def register(_app: typer.Typer) -> None:
    """Add this topic's commands to the group of strategies."""
    for command in (pause, resume, standing, stop, replace, add):
        group.command()(command)


def pause(
    name: Name,
    reason: Annotated[str, typer.Option(help="Why, kept with the pause.")] = "by request",
    json: JsonFlag = False,
) -> None:
    """Have a strategy begin nothing, over restarts too, until it is resumed; what runs goes on.

    Example: arb strategy pause minimal --reason "fees are being changed"
    """
    from arb_pipelines.execution.control.client import person
    from arb_pipelines.research.strategy_standing import pause_strategy
    from arb_pipelines.settings import load_settings

    _print_changed(pause_strategy(load_settings(), name, who=person(), reason=reason), json)


def resume(
    name: Name,
    reason: Annotated[str, typer.Option(help="Why it may trade again; kept.")],
    json: JsonFlag = False,
) -> None:
    """End a strategy's pauses, those of breached limits too; who and why is kept.

    Example: arb strategy resume minimal --reason "the feed was down; back since 10:00"
    """
    from arb_pipelines.execution.control.client import person
    from arb_pipelines.research.strategy_standing import resume_strategy
    from arb_pipelines.settings import load_settings

    _print_changed(resume_strategy(load_settings(), name, who=person(), reason=reason), json)


def standing(name: Name, json: JsonFlag = False) -> None:
    """Show how a strategy stands with its limits: pauses, losses, profit, who did what.

    Example: arb strategy standing minimal
    """
    from arb_pipelines.execution.risk.pauses import standing_facts
    from arb_pipelines.research import strategy_standing
    from arb_pipelines.settings import load_settings

    found = strategy_standing.standing(load_settings(), name)
    facts = {file: standing_facts(one) for file, one in found.items()}
    if json:
        print_json(facts)
        return
    for file, told in facts.items():
        changes = told.pop("last")
        print_facts(readable(told), title=file)
        print_rows(
            ("at", "what", "check", "who", "why"),
            ([change[of] for of in ("time", "what", "check", "who", "why")] for change in changes),
            f"\nthe last {len(changes)} changes",
        )


def stop(
    name: Name,
    reason: Annotated[str, typer.Option(help="Reason, for its journal.")] = "by request",
    json: JsonFlag = False,
) -> None:
    """Have a strategy take no more signals, settle what is in flight, and end.

    Example: arb strategy stop minimal --reason "end of the day"
    """
    _print(_ask(name, "stop", reason=reason), json)


def replace(file: File, json: JsonFlag = False) -> None:
    """Put a changed file in the place of the running strategy of its name.

    The new version trades at once, as a session of its own, with what the old one has free; the
    old one takes no more signals and settles what it has in flight, which then comes to the new
    one. Limits go on to count. If the file is wrong, the old one goes on.

    Example: arb strategy replace --strategy strategies/minimal.yaml
    """
    path, name = _file(file)
    _print(_ask(name, "replace", strategy=path), json)


def add(
    file: File,
    to: Annotated[str, typer.Option(help="Name of a strategy that runs on the same account.")],
    json: JsonFlag = False,
) -> None:
    """Have the process of a running strategy run another beside it, on the same account.

    Without `balances` it trades with what no strategy was given.

    Example: arb strategy add --strategy strategies/lightning.yaml --to minimal
    """
    path, _ = _file(file)
    _print(_ask(to, "add", strategy=path), json)


def _file(named: str) -> tuple[str, str]:
    """Give the path of a strategy's file, and the name in it."""
    from arb_pipelines.research.session_requests import strategy_file
    from arb_pipelines.settings import load_settings
    from arb_pipelines.trading.strategy import load_strategy

    path = strategy_file(load_settings(), named)
    return str(path), load_strategy(path).name


def _ask(name: str, op: str, **arguments: object) -> dict[str, Any]:
    """Ask the session that runs a strategy; of two, while one replaces the other, the newer.

    Raises:
        ConfigError: none runs it, or it refuses.
    """
    from arb_pipelines.errors import ConfigError
    from arb_pipelines.execution.control.client import ask
    from arb_pipelines.research.strategy_standing import running_sessions
    from arb_pipelines.settings import load_settings

    settings = load_settings()
    running = running_sessions(settings, name)
    if not running:
        raise ConfigError("no session of it runs; see `arb session list`", source=name)
    key = max(running, key=lambda key: key.rpartition("-")[2])
    return {"asked": key} | ask(settings.sessions / key, op, arguments)


def _print_changed(changed: Sequence[Changed], json: bool) -> None:
    if json:
        print_json([asdict(one) for one in changed])
        return
    print_rows(
        ("told", ""),
        ((one.where, "it runs" if one.running else "no session runs") for one in changed),
    )


def _print(answer: dict[str, Any], json: bool) -> None:
    if json:
        print_json(answer)
    else:
        print_facts(readable(answer))
