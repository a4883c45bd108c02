"""Books that the local exchange plays: one market, read from a file, from the lake, and made."""

from __future__ import annotations

import socket
from datetime import date
from itertools import islice, pairwise
from pathlib import Path

import pytest

from arb_pipelines import cli
from arb_pipelines.clock import NS_PER_S
from arb_pipelines.errors import ConfigError, DataError
from arb_pipelines.generator.write import generate
from arb_pipelines.lake.ingest import ingest_files
from arb_pipelines.lake.markets import store_markets
from arb_pipelines.lake.recording.format import BookState
from arb_pipelines.lake.store import Lake
from arb_pipelines.research.exchange_books import open_books
from arb_pipelines.venues.symbol_lists import read_symbol_list

DAY = date(2026, 1, 5)


def shown(state: BookState) -> tuple[object, ...]:
    """What of a state the exchange shows."""
    return state.symbol, state.ts_recv, tuple(state.bids), tuple(state.asks)


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """A generated recording of ten seconds and six symbols."""
    made = generate(tmp_path / "made", days=[DAY], symbols=6, minutes=1 / 6, seed=5)
    return made.recordings[0].path


def test_a_file_and_the_lake_give_the_same_books(lake: Lake, recording: Path) -> None:
    """Symbols, limits and every level of every state are alike, in the same order."""
    markets = read_symbol_list(recording.parent / "symbols.json", "demo")
    store_markets(lake, "demo", DAY, markets, list_day=DAY)
    ingest_files(lake, [recording], venue="demo", format="recording")
    filed = open_books(str(recording), lake, n_symbols=None, seed=0)
    stored = open_books(f"demo/{DAY}", lake, n_symbols=None, seed=0)
    assert filed.markets == stored.markets
    of_file = [shown(state) for state in filed.states]
    assert len(of_file) == 120
    assert of_file == [shown(state) for state in stored.states]


def test_fewer_symbols_leave_out_the_others_states(lake: Lake, recording: Path) -> None:
    """Only the first symbols by name are listed and played."""
    books = open_books(str(recording), lake, n_symbols=2, seed=0)
    listed = {market.symbol for market in books.markets}
    assert len(listed) == 2
    assert {state.symbol for state in books.states} == listed


def test_the_generator_goes_on_and_is_seeded(lake: Lake) -> None:
    """Generated books begin with each symbol's state, move on in time, and come again."""
    first, second = (open_books("generator", lake, n_symbols=5, seed=9) for _ in range(2))
    states = list(islice(first.states, 500))
    assert {state.symbol for state in states[:5]} == {market.symbol for market in first.markets}
    assert all(a.ts_recv <= b.ts_recv for a, b in pairwise(states))
    assert states[-1].ts_recv - states[0].ts_recv > 30 * NS_PER_S
    assert states == list(islice(second.states, 500))
    assert all(len(state.bids) == len(state.asks) == 20 for state in states)


def test_sources_without_books_are_refused(lake: Lake, tmp_path: Path) -> None:
    """No such file, an empty day and a file of something else are said by name."""
    with pytest.raises(ConfigError, match="no file"):
        open_books("nothing", lake, n_symbols=None, seed=0)
    with pytest.raises(ConfigError, match=r"demo on 2026-01-05"):
        open_books(f"demo/{DAY}", lake, n_symbols=None, seed=0)
    (tmp_path / "other").write_text("hello")
    with pytest.raises(DataError, match="other"):
        open_books(str(tmp_path / "other"), lake, n_symbols=None, seed=0)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--books", "nothing"],
        ["--account", "key"],
        ["--balance", "USDT"],
        ["--port", "70000"],
        ["--symbols", "2"],
    ],
)
def test_bad_usage_is_one_line_and_exit_code_2(
    arguments: list[str], home: object, capsys: pytest.CaptureFixture[str]
) -> None:
    """A command line that cannot be served ends at once and says why."""
    with pytest.raises(SystemExit) as ended:
        cli.main(["exchange", *arguments])
    assert ended.value.code == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.strip().splitlines()) == 1


def test_a_port_that_is_taken_is_said(home: object, capsys: pytest.CaptureFixture[str]) -> None:
    """A second exchange on one port ends at once with the port in its message."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(SystemExit) as ended:
            cli.main(["exchange", "--port", str(port), "--symbols", "3"])
    assert ended.value.code == 2
    assert f"port {port}" in capsys.readouterr().err


def test_a_recording_that_breaks_off_ends_the_exchange(
    recording: Path, home: object, capsys: pytest.CaptureFixture[str]
) -> None:
    """Damage in the middle of a recording is an error of the command, not a silent market."""
    whole = recording.read_bytes()
    damaged = recording.with_name("damaged.jsonl.zst")
    damaged.write_bytes(whole[:2000] + bytes(1000) + whole[3000:])
    with pytest.raises(SystemExit) as ended:
        cli.main(["exchange", "--books", str(damaged), "--speed", "10000"])
    assert ended.value.code == 2
    assert "damaged.jsonl.zst" in capsys.readouterr().err
