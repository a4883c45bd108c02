"""Engines killed at points of their cycles, a sample of each variant; the whole: make torture.

In a process of its own, since it forks: no thread of a test run may be in it.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
VERDICT = re.compile(r"kills (\d+), lost (\d+), twice (\d+), unexplained (\d+)")


def tortured(*arguments: str) -> tuple[int, dict[str, int], str]:
    """Run the harness; give its exit code, its last line's counts, and all it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.torture", "--jobs", "1", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    last = VERDICT.fullmatch(done.stdout.rstrip("\n").rpartition("\n")[2])
    assert last is not None, done.stdout + done.stderr
    named = zip(("kills", "lost", "twice", "unexplained"), map(int, last.groups()), strict=True)
    return done.returncode, dict(named), done.stdout


def test_a_crash_loses_nothing() -> None:
    """A point or two of every variant, and some random kills under load."""
    code, counted, printed = tortured("--sample", "1", "--kills", "5")
    assert code == 0, printed
    assert counted["kills"] > 50


@pytest.mark.parametrize(
    ("mutant", "variant", "kinds"),
    [
        ("intent-after-sending", "market: full", {"lost"}),
        ("resent-on-timeout", "market: second order taken", {"twice", "lost"}),
        ("misbooked", "market: full", {"unexplained"}),
    ],
)
def test_a_broken_engine_is_caught(mutant: str, variant: str, kinds: set[str]) -> None:
    """Each rule that must not be broken is broken once, and the audit says which."""
    arguments = ("--mutant", mutant, "--only", variant, "--sample", "3", "--kills", "0")
    code, counted, printed = tortured(*arguments)
    assert code == 1, printed
    assert all(counted[kind] for kind in kinds), printed
