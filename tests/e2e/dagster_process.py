"""A real `arb ui` as a process, with daemons that look more often than Dagster's own."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from tests.e2e.dagster_client import DagsterClient

_QUICK_DAEMONS = Path(__file__).parent / "quick_daemons"


@contextlib.contextmanager
def running_ui(environment: Mapping[str, str]) -> Iterator[tuple[DagsterClient, list[str]]]:
    """Start `arb ui`; in the end, SIGTERM must leave no process of its home behind.

    Gives who to ask, and what the command has said, which is complete when the block is left.
    """
    path = os.pathsep.join([str(_QUICK_DAEMONS), *filter(None, [os.environ.get("PYTHONPATH")])])
    port, said = _free_port(), list[str]()
    process = subprocess.Popen(
        [sys.executable, "-m", "arb_pipelines.cli", "ui", "--port", str(port)],
        env={**environment, "PYTHONPATH": path},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        said += _lines_until(process.stderr, "Dagster is on")
        assert f"http://127.0.0.1:{port}" in "".join(said), said
        yield DagsterClient(f"http://127.0.0.1:{port}"), said
    finally:
        process.send_signal(signal.SIGTERM)
        code = process.wait(90)
        with process.stderr:
            said += process.stderr
    assert code == 0
    assert _processes_of(environment["ARB_HOME"]) == []


def tag(key: str, value: str) -> dict[str, str]:
    """A tag as GraphQL takes it."""
    return {"key": key, "value": value}


def _lines_until(stream: Iterable[str], text: str) -> Iterator[str]:
    """Lines of ``stream`` up to the one with ``text``, or all of them."""
    for line in stream:
        yield line
        if text in line:
            return


def _processes_of(home: str) -> list[str]:
    """Command lines of the processes that were started for ``home``."""
    wanted = f"ARB_HOME={home}".encode()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if wanted in (process / "environ").read_bytes().split(b"\0"):
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
    return found


def _free_port() -> int:
    """A port on loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
