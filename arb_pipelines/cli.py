"""The `arb` command line.

Composes the commands and turns errors into exit codes: 0 for success, 2 with
one line on stderr for bad input or usage. The commands live in ``commands/``.
"""

from __future__ import annotations

import errno
import sys
from importlib import import_module

import typer
from typer.exceptions import TyperException

from arb_pipelines.errors import ArbError

#: One module a topic, in the order of `arb --help`.
TOPICS = (
    "demo",
    "generate",
    "exchange",
    "download",
    "record",
    "ingest",
    "universe",
    "scan",
    "backtest",
    "optimize",
    "allocate",
    "containers",
    "stealing",
    "session",
    "session_requests",
    "session_run",
    "kill",
    "strategy",
    "strategy_control",
    "agreement",
    "monitor",
    "state",
    "models",
    "sql",
    "lake",
)

app = typer.Typer(
    name="arb",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def _root() -> None:
    """Find, prove and run cycle arbitrage. Everything local lies in ARB_HOME (default .arb)."""


for _topic in TOPICS:
    import_module(f"arb_pipelines.commands.{_topic}").register(app)


def main(arguments: list[str] | None = None) -> None:
    """Run one command and exit with its code."""
    from arb_pipelines import logs
    from arb_pipelines.settings import load_settings

    try:
        logs.configure(load_settings())
        logs.warn_of_unknown_names()
        code = app(arguments, standalone_mode=False)
    except (typer.Abort, KeyboardInterrupt):
        code = 130
    except TyperException as error:
        command = getattr(getattr(error, "ctx", None), "command_path", "arb")
        sys.stderr.write(f"{command}: {_one_line(error.format_message())} (see {command} --help)\n")
        code = 2
    except ArbError as error:
        sys.stderr.write(f"arb: {_one_line(str(error))}\n")
        code = 2
    except OSError as error:
        if error.errno is None:  # raised by code, not by the system: a bug
            raise
        sys.stderr.write(f"arb: {_one_line(_system_error(error))}\n")
        code = 2
    except Exception as error:  # the process's edge
        if not _interrupted(error):
            raise
        code = 130
    sys.exit(code if isinstance(code, int) else 0)


def _interrupted(error: BaseException) -> bool:
    """Whether Ctrl-C is behind ``error``: DuckDB raises its own error in its place."""
    cause = error.__cause__ or error.__context__
    return isinstance(error, KeyboardInterrupt) or (cause is not None and _interrupted(cause))


def _system_error(error: OSError) -> str:
    """Say what the system refused, where, and what to do about it."""
    where = f"{error.filename}: " if error.filename is not None else ""
    reason = error.strerror or str(error)
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return f"{where}{reason}; free some space, or set ARB_HOME to a larger disk"
    return f"{where}{reason}; check the path and its permissions, and ARB_HOME"


def _one_line(text: str) -> str:
    return " ".join(text.split())


if __name__ == "__main__":
    main()
