"""`arb record` against the local exchange: what it writes, however it ends, is what was shown."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from arb_pipelines import cli
from arb_pipelines.clock import day_of, now_ns
from arb_pipelines.generator.write import generate
from arb_pipelines.lake.landing import pending, refusals
from arb_pipelines.lake.readers.base import ReadOptions
from arb_pipelines.lake.readers.recording import read_recording
from arb_pipelines.lake.recording.format import BookState
from arb_pipelines.lake.store import Lake
from arb_pipelines.research.exchange_books import open_books
from arb_pipelines.research.listed import store_listed_markets
from tests.e2e.exchange_process import ExchangeProcess, running_exchange

N_SYMBOLS = 6
WAIT_S = 30.0
COMMAND = (sys.executable, "-m", "arb_pipelines.cli", "record", "--venue", "kucoin", "--json")
Shown = tuple[tuple[tuple[float, float], ...], tuple[tuple[float, float], ...]]


@dataclass(frozen=True, slots=True)
class Market:
    """An exchange that plays a recording by hand, and the books in that recording by symbol."""

    exchange: ExchangeProcess
    books: dict[str, list[Shown]]

    def now(self, symbol: str) -> Shown:
        """The book that the exchange shows at this moment."""
        url = f"{self.exchange.rest}/api/v1/market/orderbook/level2_20?symbol={symbol}"
        with urllib.request.urlopen(url, timeout=5) as answer:
            book = json.load(answer)["data"]
        bids, asks = (
            tuple((float(price), float(size)) for price, size in book[side])
            for side in ("bids", "asks")
        )
        return bids, asks

    def move(self, states: int) -> None:
        """Show the next states, one after the other."""
        for _ in range(states):
            self.exchange.operate("POST", "/step", {"states": 1})


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    """Six symbols, thousands of states, five levels a side."""
    folder = tmp_path_factory.mktemp("market")
    made = generate(
        folder / "made", days=[date(2026, 1, 5)], symbols=N_SYMBOLS, minutes=5.0, seed=11
    )
    arguments = ("--books", str(made.recordings[0].path), "--speed", "0")
    with running_exchange(folder / "home", *arguments) as exchange:
        yield Market(exchange, books_of(made.recordings[0].path))


def books_of(path: Path) -> dict[str, list[Shown]]:
    """The states of a recording by symbol, each different from the one before."""
    states: dict[str, list[Shown]] = {}
    for state in recorded(path):
        states.setdefault(state.symbol, []).append((tuple(state.bids), tuple(state.asks)))
    return {symbol: [key for key, _ in groupby(shown)] for symbol, shown in states.items()}


def recorded(path: Path) -> list[BookState]:
    """All states of a recording, as the local exchange would play them."""
    states = []
    for batch in read_recording(path, ReadOptions()):
        for row in batch.rows.to_pylist():
            bids = tuple(zip(row["bids_px"], row["bids_sz"], strict=True))
            asks = tuple(zip(row["asks_px"], row["asks_sz"], strict=True))
            states.append(BookState(row["symbol"], row["ts_recv"], bids, asks))
    return states


class Recorder:
    """An `arb record` of its own process, and the folder it lands in."""

    def __init__(self, market: Market, lake: Lake, *arguments: str, **popen: Any) -> None:
        exchange = market.exchange
        self.folder = lake.settings.landing / "kucoin" / "recording"
        self.before = set(self.folder.glob("*"))
        self.process = subprocess.Popen(
            [*COMMAND, *(arguments or ("--universe",))],
            env=os.environ
            | {
                "ARB_HOME": str(lake.settings.root),
                "ARB_KUCOIN_URL": exchange.rest,
                "ARB_KUCOIN_KEY": exchange.key,
                "ARB_KUCOIN_SECRET": exchange.secret,
                "ARB_KUCOIN_PASSPHRASE": exchange.passphrase,
                "ARB_CCXT_URL": exchange.rest,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **popen,
        )

    @property
    def part(self) -> Path:
        """The file it is writing."""
        (part,) = set(self.folder.glob("*.part")) - self.before
        return part

    def has_all(self, symbols: int) -> bool:
        """Whether a state of each of so many symbols has reached the disk."""
        assert self.process.poll() is None, self.process.communicate()
        parts = set(self.folder.glob("*.part")) - self.before
        return any(
            part.stat().st_size and len({state.symbol for state in recorded(part)}) == symbols
            for part in parts
        )

    def end(self, number: int = signal.SIGTERM) -> tuple[int, dict[str, Any], str]:
        """Send a signal; give the exit code, what it printed and what it remarked."""
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=WAIT_S)
        return self.process.returncode, json.loads(out) if out else {}, err


@contextmanager
def recording(market: Market, lake: Lake, *arguments: str, symbols: int) -> Iterator[Recorder]:
    """Run a recorder that knows every book; it is gone when the block is left."""
    recorder = Recorder(market, lake, *arguments)
    try:
        until(lambda: recorder.has_all(symbols))
        yield recorder
    finally:
        if recorder.process.poll() is None:
            recorder.process.kill()
            recorder.process.communicate()


def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def is_part_of(states: list[Shown], whole: list[Shown]) -> bool:
    """Whether ``states`` came in this order among ``whole``."""
    rest = iter(whole)
    return all(state in rest for state in states)


def test_the_lakes_books_are_the_exchanges(market: Market, lake: Lake) -> None:
    """Recorded by level 2, ended by SIGTERM, taken by `arb ingest`: every state that was shown."""
    with recording(market, lake, "--universe", symbols=N_SYMBOLS) as recorder:
        market.move(300)
        now = {symbol: market.now(symbol) for symbol in market.books}
        until(lambda: {s: shown[-1] for s, shown in books_of(recorder.part).items()} == now)
        code, told, _ = recorder.end()
    assert code == 0
    (path,) = map(Path, told["files"])
    assert told["symbols"] == N_SYMBOLS
    assert told["states"] + told["dropped"] >= 300
    day = day_of(now_ns())
    until(lambda: bool(pending(lake)))
    assert refusals(lake) == ()
    arguments = [str(path.parent), "--venue", "kucoin", "--format", "recording"]
    with pytest.raises(SystemExit, match="0"):
        cli.main(["ingest", *arguments])
    lists = lake.settings.landing / "kucoin" / "symbols_kucoin" / f"{day}.json"
    with pytest.raises(SystemExit, match="0"):
        cli.main(["ingest", str(lists), "--venue", "kucoin", "--format", "symbols"])
    stored = list(open_books(f"kucoin/{day}", lake, n_symbols=None, seed=0).states)
    assert len(stored) == told["states"]
    for symbol, whole in market.books.items():
        states = [(tuple(s.bids), tuple(s.asks)) for s in stored if s.symbol == symbol]
        assert is_part_of(states, whole), symbol
        assert states[-1] == now[symbol]


def test_what_a_killed_recorder_flushed_is_kept(market: Market, lake: Lake) -> None:
    """SIGKILL in the middle; the next recorder finishes its file before it begins its own."""
    with recording(market, lake, symbols=N_SYMBOLS) as recorder:
        market.move(100)
        size = recorder.part.stat().st_size
        until(lambda: recorder.part.stat().st_size > size)
        part = recorder.part
        flushed = recorded(part)
        recorder.end(signal.SIGKILL)
    assert part.exists()
    with part.open("ab") as file:  # a frame that was being written
        file.write(b"\x28\xb5\x2f\xfd\x24")
    with recording(market, lake, symbols=N_SYMBOLS) as recorder:
        _, _, remarks = recorder.end()
    assert f"{part.name}: finished for a recorder that was killed" in remarks
    whole = part.with_name(part.name.removesuffix(".part"))
    assert recorded(whole)[: len(flushed)] == flushed
    assert not any(
        rejected for b in read_recording(whole, ReadOptions()) for rejected in b.rejected
    )
    assert not list(recorder.folder.glob("*.part"))


def test_a_lost_connection_is_a_gap(market: Market, lake: Lake) -> None:
    """Not an empty market: the books that were lost are told of, and come again whole."""
    with recording(market, lake, symbols=N_SYMBOLS) as recorder:
        market.exchange.operate("POST", "/sessions/cut")
        states = len(recorded(recorder.part))
        until(lambda: len(recorded(recorder.part)) >= states + N_SYMBOLS)
        _, told, _ = recorder.end()
    (path,) = map(Path, told["files"])
    gaps = [gap for batch in read_recording(path, ReadOptions()) for gap in batch.gaps]
    assert {gap.symbol for gap in gaps} == set(market.books)
    assert told["gaps"] == len(gaps) == N_SYMBOLS
    assert all(gap.resynced_ts is not None and gap.got >= gap.expected - 1 for gap in gaps)
    assert all(state.bids and state.asks for state in recorded(path))


def test_two_recorders_of_one_venue(market: Market, lake: Lake) -> None:
    """Each has its own file, and leaves the other's alone."""
    one, *others = sorted(market.books)
    with (
        recording(market, lake, "--symbols", one, symbols=1) as first,
        recording(market, lake, "--symbols", ",".join(others), symbols=len(others)) as second,
    ):
        market.move(60)
        _, of_second, remarks = second.end()
        assert first.process.poll() is None
        _, of_first, _ = first.end()
    assert "finished for a recorder" not in remarks
    for told, symbols in ((of_first, {one}), (of_second, set(others))):
        (path,) = map(Path, told["files"])
        assert {state.symbol for state in recorded(path)} == symbols


