"""A session under a steady stream of signals, and what grows in its process meanwhile.

The session is whole, as ``arb session run`` has it, in this process's main thread; a
thread beside it is the sender, over the session's socket. It counts what a leak would
let grow, before and after, and how long answers take.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import os
import resource
import socket
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from arb_pipelines.execution.control.client import SOCKET, ask
from arb_pipelines.execution.control.unix_socket import resolved
from arb_pipelines.lake.store import Lake
from arb_pipelines.market.cycles import find_cycles
from arb_pipelines.market.graph import BUY
from arb_pipelines.market.symbols import Market
from arb_pipelines.research import lake_child
from arb_pipelines.research.session_requests import SessionRequest
from arb_pipelines.research.session_values import SessionSummary
from arb_pipelines.research.sessions import run_session
from arb_pipelines.settings import Settings
from arb_pipelines.venues.kucoin.symbols import parse_symbols
from tests.e2e.exchange_process import ExchangeProcess

KEY = "soak-kucoin-20260105T000000Z"
#: Takes signals from outside alone, whatever they earn.
STRATEGY = """
name: soak
exchange: kucoin
universe: {start: [USDT]}
min_profit_bps: -1000
max_slippage_bps: 500
capital_allocation: {mode: fixed_amount, amount: 20}
balances: {USDT: 100000}
max_age_ms: 600000
slots: 8
session: {books: depth5, depth: 5, scan: false}
"""
#: The same, bringing its records to the lake five times as often as is usual.
BUSY = STRATEGY.replace("scan: false", "scan: false, flush_s: 1")
_MS = 1_000_000
_START_S = 60.0
#: Between signals: longest wait for rest, time between counts, and the difference that is none.
_REST_S, _LOOK_S, _STILL = 20.0, 1.5, 100


@dataclass(frozen=True, slots=True)
class Sample:
    """What the process held at one moment, and the memory of its child that writes to the lake."""

    objects: int
    tasks: int
    files: int
    threads: int
    resident_mib: float
    lake_mib: float

    @classmethod
    def now(cls) -> Sample:
        """Collect garbage and count."""
        gc.collect()
        objects = gc.get_objects()
        tasks = sum(isinstance(each, asyncio.Task) for each in objects)
        return cls(
            len(objects),
            tasks,
            sum(1 for _ in Path("/proc/self/fd").iterdir()),
            threading.active_count(),
            _resident_mib(os.getpid()),
            sum(map(_resident_mib, _lake_processes())),
        )

    @classmethod
    def at_rest(cls) -> Sample:
        """Count when what was under way has ended and been written: the count stands still."""
        before, until = cls.now(), time.monotonic() + _REST_S
        while time.monotonic() < until:
            time.sleep(_LOOK_S)
            sample = cls.now()
            if abs(sample.objects - before.objects) < _STILL:
                return sample
            before = sample
        return before


def _resident_mib(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def _lake_processes() -> list[int]:
    """Children of this process that write to the lake: one while a session runs."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended
            parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
            said = (folder / "cmdline").read_bytes().split(b"\0")
            if int(parent) == os.getpid() and lake_child.__name__.encode() in said:
                found.append(int(folder.name))
    return found


@dataclass(slots=True)
class Soaked:
    """What came of it; ``answer_ms`` are the answers' times in order of sending."""

    samples: list[Sample] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)
    answer_ms: list[float] = field(default_factory=list)
    summary: SessionSummary | None = None
    error: BaseException | None = None


def soak(
    lake: Lake,
    exchange: ExchangeProcess,
    folder: Path,
    parts: Sequence[int],
    rate: float,
    *,
    accepted: int = 0,
) -> Soaked:
    """Send ``rate`` signals a second, so many in each of ``parts``; sample at rest after each.

    A part goes on until so many of its signals were ``accepted``, however slow the machine.
    The settings of ``lake`` name the exchange and its keys. Blocks; main thread only.
    """
    strategy = folder / "soak.yaml"
    strategy.write_text(BUSY)
    found = Soaked()
    sender = threading.Thread(
        target=_send, args=(lake.settings, exchange, parts, rate, accepted, found), daemon=True
    )
    sender.start()
    request = SessionRequest(KEY, strategy, None, None, None, time.time_ns())
    found.summary = run_session(lake, request)
    sender.join(_START_S)
    if found.error is not None:
        raise found.error
    return found


