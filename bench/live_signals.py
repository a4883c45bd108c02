"""From a signal's acceptance to its first order on the wire, in process and over the socket.

The session is whole, as ``arb session run`` has it, state file (which holds an order's
intent before it leaves), journal and recorder included, and trades on the local exchange by
REST. One run gives both times: another process sends signals over the socket. In process
the time runs from the call of the intake; over the socket from before the other process
writes the line, so that the way through the system counts. It ends when the order's bytes
are handed to the system. The call that sends them is left out: on loopback it may not
return before the exchange has run, and that is the exchange's time, not ours.

It is done twice: as a session is by default, and with ``ARB_REHEARSE_MS``, which the bars are
for: signals come 20 ms apart here, and what sleeps for so long has grown cold.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from arb_pipelines.execution.control.client import SOCKET, ask
from arb_pipelines.execution.orders.client_ids import cycle_of
from arb_pipelines.execution.signals.intake import SignalIntake
from arb_pipelines.execution.signals.wire import SignalAnswer, WireSignal
from arb_pipelines.lake.store import Lake
from arb_pipelines.research.session_requests import SessionRequest
from arb_pipelines.research.sessions import run_session
from arb_pipelines.settings import load_settings
from arb_pipelines.venues import http_lines
from bench.live_cycles import UNLIMITED
from tests.e2e.exchange_process import running_exchange
from tests.e2e.soak import KEY, STRATEGY, percentiles, session_socket, signals

SYMBOLS, SIGNALS, WARM_UP = 20, 400, 40
PAUSE_S, REHEARSE_MS = 0.02, 4
BAR_IN_PROCESS_MS, BAR_SOCKET_MS = 1.0, 1.5
_MS = 1_000_000


class _Body(msgspec.Struct):
    """What of an order's body names it."""

    client_id: str = msgspec.field(name="clientOid")


@dataclass(slots=True)
class Times:
    """Wall clock, ns, by execution: when its signal was sent, taken, and its first order left."""

    sent: dict[int, int] = field(default_factory=dict)
    taken: dict[int, int] = field(default_factory=dict)
    left: dict[int, int] = field(default_factory=dict)

    def since(self, began: dict[int, int]) -> list[float]:
        """Give the ms from ``began`` until the order left, without the first few."""
        return [
            (self.left[execution] - at) / _MS
            for execution, at in began.items()
            if execution in self.left
        ][WARM_UP:]

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Note what is taken and what leaves within the block."""
        take, send = SignalIntake.take, http_lines._Line.ask

        def taking(intake: SignalIntake, signal: WireSignal) -> SignalAnswer:
            began = time.time_ns()
            answer = take(intake, signal)
            if answer.execution is not None:
                self.taken[answer.execution] = began
            return answer

        async def sending(
            line: http_lines._Line, request: bytes, within_s: float
        ) -> http_lines.Answer:
            at = time.time_ns()
            _, _, body = request.partition(b"\r\n\r\n")
            if b'"clientOid"' in body:
                client_id = msgspec.json.decode(body, type=_Body).client_id
                self.left.setdefault(int(cycle_of(client_id).rpartition("-")[2]), at)
            return await send(line, request, within_s)

        SignalIntake.take = taking  # type: ignore[method-assign]
        http_lines._Line.ask = sending  # type: ignore[method-assign]
        try:
            yield
        finally:
            SignalIntake.take = take  # type: ignore[method-assign]
            http_lines._Line.ask = send  # type: ignore[method-assign]


def run() -> list[dict[str, object]]:
    """Send signals; give p50 and p99 of each way."""
    return [*_rows(0), *_rows(REHEARSE_MS)]


def _rows(rehearse_ms: int) -> list[dict[str, object]]:
    times = Times()
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
            with times.watched():
                _trade(home, exchange.rest, times, rehearse_ms)
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    rows: list[dict[str, object]] = []
    for way, began, bar in (
        ("in process", times.taken, BAR_IN_PROCESS_MS),
        ("over the socket", times.sent, BAR_SOCKET_MS),
    ):
        taken = times.since(began)
        p50, p99 = percentiles(taken)
        if rehearse_ms:
            way = f"{way}, rehearsed each {rehearse_ms} ms"
        sys.stderr.write(f"bench: {len(taken)} signals accepted {way}\n")
        barred = (f"<= {bar:g} ms", p99 <= bar) if rehearse_ms else (None, None)
        for name, value, (told, holds) in (("p50", p50, (None, None)), ("p99", p99, barred)):
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


def _trade(home: Path, rest: str, times: Times, rehearse_ms: int) -> None:
    """Host a session until another process has sent its signals; main thread only."""
    lake, strategy = Lake(load_settings(rehearse_ms=rehearse_ms)), home / "strategy.yaml"
    strategy.write_text(STRATEGY)
    folder = lake.settings.sessions / KEY

    def send() -> None:
        arguments = ["-m", "bench.live_signals", str(folder / SOCKET), rest]
        try:
            told = subprocess.run([sys.executable, *arguments], stdout=subprocess.PIPE, check=True)
            times.sent.update(msgspec.json.decode(told.stdout, type=list[tuple[int, int]]))
        finally:
            ask(folder, "stop", {"reason": "measured"})

    sender = threading.Thread(target=send)
    sender.start()
    run_session(lake, SessionRequest(KEY, strategy, None, None, None, time.time_ns()))
    sender.join()


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
