"""Engine and exchange as processes of their own, forked from one that has imported it all.

A session's start costs seconds of imports and of loading compiled kernels; a fork of a process
that has done both begins at once. The parent runs no loop and no thread, or a fork would be
left with half of one.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.torture.points import PASSED, PLAN, Watcher, watch

ACCOUNT = ("torture-key", "torture-secret", "torture-passphrase")
_START_S = 30.0
#: Source: prctl(2).
_PR_SET_PDEATHSIG = 1


def warm() -> None:
    """Import what engine and exchange need, and load their kernels."""
    from importlib import import_module

    from arb_pipelines.execution.warm_up import warm_up
    from arb_pipelines.research.exchange_books import generated_books

    for module in ("cli", "research.exchange", "research.sessions"):
        import_module(f"arb_pipelines.{module}")
    next(iter(generated_books(3, 7).batches), None)
    warm_up()
    gc.collect()
    gc.freeze()  # a session walks all that it has once, at its start: this would be most of it


@dataclass(slots=True)
class Forked:
    """A child; ``log`` has what it printed. ``code`` is below zero if a signal ended it."""

    pid: int
    log: Path
    code: int | None = None

    def alive(self) -> bool:
        """Whether it runs still."""
        if self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.code = os.waitstatus_to_exitcode(status)
        return self.code is None

    def kill(self) -> None:
        """End it by SIGKILL, if it has not ended; it is gone when this returns."""
        if self.alive():
            os.kill(self.pid, signal.SIGKILL)
            _, status = os.waitpid(self.pid, 0)
            self.code = os.waitstatus_to_exitcode(status)


def fork(work: Callable[[], None], log: Path, environment: Mapping[str, str]) -> Forked:
    """Do ``work`` in a child whose output goes to ``log``."""
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        return Forked(pid, log)
    code = 70
    try:
        if sys.platform == "linux":  # elsewhere it outlives a parent that is killed
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(out, 1)
        os.dup2(out, 2)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.environ.update(environment)
        work()
        code = 0
    except SystemExit as left:
        code = left.code if isinstance(left.code, int) else 1
    except BaseException:  # noqa: BLE001 - the edge of a process
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


@dataclass(slots=True)
class ExchangeHost:
    """An exchange at one address, killed and started again as a case wants it.

    Its state outlives it; ``balance`` and ``symbols`` are as ``arb exchange`` has them.
    """

    folder: Path
    balance: str
    symbols: int
    port: int = field(default_factory=lambda: _free_port())
    process: Forked | None = None

    @property
    def rest(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it; it answers when this returns."""
        log = self.folder / "exchange.log"
        log.unlink(missing_ok=True)
        arguments = [
            "exchange", "--port", str(self.port), "--symbols", str(self.symbols), "--speed", "0",
            "--account", ":".join(ACCOUNT), "--balance", self.balance,
            "--state", str(self.folder / "exchange.sqlite"),
        ]  # fmt: skip
        self.process = fork(lambda: _arb(arguments), log, {"ARB_HOME": str(self.folder)})
        deadline = time.monotonic() + _START_S
        while not (log.exists() and b"\n" in log.read_bytes()):
            assert self.process.alive(), f"the exchange ended: {log.read_text()}"
            assert time.monotonic() < deadline, "the exchange does not start"
            time.sleep(0.005)

    def kill(self) -> None:
        """Kill it."""
        if self.process is not None:
            self.process.kill()


def start_engine(
    home: Path, strategy: Path, rest: str, break_it: Callable[[], None] | None = None
) -> Forked:
    """Start a session that trades at the exchange, to die as the plan in ``home`` says.

    ``break_it`` changes the engine before it runs, to see whether the audit finds out.
    """
    key, secret, passphrase = ACCOUNT
    environment = {
        "ARB_HOME": str(home),
        "ARB_KUCOIN_URL": rest,
        "ARB_KUCOIN_KEY": key,
        "ARB_KUCOIN_SECRET": secret,
        "ARB_KUCOIN_PASSPHRASE": passphrase,
    }

    def work() -> None:
        os.chdir(home)
        watch(Watcher(home))
        if break_it is not None:
            break_it()
        _arb(["session", "run", "--json", "--strategy", str(strategy)])

    return fork(work, home / "engine.log", environment)


def plan(home: Path, **said: object) -> None:
    """Say what the next engine, or the one that runs, is to do at its points."""
    part = home / f"{PLAN}.part"
    part.write_text(json.dumps(said), encoding="utf-8")
    part.replace(home / PLAN)


def passed(home: Path) -> list[str]:
    """Give the points that the last armed engine passed, as ``name#occurrence``.

    If it died of one, that one alone.
    """
    try:
        return (home / PASSED).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []


def _arb(arguments: list[str]) -> None:
    from arb_pipelines.cli import main

    main(arguments)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
