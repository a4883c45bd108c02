"""The prompt of `arb sql`: statements over several lines, history, errors that end nothing."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from arb_pipelines.errors import ArbError

_HELP = r"End a statement with ;   \d lists the tables, \d NAME describes one, \q leaves."


def run_prompt(run: Callable[[str], None], history: Path) -> None:
    """Read statements until the end of input or ``\\q`` and hand each to ``run``.

    An ``ArbError`` of ``run`` is one line on stderr. Input that is no terminal
    is read without a prompt.
    """
    terminal = sys.stdin.isatty()
    if terminal:
        sys.stderr.write(_HELP + "\n")
    with _history(history) if terminal else contextlib.nullcontext():
        for statement in _statements(terminal):
            try:
                run(statement)
            except ArbError as error:
                sys.stderr.write(f"{' '.join(str(error).split())}\n")
            except KeyboardInterrupt:
                sys.stderr.write("interrupted\n")


def _statements(terminal: bool) -> Iterator[str]:
    r"""Give each statement once its ``;`` has come, and each ``\`` command at once."""
    lines: list[str] = []
    while True:
        try:
            line = input(("lake> " if not lines else "  ...> ") if terminal else "")
        except EOFError:
            break
        except KeyboardInterrupt:
            lines = []
            sys.stderr.write("\n")
            continue
        if not lines and line.strip() == r"\q":
            return
        if not lines and line.strip().startswith("\\"):
            yield line.strip()
            continue
        if line.strip() or lines:
            lines.append(line)
        if line.rstrip().endswith(";"):
            yield "\n".join(lines)
            lines = []
    if lines:
        yield "\n".join(lines)


@contextlib.contextmanager
def _history(path: Path) -> Iterator[None]:
    import readline

    with contextlib.suppress(OSError):
        readline.read_history_file(path)
    try:
        yield
    finally:
        readline.set_history_length(1_000)
        with contextlib.suppress(OSError):  # a read-only home has no history, but has a prompt
            readline.write_history_file(path)
