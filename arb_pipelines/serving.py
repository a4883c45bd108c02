"""Dagster's webserver and daemon as children of one process, on loopback only.

Starts them, waits until they answer, and takes every one of them down again, after the
sessions that they host have ended in order; a guard does so, but for that, if this process
is killed.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from arb_pipelines import dagster_home
from arb_pipelines.errors import ArbError, ConfigError
from arb_pipelines.guard import GRACE_S, guarded
from arb_pipelines.research.session_ends import end_sessions_of
from arb_pipelines.settings import Settings

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Services:
    """Running services: the process that owns them, where they answer, where they log."""

    process: subprocess.Popen[bytes]
    address: str
    log: Path

    def ensure_running(self) -> None:
        """Check that the services are still there.

        Raises:
            ArbError: they ended; the message names their log.
        """
        if self.process.poll() is not None:
            raise ArbError(
                f"Dagster ended with code {self.process.returncode}; see the end of {self.log}"
            )


@contextlib.contextmanager
def running_services(
    settings: Settings, *, port: int, start_timeout_s: float = 180.0
) -> Iterator[Services]:
    """Run webserver and daemon on ``port`` while the body runs; leave no process behind.

    Raises:
        ConfigError: the port is taken.
        ArbError: the services ended, or did not answer within ``start_timeout_s``.
    """
    _ensure_free(port)
    log = settings.root / "logs" / "dagster.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "dagster", "dev", "--workspace", str(dagster_home.WORKSPACE)]
    command += ["--host", HOST, "--port", str(port)]
    with log.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and arguments
            command,
            cwd=dagster_home.PROJECT,
            env=os.environ | dagster_home.environment(settings),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    services = Services(process, f"http://{HOST}:{port}", log)
    try:
        with guarded(process.pid):
            _wait_until_answering(services, time.monotonic() + start_timeout_s)
            yield services
    finally:
        try:
            end_sessions_of(settings, process.pid)
        finally:
            _stop(process)


def serve(settings: Settings, *, port: int, announce: Callable[[Services], None]) -> None:
    """Run the services until Ctrl-C or SIGTERM; ``announce`` is told once they answer.

    Raises:
        ArbError: the services ended by themselves.
    """
    # A shell starts background jobs with SIGINT ignored, and their children inherit that: the
    # services would not hear it from us.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    with contextlib.suppress(KeyboardInterrupt), running_services(settings, port=port) as services:
        announce(services)
        while True:
            services.ensure_running()
            time.sleep(0.5)


def _ensure_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except (OSError, OverflowError) as error:
            raise ConfigError(
                f"port {port} on {HOST} cannot be used ({error}); choose another one",
                source="--port",
            ) from None


def _wait_until_answering(services: Services, deadline: float) -> None:
    while time.monotonic() < deadline:
        services.ensure_running()
        status = f"{services.address}/server_info"
        with contextlib.suppress(OSError), urllib.request.urlopen(status, timeout=5):  # noqa: S310
            return
        time.sleep(0.2)
    raise ArbError(f"Dagster did not answer on {services.address}; see {services.log}")


def _stop(process: subprocess.Popen[bytes], *, grace_s: float = GRACE_S) -> None:
    """Ask the owner to end its services, then end whatever is left of its process group.

    A second interrupt during the wait skips the rest of it.
    """
    try:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(grace_s)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