def _send(
    settings: Settings,
    exchange: ExchangeProcess,
    parts: Sequence[int],
    rate: float,
    accepted: int,
    found: Soaked,
) -> None:
    folder = settings.sessions / KEY
    try:
        with session_socket(folder / SOCKET) as connection:
            waiting = signals(exchange.rest)
            lines = connection.makefile("rb")
            due = time.monotonic()
            for count in parts:
                sent, enough = 0, found.answers["accepted"] + accepted
                while sent < count or found.answers["accepted"] < enough:
                    sent += 1
                    time.sleep(max(0.0, due - time.monotonic()))
                    due += 1 / rate
                    line = msgspec.json.encode(next(waiting)) + b"\n"
                    began = time.perf_counter_ns()
                    connection.sendall(line)
                    answer = msgspec.json.decode(lines.readline())
                    found.answer_ms.append((time.perf_counter_ns() - began) / _MS)
                    found.answers[answer.get("reason") or "accepted"] += 1
                found.samples.append(Sample.at_rest())
                due = time.monotonic()
    except (OSError, ValueError, AssertionError) as error:  # told in the main thread
        found.error = error
    finally:
        ask(folder, "stop", {"reason": "the soak is over"})


def session_socket(path: Path) -> socket.socket:
    """Connect as soon as the session listens.

    Raises:
        TimeoutError: it does not.
    """
    until = time.monotonic() + _START_S
    while time.monotonic() < until:
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(resolved(path))
        except OSError:
            connection.close()
            time.sleep(0.05)
            continue
        connection.settimeout(_START_S)
        return connection
    raise TimeoutError(f"no session listens at {path}")


def signals(rest: str) -> Iterator[dict[str, Any]]:
    """Signals for an exchange's triangles in turn, with books older than the session's own."""
    with urllib.request.urlopen(f"{rest}/api/v2/symbols", timeout=10) as answer:
        markets = {m.symbol: m for m in parse_symbols(msgspec.json.decode(answer.read()), "rest")}
    cycles = find_cycles(list(markets.values()), start=("USDT",))
    for number in itertools.count():
        cycle = number % len(cycles)
        legs = [
            _leg(markets[cycles.symbols[symbol]], int(side))
            for symbol, side in zip(cycles.leg_symbol[cycle], cycles.leg_side[cycle], strict=True)
        ]
        now_ms = time.time_ns() / _MS
        yield {
            "correlation_id": f"soak-{number}",
            "triangle_key": [leg["pair"] for leg in legs],
            "legs": legs,
            "books": [{"bids": [["1", "1"]], "asks": [["2", "1"]]} for _ in legs],
            "starting_volume": "20",
            "predicted_bps": "1",
            "primary_quote": "USDT",
            "live": False,
            "book_ts_ms": 1,
            "t_sock_arrive_ms": now_ms,
            "t_arrive_ms": now_ms,
            "t_eval_ms": now_ms,
            "ts_ms": now_ms,
        }


def _leg(market: Market, side: int) -> dict[str, Any]:
    return {
        "pair": market.symbol,
        "side": "buy" if side == BUY else "sell",
        "order_param": "funds" if side == BUY else "size",
        "base_min_size": str(market.base_min_size),
        "base_increment": str(market.base_increment),
        "quote_increment": str(market.quote_increment),
        "fee_rate": "0.001",
        "fee_currency": market.quote,
    }


def unexplained(
    before: dict[str, Decimal], after: dict[str, Decimal], summary: SessionSummary
) -> dict[str, Decimal]:
    """What of each balance's change at the venue the session's ledger does not tell."""
    booked = {currency: Decimal(amount) for currency, amount in summary.booked.items()}
    zero = Decimal(0)
    gaps = {
        currency: after.get(currency, zero)
        - before.get(currency, zero)
        - booked.get(currency, zero)
        for currency in before.keys() | after.keys() | booked.keys()
    }
    return {currency: gap for currency, gap in gaps.items() if abs(gap) > Decimal("1e-9")}


def percentiles(times_ms: Sequence[float]) -> tuple[float, float]:
    """Median and 99th percentile."""
    p50, p99 = np.percentile(np.array(times_ms), [50, 99])
    return float(p50), float(p99)
