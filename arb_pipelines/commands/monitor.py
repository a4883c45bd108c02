"""The `arb monitor` command: what the engines are doing, did, and may forget.

Reads the state files of all accounts while their engines write; only `--cleanup` changes
them.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from arb_pipelines.commands.output import JsonFlag, print_json, remarks

if TYPE_CHECKING:
    from rich.console import RenderableType

    from arb_pipelines.research.state_files import StateFile

#: Ended cycles below the open ones on `--watch`.
_ENDED_SHOWN = 10


def register(app: typer.Typer) -> None:
    """Add this topic's command to ``app``."""
    app.command()(monitor)


def monitor(
    active: Annotated[
        bool, typer.Option("--active", help="List the cycles that have not ended. The default.")
    ] = False,
    history: Annotated[
        int | None,
        typer.Option(min=1, max=100_000, metavar="N", help="List the last N that ended."),
    ] = None,
    details: Annotated[
        str | None,
        typer.Option(metavar="ID", help="Show one whole, by its id or one of its orders'."),
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Keep the table up to date until Ctrl-C.")
    ] = False,
    every: Annotated[
        float, typer.Option(min=0.1, max=3600, metavar="S", help="How often --watch looks.")
    ] = 1.0,
    cleanup: Annotated[
        float | None,
        typer.Option(
            min=0, metavar="DAYS", help="Remove cycles that ended longer ago and are in the lake."
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Clean up without asking.")] = False,
    venue: Annotated[str | None, typer.Option(help="Only its accounts; default: all.")] = None,
    json: JsonFlag = False,
) -> None:
    """Show the cycles of every engine: open, ended, or one with its whole history.

    Looking never disturbs an engine that trades. --json gives exact amounts as text, times
    in ns since the epoch.

    Example: arb monitor --watch
    Example: arb monitor --details 3fa94c1b20e7-118
    Example: arb monitor --cleanup 30
    """
    from arb_pipelines.research.state_files import state_files
    from arb_pipelines.settings import load_settings

    asked = [active, history is not None, details is not None, cleanup is not None]
    if sum(asked) > 1 or (watch and (details is not None or cleanup is not None)):
        raise typer.BadParameter("ask for one of --active, --history, --details and --cleanup")
    settings = load_settings()
    files = state_files(settings, venue)
    if not files and not json:
        at = "" if venue is None else f" of {venue}"
        remarks.print(
            f"{settings.state}: no state file{at}, so nothing has traded; is ARB_HOME right?"
        )
    if cleanup is not None:
        _clean_up(files, cleanup, yes=yes, json=json)
    elif details is not None:
        _show_history(files, details, json=json)
    elif json:
        _print_document(files, history)
    elif watch and sys.stdout.isatty():
        _keep_showing(lambda: _table(files, history, both=not active), every)
    else:
        _print(_table(files, history, both=watch and not active))


def _show_history(files: list[StateFile], name: str, *, json: bool) -> None:
    from arb_pipelines.clock import now_ns
    from arb_pipelines.commands.monitor_views import history_document, show_history
    from arb_pipelines.research.state_reports import history_of

    found = history_of(files, name)
    if json:
        print_json(history_document(found))
    else:
        show_history(found, now_ns())


def _clean_up(files: list[StateFile], days: float, *, yes: bool, json: bool) -> None:
    from arb_pipelines.clock import now_ns
    from arb_pipelines.commands.output import print_rows
    from arb_pipelines.lake.store import Lake
    from arb_pipelines.research.state_cleanup import carry_out, plan_cleanup
    from arb_pipelines.settings import load_settings

    lake = Lake(load_settings(), read_only=True)
    plans = plan_cleanup(lake, files, days, now_ns())
    going, staying = sum(len(plan.go) for plan in plans), sum(len(plan.stay) for plan in plans)
    if staying:
        remarks.print(
            f"{staying} stay: the lake does not have them as they stand now; materialise the "
            "asset strategy_cycles for their days, or start a session"
        )
    if going and not yes:
        typer.confirm(f"Remove {going} cycles that ended over {days:g} days ago?", abort=True)
    rows = [(plan.file.name, carry_out(plan), len(plan.stay)) for plan in plans]
    if json:
        print_json([dict(zip(("account", "removed", "stay"), row, strict=True)) for row in rows])
    else:
        print_rows(("account", "removed", "stay"), rows)


def _print_document(files: list[StateFile], history: int | None) -> None:
    from arb_pipelines.commands.monitor_views import glance_document
    from arb_pipelines.research.state_reports import ended_cycles, open_cycles

    found = open_cycles(files) if history is None else ended_cycles(files, history)
    print_json([glance_document(one) for one in found])


def _table(files: list[StateFile], history: int | None, *, both: bool) -> RenderableType:
    """What is asked for now; with ``both`` the last that ended below the open ones."""
    from rich.console import Group

    from arb_pipelines.clock import now_ns
    from arb_pipelines.commands.monitor_views import accounts_table, ended_table, open_table
    from arb_pipelines.research.state_reports import account_glances, ended_cycles, open_cycles

    if history is not None:
        return ended_table(ended_cycles(files, history))
    now = now_ns()
    accounts = accounts_table(account_glances(files, now))
    parts: list[RenderableType] = [accounts, "", open_table(open_cycles(files), now)]
    if both:
        parts += ["", ended_table(ended_cycles(files, _ENDED_SHOWN))]
    return Group(*parts)


def _print(view: RenderableType) -> None:
    from rich.console import Console

    Console(highlight=False, markup=False).print(view)


def _keep_showing(look: Callable[[], RenderableType], every_s: float) -> None:
    """Redraw in place until Ctrl-C, which is how this ends."""
    from rich.console import Console
    from rich.live import Live

    with Live(look(), console=Console(highlight=False), auto_refresh=False) as live:
        try:
            while True:
                live.refresh()
                time.sleep(every_s)
                live.update(look())
        except KeyboardInterrupt:
            return
