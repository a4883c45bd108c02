"""The `arb strategy` group: strategies from their files to running them, one or several.

Telling a running one what to do is in ``strategy_control``.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from arb_pipelines.commands.output import JsonFlag, print_facts, print_json, print_rows
from arb_pipelines.commands.session_run import asked_for, run_here

if TYPE_CHECKING:
    from collections.abc import Sequence

    from arb_pipelines.research.session_requests import SessionRequest
    from arb_pipelines.research.strategy_reports import Understood
    from arb_pipelines.settings import Settings

#: Every command of strategies joins this group.
strategy = typer.Typer(no_args_is_help=True, help="Strategies: check them, run them, pause them.")

Files = Annotated[
    list[str],
    typer.Option(help="Strategy file, or a name in the strategies folder; several share."),
]


class LogLevel(StrEnum):
    """From which level on events are logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def register(app: typer.Typer) -> None:
    """Add this topic's commands to ``app``."""
    for command in (run, validate):
        strategy.command()(command)
    app.add_typer(strategy, name="strategy")


def run(
    strategy: Files,
    recover: Annotated[
        bool,
        typer.Option("--recover", help="With --cycles 0: recover what was left, and end."),
    ] = False,
    cycles: Annotated[
        int | None, typer.Option(min=0, help="End after so many executions, each strategy.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Have the venue test orders; place none anywhere.")
    ] = False,
    log_level: Annotated[
        LogLevel | None, typer.Option(help="Default: the setting ARB_LOG_LEVEL.")
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(min=0.001, help="How long; default: until it is stopped.")
    ] = None,
    venue: Annotated[str | None, typer.Option(help="Default: the strategy's exchange.")] = None,
    json: JsonFlag = False,
) -> None:
    """Run strategies here, until SIGTERM, Ctrl-C, their minutes or a limit ends them.

    As `arb session run`: each is a session with a key and a folder of its own. What earlier ones
    left on the account is recovered first, at each start; `--recover --cycles 0` does that alone.
    Strategies without `balances` share evenly what the account has free.

    Example: arb strategy run --strategy strategies/minimal.yaml --cycles 100 --dry-run
    """
    from arb_pipelines import logs
    from arb_pipelines.settings import load_settings

    settings = load_settings()
    if log_level is not None:
        settings = settings.model_copy(update={"log_level": log_level.value})
        logs.configure(settings)
    requests = asked_for(
        settings, strategy, venue=venue, minutes=minutes, cycles=cycles or None, dry_run=dry_run
    )
    if cycles == 0:
        _recover(settings, requests, recover=recover, json=json)
    else:
        run_here(settings, requests, json=json)


def _recover(
    settings: Settings, requests: Sequence[SessionRequest], *, recover: bool, json: bool
) -> None:
    """Bring what was left to its end, and begin nothing; exits with 1 where something stays open.

    Raises:
        ConfigError: that was not asked for.
    """
    from arb_pipelines.errors import ConfigError
    from arb_pipelines.lake.store import Lake
    from arb_pipelines.research.sessions import recover_only

    if not recover:
        raise ConfigError("0 begins nothing; add --recover, or ask for more", source="--cycles")
    found = recover_only(Lake(settings), requests)
    unexplained = {of: f"{by:f}" for of, by in (found.unexplained or {}).items()}
    if json:
        cycles = [{"session": one.session, **one.facts()} for one in found.cycles]
        print_json({"cycles": cycles, "unexplained": unexplained})
    else:
        print_rows(
            ("execution", "session", "state", "outcome", "why"),
            ((one.cycle, one.session, one.state, one.outcome, one.why) for one in found.cycles),
            f"{len(found.cycles)} recovered",
        )
        if unexplained:
            print_facts(unexplained, title="unexplained")
    if unexplained or any(one.unknown or not one.state.terminal for one in found.cycles):
        raise typer.Exit(1)


def validate(
    file: Annotated[str, typer.Argument(help="Strategy file, or a name in the strategies folder.")],
    json: JsonFlag = False,
) -> None:
    """Check a strategy's file, and show what was understood, with defaults filled in.

    Asks no venue: cycles are counted over the markets that the lake has of it, if any. A file
    that is wrong exits with 2 and `file:line: parameter: reason`.

    Example: arb strategy validate strategies/minimal.yaml
    """
    from arb_pipelines.lake.store import Lake
    from arb_pipelines.research.session_requests import strategy_file
    from arb_pipelines.research.strategy_reports import understand
    from arb_pipelines.settings import load_settings
    from arb_pipelines.trading.strategy_fields import as_yaml

    settings = load_settings()
    found = understand(Lake(settings, read_only=True), strategy_file(settings, file))
    if json:
        facts = _facts(found)
        parameters = found.strategy.model_dump(mode="json")
        defaults = [name for name, (_, given) in found.values.items() if not given]
        print_json(facts | {"parameters": parameters, "defaults": defaults})
        return
    print_facts({name: "not known yet" if of is None else of for name, of in _facts(found).items()})
    print_rows(
        ("parameter", "value", ""),
        (
            (name, as_yaml(value), "" if given else "default")
            for name, (value, given) in found.values.items()
        ),
    )


def _facts(found: Understood) -> dict[str, Any]:
    strategy = found.strategy
    return {
        "strategy": strategy.name,
        "exchange": strategy.exchange,
        "mode": str(strategy.mode),
        "start": ", ".join(strategy.start),
        "legs": "{} to {}".format(*strategy.lengths),
        "cycles": found.cycles,
        "symbols": found.symbols,
        "money": "what the account has free" if strategy.balances is None else "its balances",
        "backtest": "needs balances" if strategy.balances is None else "can be run",
        "digest": strategy.digest,
    }
