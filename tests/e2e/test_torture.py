"""Engines killed at points of their cycles: a few, or a sample of each variant, and the audits.

The whole is ``make torture``.

In a process of its own, since it forks: no thread of a test run may be in it.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.torture.cases import VARIANTS

ROOT = Path(__file__).parents[2]
VERDICT = re.compile(r"kills (\d+), lost (\d+), twice (\d+), unexplained (\d+)")


def test_a_few_crashes_lose_nothing(tmp_path: Path) -> None:
    """Points of one variant, and random kills under load: most of them cut a cycle short."""
    few = ("--only", "market: second leg partial", "--sample", "7", "--kills", "3")
    done = run("tests.torture", "--jobs", "1", *few, folder=tmp_path)
    kills, wrong = verdict_of(done)
    assert (done.returncode, wrong) == (0, [0, 0, 0]), done.stdout + done.stderr
    assert kills >= 11  # one after the cycle, too
    rows = [line.split("|") for line in done.stdout.splitlines() if line.startswith("| ")][2:]
    assert len(rows) == 2
    assert all(int(cut) > 0 for _, _, _, _, cut, *_ in rows), done.stdout


@pytest.mark.long
@pytest.mark.timeout(900)  # a machine that is busy with other tests starts sessions slowly
def test_a_crash_loses_nothing(tmp_path: Path) -> None:
    """A point of every variant, the end of each, and some random kills: through every state."""
    done = run("tests.torture", "--jobs", "1", "--sample", "1", "--kills", "4", folder=tmp_path)
    kills, wrong = verdict_of(done)
    assert (done.returncode, wrong) == (0, [0, 0, 0]), done.stdout + done.stderr
    assert kills > 2 * len(VARIANTS)
    (missed,) = re.findall(r"^- not passed: (.+)$", done.stdout, re.MULTILINE)
    # the one that a kill has to hit: a fill, and not yet what follows from it
    assert set(missed.split(", ")) <= {"none", "partially_filled > recovering"}


@pytest.mark.timeout(900)
@pytest.mark.long
def test_broken_engines_are_caught(tmp_path: Path) -> None:
    """Each rule that must not be broken is broken once, and the audit says which."""
    done = run("tests.torture.mutants", str(tmp_path), folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert found["intent_after_sending: full"]["lost"]
    assert found["resent_on_timeout: cut"]["twice"]
    assert found["resent_on_timeout: cut, legs together"]["twice"]
    assert found["misbooked: full"]["unexplained"]
    assert found["taken_for_unsent: full"]["lost"]
    assert found["taken_for_unsent: full"]["unexplained"]


def run(module: str, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a module of the harness's in a folder, where it leaves its table."""
    command = [sys.executable, "-m", module, *arguments]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def verdict_of(done: subprocess.CompletedProcess[str]) -> tuple[int, list[int]]:
    """Read the last line: how many kills, and what was lost, twice and unexplained."""
    verdict = VERDICT.fullmatch(done.stdout.rstrip("\n").rpartition("\n")[2])
    assert verdict is not None, done.stdout + done.stderr
    kills, *wrong = map(int, verdict.groups())
    return kills, wrong
