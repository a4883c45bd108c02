"""The kill switch: a file that stops every session of an installation, and how it is thrown.

Whoever throws it, by command, by signal or by hand, makes the same file: what stops then stays
stopped, since no session begins while it is there. That sessions look for it is in ``limits``.
"""

from __future__ import annotations

import os
from pathlib import Path

from arb_pipelines.clock import iso
from arb_pipelines.errors import ConfigError


def throw(file: Path, *, who: str, reason: str, now_ns: int) -> None:
    """Make the file, or add to the one that is there: each line says when, who and why.

    Raises:
        OSError: it cannot be written.
    """
    line = f"{iso(now_ns)} {who}: {' '.join(reason.split()) or 'no reason given'}\n"
    file.parent.mkdir(parents=True, exist_ok=True)
    target = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        os.write(target, line.encode())
    finally:
        os.close(target)


def lift(file: Path) -> str:
    """Take the file away; give what it said.

    Raises:
        ConfigError: it is not there.
    """
    try:
        said = file.read_text(encoding="utf-8", errors="replace").strip()
        file.unlink()
    except FileNotFoundError:
        raise ConfigError("is not there: no kill switch is thrown", source=str(file)) from None
    return said
