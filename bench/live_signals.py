"""From a signal's acceptance to its first order on the wire, in process and over the socket.

The session is whole, as ``arb session run`` has it, state file (which holds an order's
intent before it leaves), journal, recorder and the lake's process included, by the usual
settings but for slots and money, and trades on the local exchange by REST. One run gives
both times: another process sends signals over the socket. In process the time runs from the
call of the intake; over the socket from before the other process writes the line, so that
the way through the system counts. It ends when the order's bytes are handed to the system.
The call that sends them is left out: on loopback it may not return before the exchange has
run, and that is the exchange's time, not ours.

It is done in two ways: as a session is by default, and with ``ARB_REHEARSE_MS``, which the bars
are for: signals come 20 ms apart here, and what sleeps for so long has grown cold. Each way is
measured three times in a process of its own, one way after the other, and the median of each
figure is told: a shared machine takes a millisecond from one signal in a hundred now and then,
and is half as fast in some hours, which counting just before each run shows.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

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
from bench.machine import counting_us
from tests.e2e.exchange_process import running_exchange
from tests.e2e.soak import KEY, STRATEGY, percentiles, session_socket, signals

SYMBOLS, SIGNALS, WARM_UP = 20, 1000, 40
PAUSE_S, REHEARSE_MS, RUNS = 0.02, 4, 3
BAR_IN_PROCESS_MS, BAR_SOCKET_MS = 1.0, 1.5
_MS = 1_000_000


class _Body(msgspec.Struct):
    """What of an order's body names it."""

    client_id: str = msgspec.field(name="clientOid")


class Figures(msgspec.Struct, frozen=True):
    """p50 and p99 of a run's signals, and of counting to 4,500 just before it, ms."""

    counting: tuple[float, float]
    in_process: tuple[float, float]
    over_the_socket: tuple[float, float]
    peak_mib: float


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
    ways = (0, REHEARSE_MS)
    runs = [{way: _in_a_process(way) for way in ways} for _ in range(RUNS)]
    return [row for way in ways for row in _medians(way, [found[way] for found in runs])]


def _in_a_process(rehearse_ms: int) -> Figures:
    command = [sys.executable, "-m", "bench.live_signals", "measure", str(rehearse_ms)]
    told = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    return msgspec.json.decode(told.stdout.splitlines()[-1], type=Figures)


def _measure(rehearse_ms: int) -> Figures:
    """Host a session in this process; give how long its signals took."""
    times = Times()
    counting = percentiles([us / 1e3 for us in counting_us()])
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
    taken, sent = times.since(times.taken), times.since(times.sent)
    sys.stderr.write(f"bench: {len(taken)} signals accepted, rehearsed each {rehearse_ms} ms\n")
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Figures(counting, percentiles(taken), percentiles(sent), peak_mib)


def _medians(rehearse_ms: int, runs: Sequence[Figures]) -> Iterator[dict[str, object]]:
    peak_mib = max(found.peak_mib for found in runs)
    wire = "signal accepted to first order on the wire"
    how = f", rehearsed each {rehearse_ms} ms" if rehearse_ms else ""
    for what, spreads, bar in (
        ("this machine just before: counting to 4,500", [one.counting for one in runs], None),
        (f"{wire}, in process", [one.in_process for one in runs], BAR_IN_PROCESS_MS),
        (f"{wire}, over the socket", [one.over_the_socket for one in runs], BAR_SOCKET_MS),
    ):
        for name, values in zip(("p50", "p99"), zip(*spreads, strict=True), strict=True):
            value = median(values)
            told = ", ".join(f"{one:.2f}" for one in values)
            sys.stderr.write(f"bench: {what}{how}, {name} {told} ms\n")
            barred = bar is not None and name == "p99" and rehearse_ms > 0
            yield {
                "name": f"{what}{how}, {name}",
                "ours": value,
                "peer": None,
                "ratio": None,
                "unit": "ms",
                "bar": f"<= {bar:g} ms" if barred else None,
                "holds": value <= bar if bar is not None and barred else None,
                "peak_mib": peak_mib,
            }


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
    if sys.argv[1] == "measure":
        sys.stdout.write(f"{msgspec.json.encode(_measure(int(sys.argv[2]))).decode()}\n")
    else:
        _send(Path(sys.argv[1]), sys.argv[2])
