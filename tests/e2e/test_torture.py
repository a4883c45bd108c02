"""Engines killed at points of their cycles, a sample of each variant; the whole: make torture.

In a process of its own, since it forks: no thread of a test run may be in it.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.torture.cases import VARIANTS

ROOT = Path(__file__).parents[2]
VERDICT = re.compile(r"kills (\d+), lost (\d+), twice (\d+), unexplained (\d+)")


@pytest.mark.long
@pytest.mark.timeout(900)  # a machine that is busy with other tests starts sessions slowly
def test_a_crash_loses_nothing() -> None:
    """A point of every variant, the end of each, and some random kills under load."""
    done = run("tests.torture", "--jobs", "1", "--sample", "1", "--kills", "4")
    verdict = VERDICT.fullmatch(done.stdout.rstrip("\n").rpartition("\n")[2])
    assert verdict is not None, done.stdout + done.stderr
    kills, *wrong = map(int, verdict.groups())
    assert (done.returncode, wrong) == (0, [0, 0, 0]), done.stdout
    assert kills > 2 * len(VARIANTS)


@pytest.mark.timeout(900)
@pytest.mark.long
def test_broken_engines_are_caught(tmp_path: Path) -> None:
    """Each rule that must not be broken is broken once, and the audit says which."""
    done = run("tests.torture.mutants", str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert found["intent_after_sending"]["lost"]
    assert found["resent_on_timeout"]["twice"]
    assert found["misbooked"]["unexplained"]
    assert found["taken_for_unsent"]["lost"]
    assert found["taken_for_unsent"]["unexplained"]


def run(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a module of the harness's."""
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
