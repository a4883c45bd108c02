"""From a signal's acceptance to its first order on the wire, in process and over the socket.

The session is put together as ``run_session`` does it, journal (which writes an order's
intent before it leaves) and recorder included, and trades on the local exchange by REST. In
process the time runs from the call of the intake; over the socket from before another
process writes the line, so that the way through the system counts. It ends when the
order's bytes are handed to the system. The call that sends them is left out: on loopback
it may not return before the exchange has run, and that is the exchange's time, not ours.
"""

from __future__ import annotations

import asyncio
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from aiohttp.http import StreamWriter

from arb_pipelines.clock import now_ns
from arb_pipelines.execution.components import strategy_spec, universe_of
from arb_pipelines.execution.control.board import execution_number
from arb_pipelines.execution.control.client import SOCKET
from arb_pipelines.execution.control.service import SessionControl, open_control
from arb_pipelines.execution.manager import managing
from arb_pipelines.execution.records.journal import Journal
from arb_pipelines.execution.records.recorder import SessionRecorder
from arb_pipelines.execution.records.values import SessionHead
from arb_pipelines.execution.signals.wire import WireSignal, decode_signal
from arb_pipelines.execution.switches import Permission
from arb_pipelines.execution.warm_up import warm_up
from arb_pipelines.settings import load_settings
from arb_pipelines.trading.session_rules import TradingMode
from arb_pipelines.trading.strategy import load_strategy
from arb_pipelines.venues.opening import open_venue
from bench.live_cycles import UNLIMITED
from tests.e2e.exchange_process import ExchangeProcess, running_exchange
from tests.e2e.soak import KEY, STRATEGY, percentiles, session_socket, signals

SYMBOLS, SIGNALS, WARM_UP = 20, 400, 40
PREFIX, PAUSE_S = "bench-", 0.02
BAR_IN_PROCESS_MS, BAR_SOCKET_MS = 1.0, 1.5
_MS = 1_000_000


class _Body(msgspec.Struct):
    """What of an order's body names it."""

    client_id: str = msgspec.field(name="clientOid")


