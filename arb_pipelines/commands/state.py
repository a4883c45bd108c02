"""The `arb state` group: what a person does with the engine's state files.

What is in them is shown by `arb monitor`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from arb_pipelines.commands.output import JsonFlag, print_json, print_rows, remarks

if TYPE_CHECKING:
    from pydantic import SecretStr

    from arb_pipelines.execution.state.lease import Lease
    from arb_pipelines.research.state_files import StateFile
    from arb_pipelines.settings import Settings

Of = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="State file, as `arb state list` says; default: the only."),
]


def register(app: typer.Typer) -> None:
    """Add this topic's commands to ``app``."""
    state = typer.Typer(no_args_is_help=True, help="State files of the engine: one an account.")
    for command in (backup, restore, encrypt, decrypt):
        state.command()(command)
    state.command("list")(list_files)
    app.add_typer(state, name="state")


def list_files(json: JsonFlag = False) -> None:
    """List the state files: open cycles, size, and who writes each.

    Example: arb state list
    """
    from arb_pipelines.execution.state.reader import StateReader
    from arb_pipelines.research.state_files import reading_state, state_files

    found, settings = [], _settings()
    for file in state_files(settings):
        with reading_state(file) as connection:
            state = StateReader(connection)
            lease = None if state.lease is None else _holder(state.lease)
            found.append((file.name, len(state.open_cycles()), file.database.size_bytes, lease))
    if not found and not json:
        remarks.print(f"{settings.state}: no state file, so nothing has traded; is ARB_HOME right?")
    if json:
        names = ("name", "open", "bytes", "lease")
        print_json([dict(zip(names, row, strict=True)) for row in found])
    else:
        print_rows(
            ("name", "open cycles", "MiB", "written by"),
            [(name, n, f"{size / 2**20:.1f}", by or "nobody") for name, n, size, by in found],
        )


def backup(
    to: Annotated[Path, typer.Argument(help="File to write; it must not be there.")],
    of: Of = None,
) -> None:
    """Copy a state file as it is now, checked; its engine goes on.

    Example: arb state backup /backups/kucoin-20260105.sqlite
    """
    from arb_pipelines.execution.state.upkeep import back_up

    file = _chosen(_settings(), of)
    back_up(file.database, to)
    remarks.print(f"{file.name} is in {to}")


def restore(
    backup: Annotated[Path, typer.Argument(help="File that `arb state backup` wrote.")],
    of: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="State file to put it in place of; default: the only."),
    ] = None,
) -> None:
    """Put a backup in a state file's place; what was there is set aside.

    No engine may run. What happened since the backup is asked of the venue at the next start.

    Example: arb state restore /backups/kucoin-20260105.sqlite
    Example: arb state restore /backups/kucoin-20260105.sqlite --of kucoin-6b86b273ff34fce1
    """
    from arb_pipelines.execution.state import upkeep
    from arb_pipelines.execution.state.database import Database
    from arb_pipelines.research.state_files import named_state

    settings = _settings()
    path = _chosen(settings, of).database.path if of is None else named_state(settings, of)
    aside = upkeep.restore(Database(path, settings.state_key), backup)
    remarks.print(f"{path} is as in {backup}; what was there is {aside or 'nothing'}")


def encrypt(of: Of = None) -> None:
    """Encrypt a plain state file with ARB_STATE_KEY; no engine may run.

    Example: ARB_STATE_KEY=... arb state encrypt
    """
    from arb_pipelines.execution.state import upkeep

    settings = _settings()
    file = _chosen(settings, of)
    upkeep.encrypt(file.database.path, _key(settings))
    remarks.print(f"{file.name} is encrypted; keep ARB_STATE_KEY, nothing opens it without")


def decrypt(of: Of = None) -> None:
    """Make a state file plain again that ARB_STATE_KEY opens; no engine may run.

    Example: ARB_STATE_KEY=... arb state decrypt
    """
    from arb_pipelines.execution.state import upkeep

    settings = _settings()
    file = _chosen(settings, of)
    upkeep.decrypt(file.database.path, _key(settings))
    remarks.print(f"{file.name} is plain; unset ARB_STATE_KEY to use it")


def _holder(lease: Lease) -> str:
    from arb_pipelines.execution.state.lease import is_gone

    return f"{lease}, which died" if is_gone(lease) else str(lease)


def _settings() -> Settings:
    from arb_pipelines.settings import load_settings

    return load_settings()


def _key(settings: Settings) -> SecretStr:
    from arb_pipelines.errors import ConfigError

    if settings.state_key is None:
        raise ConfigError("is not set; set it to the key", source="ARB_STATE_KEY")
    return settings.state_key


def _chosen(settings: Settings, name: str | None) -> StateFile:
    """Find the state file that is meant."""
    from arb_pipelines.errors import ConfigError
    from arb_pipelines.research.state_files import state_files

    found = {file.name: file for file in state_files(settings)}
    if name is None and len(found) == 1:
        return next(iter(found.values()))
    if name in found:
        return found[name]
    if not found:
        raise ConfigError(
            "has no state file; an engine makes one, and `arb state restore BACKUP --of NAME` puts "
            "a backup there",
            source=str(settings.state),
        )
    wrong = "name a state file by --of" if name is None else f"no state file is named {name}"
    raise ConfigError(f"{wrong}; there is {', '.join(found)}")
