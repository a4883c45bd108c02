"""The `arb` command line.

Composes the commands and turns errors into exit codes: 0 for success, 2 with
one line on stderr for bad input or usage. The commands live in ``commands/``.
"""

from __future__ import annotations

import sys
from importlib import import_module

import click
import typer

from arb_pipelines.errors import ArbError

#: One module a topic, in the order of `arb --help`.
TOPICS = ("demo", "generate", "download", "ingest", "universe", "scan", "backtest", "sql", "lake")

app = typer.Typer(
    name="arb",
    help="Find, prove and run cycle arbitrage. Everything local lies in ARB_HOME (default .arb).",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _topic in TOPICS:
    import_module(f"arb_pipelines.commands.{_topic}").register(app)


def main(arguments: list[str] | None = None) -> None:
    """Run one command and exit with its code."""
    from arb_pipelines import logs
    from arb_pipelines.settings import load_settings

    try:
        logs.configure(load_settings())
        code = app(arguments, standalone_mode=False)
    except click.exceptions.Abort:
        code = 130
    except click.ClickException as error:
        usage = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "arb"
        sys.stderr.write(f"{usage}: {error.format_message()} (see {usage} --help)\n")
        code = 2
    except ArbError as error:
        sys.stderr.write(f"arb: {' '.join(str(error).split())}\n")
        code = 2
    sys.exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    main()