@dataclass(slots=True)
class Wire:
    """Times (wall clock, ns) at which the first order of each execution had left."""

    left: dict[int, int] = field(default_factory=dict)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Note the orders that leave within the block."""
        write = StreamWriter.write

        async def noting(writer: StreamWriter, chunk: Any, **options: Any) -> None:
            at = time.time_ns()
            await write(writer, chunk, **options)
            if b'"clientOid"' in bytes(chunk):
                client_id = msgspec.json.decode(chunk, type=_Body).client_id
                self.left.setdefault(execution_number(client_id, PREFIX), at)

        StreamWriter.write = noting  # type: ignore[method-assign]
        try:
            yield
        finally:
            StreamWriter.write = write  # type: ignore[method-assign]


def run() -> list[dict[str, object]]:
    """Send signals both ways; give p50 and p99 of each."""
    import uvloop

    with tempfile.TemporaryDirectory(prefix="bench-signals-") as folder:
        home = Path(folder)
        arguments = ("--symbols", str(SYMBOLS), "--balance", "USDT=1000000")
        with running_exchange(home, *arguments) as exchange:
            exchange.operate("POST", "/limits", {"spot": UNLIMITED, "public": UNLIMITED})
            os.environ |= {
                "ARB_HOME": str(home / "home"),
                "ARB_KUCOIN_URL": exchange.rest,
                "ARB_KUCOIN_KEY": exchange.key,
                "ARB_KUCOIN_SECRET": exchange.secret,
                "ARB_KUCOIN_PASSPHRASE": exchange.passphrase,
            }
            times = uvloop.run(_measure(exchange, home))
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    rows: list[dict[str, object]] = []
    for (way, taken), bar in zip(times.items(), (BAR_IN_PROCESS_MS, BAR_SOCKET_MS), strict=True):
        p50, p99 = percentiles(taken)
        sys.stderr.write(f"bench: {len(taken)} signals accepted {way}\n")
        for name, value, told, holds in (
            ("p50", p50, None, None),
            ("p99", p99, f"<= {bar:g} ms", p99 <= bar),
        ):
            rows.append(
                {
                    "name": f"signal accepted to first order on the wire, {way}, {name}",
                    "ours": value,
                    "peer": None,
                    "ratio": None,
                    "unit": "ms",
                    "bar": told,
                    "holds": holds,
                    "peak_mib": peak_mib,
                }
            )
    return rows


async def _measure(exchange: ExchangeProcess, home: Path) -> dict[str, list[float]]:
    """Give the times in ms, by way."""
    wire = Wire()
    async with _session(home) as (control, folder):
        with wire.watched():
            inside = await _in_process(control, exchange)
            outside = await _over_the_socket(folder, exchange)
    return {
        way: [
            (wire.left[execution] - began) / _MS
            for execution, began in accepted.items()
            if execution in wire.left
        ][WARM_UP:]
        for way, accepted in (("in process", inside), ("over the socket", outside))
    }


@asynccontextmanager
async def _session(home: Path) -> AsyncIterator[tuple[SessionControl, Path]]:
    """A session in service, and the folder of its socket."""
    file = home / "strategy.yaml"
    file.write_text(STRATEGY)
    strategy, settings = load_strategy(file), load_settings()
    folder = settings.sessions / KEY
    folder.mkdir(parents=True)
    async with (
        open_venue(strategy.exchange, settings) as connection,
        managing(KEY, connection) as manager,
    ):
        spec = strategy_spec(
            strategy, places_orders=True, id_prefix=PREFIX, max_cycles=settings.max_cycles
        )
        managed = manager.add(spec)
        universe = universe_of(managed.container)
        warm_up()
        head = SessionHead(
            session=KEY,
            strategy=strategy.name,
            venue=connection.venue,
            mode=TradingMode.PAPER,
            account="",
            strategy_digest=strategy.digest,
            ts_started=now_ns(),
            cycles=universe.traded.cycles,
        )
        recorder = SessionRecorder(head, wall_ns=now_ns)
        with closing(Journal(folder, universe.traded.cycles, trouble=sys.exit)) as journal:
            managed.container.bus.subscribe(object, journal.hear)
            managed.container.bus.subscribe(object, recorder.hear)
            control = open_control(
                managed.container, folder, Permission(TradingMode.PAPER, True), id_prefix=PREFIX
            )
            manager.start(strategy.name)
            async with asyncio.TaskGroup() as tasks:
                serving = tasks.create_task(control.run())
                while (universe.seen.updated == 0).any():
                    await asyncio.sleep(0.05)
                yield control, folder
                managed.controls.stop("measured")
                await managed.ended.wait()
                serving.cancel()


async def _in_process(control: SessionControl, exchange: ExchangeProcess) -> dict[int, int]:
    """Hand signals to the intake; give when each that was accepted was handed over, ns."""
    made = await asyncio.to_thread(_prepared, exchange)
    accepted: dict[int, int] = {}
    for number in range(SIGNALS + WARM_UP):
        signal = _timed(made[number])
        began = time.time_ns()
        answer = control.intake.take(signal)
        if answer.execution is not None:
            accepted[answer.execution] = began
        await asyncio.sleep(PAUSE_S)
    return accepted


def _prepared(exchange: ExchangeProcess) -> list[WireSignal]:
    made = signals(exchange.rest)
    return [
        decode_signal(msgspec.json.encode(next(made) | {"correlation_id": f"inside-{number}"}))
        for number in range(SIGNALS + WARM_UP)
    ]


def _timed(signal: WireSignal) -> WireSignal:
    """Let a signal be of now."""
    now_ms = msgspec.convert(time.time_ns() / _MS, type(signal.ts_ms))
    return msgspec.structs.replace(
        signal, t_sock_arrive_ms=now_ms, t_arrive_ms=now_ms, t_eval_ms=now_ms, ts_ms=now_ms
    )


async def _over_the_socket(folder: Path, exchange: ExchangeProcess) -> dict[int, int]:
    """Have another process send signals; give when each that was accepted was sent, ns."""
    sender = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bench.live_signals",
        str(folder / SOCKET),
        exchange.rest,
        stdout=subprocess.PIPE,
    )
    told, _ = await sender.communicate()
    return {int(execution): began for execution, began in msgspec.json.decode(told)}


def _send(path: Path, rest: str) -> None:
    """Be that process: print (execution, time sent) of the signals that were accepted."""
    accepted = []
    with session_socket(path) as connection, connection.makefile("rb") as answers:
        made = signals(rest)
        for _ in range(SIGNALS + WARM_UP):
            line = msgspec.json.encode(next(made)) + b"\n"
            began = time.time_ns()
            connection.sendall(line)
            answer = msgspec.json.decode(answers.readline())
            if answer["accepted"]:
                accepted.append((answer["execution"], began))
            time.sleep(PAUSE_S)
    sys.stdout.write(msgspec.json.encode(accepted).decode())


if __name__ == "__main__":
    _send(Path(sys.argv[1]), sys.argv[2])
