"""A guarded process group ends with its owner, by whatever way that one goes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

OWNER = """
import subprocess, sys, time
from arb_pipelines.guard import guarded

child = "import time; print(__import__('os').getpid(), flush=True); time.sleep(600)"
leader = subprocess.Popen([sys.executable, "-c", child], start_new_session=True)
with guarded(leader.pid):
    print("guarded", flush=True)
    if sys.argv[1] == "killed":
        time.sleep(600)
"""


def is_running(pid: int) -> bool:
    """Whether a process is there and has not ended; an unreaped one has."""
    state = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout
    return bool(state.strip()) and not state.startswith("Z")


@pytest.mark.parametrize("end", ["killed", "done"])
def test_only_an_owner_that_is_killed_takes_its_group_along(end: str) -> None:
    """Killed, the guard ends the group; leaving the body alive, the owner still decides."""
    owner = subprocess.Popen([sys.executable, "-c", OWNER, end], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    said = {owner.stdout.readline().strip(), owner.stdout.readline().strip()}
    (leader,) = (int(line) for line in said - {"guarded"})
    try:
        if end == "done":
            assert owner.wait(30) == 0
            assert is_running(leader)
        else:
            owner.kill()
            owner.wait(30)
            deadline = time.monotonic() + 60
            while is_running(leader):
                assert time.monotonic() < deadline, "the group outlived its owner"
                time.sleep(0.05)  # between two looks at a condition
    finally:
        if is_running(leader):
            os.killpg(leader, signal.SIGKILL)
