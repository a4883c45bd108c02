"""A local exchange as a process of its own, for tests that drive it as clients do."""

from __future__ import annotations

import json
import os
import signal
import ssl
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from arb_pipelines.settings import Settings

START_TIMEOUT_S = 90.0
END_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class ExchangeProcess:
    """Where it answers, and the account it holds."""

    rest: str
    ws: str
    admin: str
    key: str
    secret: str
    passphrase: str
    symbols: tuple[str, ...]
    process: subprocess.Popen[str]
    certificate: str | None = None

    def operate(self, method: str, path: str, document: object = None) -> Any:
        """Call an endpoint under ``/admin`` and give what it answers."""
        request = urllib.request.Request(
            self.admin + path,
            data=None if document is None else json.dumps(document).encode(),
            method=method,
        )
        trust = ssl.create_default_context(cadata=self.certificate) if self.certificate else None
        with urllib.request.urlopen(request, timeout=10, context=trust) as response:
            return json.load(response)["data"]

    def subscriptions(self) -> dict[str, int]:
        """How many sessions each topic has."""
        subscribed: dict[str, int] = self.operate("GET", "/progress")["subscriptions"]
        return subscribed


@contextmanager
def running_exchange(home: Path, *arguments: str) -> Iterator[ExchangeProcess]:
    """Run `arb exchange --port 0` with ``arguments``; it has ended when the block is left."""
    process = subprocess.Popen(
        [sys.executable, "-m", "arb_pipelines.cli", "exchange", "--port", "0", *arguments],
        env=os.environ | {"ARB_HOME": str(home)},
        stdout=subprocess.PIPE,
        text=True,
    )
    watchdog = threading.Timer(START_TIMEOUT_S, process.kill)
    watchdog.start()
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        watchdog.cancel()
        assert line, f"the exchange ended with code {process.wait()} before it was ready"
        ready = json.loads(line)
        ready["symbols"] = tuple(ready["symbols"])
        yield ExchangeProcess(**ready, process=process)
    finally:
        watchdog.cancel()
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


def settings_of(exchange: ExchangeProcess, settings: Settings) -> Settings:
    """Give settings with an exchange's address and the key of its account."""
    return settings.model_copy(
        update={
            "kucoin_url": exchange.rest,
            "kucoin_key": SecretStr(exchange.key),
            "kucoin_secret": SecretStr(exchange.secret),
            "kucoin_passphrase": SecretStr(exchange.passphrase),
        }
    )


def environment_of(exchange: ExchangeProcess) -> dict[str, str]:
    """Give the environment by which a process finds an exchange, with the key of its account."""
    return {
        "ARB_KUCOIN_URL": exchange.rest,
        "ARB_KUCOIN_KEY": exchange.key,
        "ARB_KUCOIN_SECRET": exchange.secret,
        "ARB_KUCOIN_PASSPHRASE": exchange.passphrase,
    }