def test_a_recording_through_ccxt_plays_back(market: Market, lake: Lake, tmp_path: Path) -> None:
    """The local exchange takes the file for its market: same symbols, increments and books."""
    with recording(market, lake, "--universe", "--ccxt", symbols=N_SYMBOLS) as recorder:
        topics = {f"/spotMarket/level2Depth50:{symbol}" for symbol in market.books}
        until(lambda: topics <= set(market.exchange.subscriptions()))
        market.move(120)
        code, told, _ = recorder.end()
    assert code == 0
    (path,) = map(Path, told["files"])
    for symbol, states in books_of(path).items():
        assert is_part_of(states, market.books[symbol]), symbol
    assert store_listed_markets(lake, "kucoin", day_of(now_ns())).symbols == N_SYMBOLS
    played = open_books(str(path), lake, n_symbols=None, seed=0)
    assert {m.symbol for m in played.markets} == set(market.books)
    assert all(m.base_increment and m.quote_increment and m.min_funds for m in played.markets)
    with running_exchange(tmp_path, "--books", str(path), "--speed", "0") as again:
        assert set(again.symbols) == set(market.books)
        again.operate("POST", "/step", {"states": told["states"]})


def test_a_full_disk_ends_it_with_a_file_that_can_be_read(market: Market, lake: Lake) -> None:
    """One clear line, exit code 2, and all that fitted."""
    limit = 40_000

    def small_disk() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    recorder = Recorder(market, lake, preexec_fn=small_disk)
    try:
        until(lambda: recorder.has_all(N_SYMBOLS))
        while recorder.process.poll() is None:
            market.move(50)
        _, err = recorder.process.communicate(timeout=WAIT_S)
    finally:
        recorder.process.kill()
    assert recorder.process.returncode == 2
    assert "free some space" in err.splitlines()[-1]
    (path,) = recorder.folder.glob("*")
    assert path.name.endswith(".jsonl.zst")
    assert path.stat().st_size <= limit
    assert recorded(path)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--symbols", "BTC-USDT,NO-SUCH"), "the venue lists no NO-SUCH"),
        ((), "give either --symbols A,B or --universe"),
        (("--universe", "--channel", "level3"), "choose one of level2, depth50, depth5, level1"),
        (("--universe", "--ccxt", "--channel", "level2"), "--channel"),
    ],
)
def test_what_cannot_be_recorded_is_told(
    market: Market, lake: Lake, arguments: tuple[str, ...], reason: str
) -> None:
    """In one line, with exit code 2."""
    recorder = Recorder(market, lake, *(arguments or ("--minutes", "1")))
    _, err = recorder.process.communicate(timeout=WAIT_S)
    assert recorder.process.returncode == 2
    assert reason in err
    assert not list(recorder.folder.glob("*"))
