"""`arb session run` as a process of its own, for tests that stop, starve or kill it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from arb_pipelines.venues.kucoin.account import KucoinAccount
from arb_pipelines.venues.kucoin.rest import Rest
from arb_pipelines.venues.kucoin.signing import Credentials, Signer
from tests.e2e.exchange_process import ExchangeProcess

TIMEOUT_S = 60.0

STRATEGY = """
name: {name}
exchange: kucoin
universe: {{start: [USDT]}}
min_profit_bps: -40
max_slippage_bps: 500
max_age_ms: 60000
capital_allocation: {{mode: fixed_amount, amount: 100}}
balances: {{USDT: {balance}}}
mode: {mode}
session: {{books: depth5, depth: 5, flush_s: 0.2{rules}}}
"""


def strategy_file(
    folder: Path, name: str, *, balance: float = 5000, mode: str = "paper", rules: str = ""
) -> Path:
    """Write a strategy that trades whatever does not lose more than 40 bps."""
    file = folder / f"{name}.yaml"
    said = STRATEGY.format(name=name, balance=balance, mode=mode, rules=rules)
    file.write_text(said, encoding="utf-8")
    return file


def keys_of(exchange: ExchangeProcess) -> dict[str, str]:
    """The settings with which a session finds the exchange and its account."""
    return {
        "ARB_KUCOIN_URL": exchange.rest,
        "ARB_KUCOIN_KEY": exchange.key,
        "ARB_KUCOIN_SECRET": exchange.secret,
        "ARB_KUCOIN_PASSPHRASE": exchange.passphrase,
    }


def secrets_of(exchange: ExchangeProcess) -> dict[str, str]:
    """What only the environment may know of the account, by its name."""
    return {
        "key": exchange.key,
        "secret": exchange.secret,
        "passphrase": exchange.passphrase,
    }


def free_balances(exchange: ExchangeProcess) -> dict[str, Decimal]:
    """What the exchange says the account has."""

    async def ask() -> dict[str, Decimal]:
        keys = Credentials(*map(SecretStr, (exchange.key, exchange.secret, exchange.passphrase)))
        async with Rest(exchange.rest, Signer(keys)) as client:
            return dict(await KucoinAccount(client).balances())

    return asyncio.run(ask())


def until(condition: Callable[[], Any], what: str) -> Any:
    """Wait for a condition; give what it gave."""
    deadline = time.monotonic() + TIMEOUT_S
    while not (found := condition()):
        assert time.monotonic() < deadline, f"no {what} within {TIMEOUT_S} s"
        time.sleep(0.02)
    return found


@dataclass(frozen=True, slots=True)
class SessionProcess:
    """A session that runs, and where its folder is."""

    process: subprocess.Popen[str]
    sessions: Path
    strategy: str

    @property
    def folder(self) -> Path:
        """Its folder, once it is there."""
        found: Path = until(
            lambda: next(iter(sorted(self.sessions.glob(f"{self.strategy}-*"))), None), "folder"
        )
        return found

    def heartbeat(self) -> dict[str, Any]:
        """Its last sign of life; empty before the first."""
        try:
            beat: dict[str, Any] = json.loads((self.folder / "heartbeat.json").read_bytes())
        except FileNotFoundError:
            return {}
        return beat

    def traded(self, executions: int) -> dict[str, Any]:
        """Wait until so many executions have ended; give the heartbeat that says so."""

        def enough() -> dict[str, Any] | None:
            assert self.process.poll() is None, "the session ended by itself"
            beat = self.heartbeat()
            return beat if beat.get("executions", 0) >= executions else None

        beat: dict[str, Any] = until(enough, f"{executions} executions")
        return beat

    def stop(self) -> dict[str, Any]:
        """Send SIGTERM; give the summary."""
        out, _ = self.stop_saying()
        summary: dict[str, Any] = json.loads(out)
        return summary

    def stop_saying(self) -> tuple[str, str]:
        """Send SIGTERM; give all that it said on stdout and on stderr."""
        self.process.send_signal(signal.SIGTERM)
        out, errors = self.process.communicate(timeout=TIMEOUT_S)
        assert self.process.returncode == 0, errors
        return out, errors


@contextmanager
def an_order_held(exchange: ExchangeProcess) -> Iterator[None]:
    """Hold orders back for a while each; it begins when the first of them has come."""
    many = 1000
    slow = {"kind": "delay", "match": "POST /api/v1/hf/orders", "ms": 1500, "count": many}
    exchange.operate("POST", "/faults", slow)
    try:
        until(lambda: exchange.operate("GET", "/faults")[0]["count"] < many, "order on its way")
        yield
    finally:
        exchange.operate("DELETE", "/faults")


@contextmanager
def running_session(
    home: Path,
    file: Path,
    settings: Mapping[str, str],
    *arguments: str,
    group: str = "session",
    folder: Path | None = None,
) -> Iterator[SessionProcess]:
    """Run `arb session run --json`, or another group's; it has ended when the block is left.

    It works in ``folder``, or where the tests do.
    """
    command = [sys.executable, "-m", "arb_pipelines.cli", group, "run", "--json"]
    process = subprocess.Popen(
        [*command, "--strategy", str(file), *arguments],
        cwd=folder,
        env=os.environ | {"ARB_HOME": str(home)} | dict(settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield SessionProcess(process, home / "sessions", file.stem)
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()
