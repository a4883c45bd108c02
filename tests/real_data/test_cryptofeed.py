"""The recorded sockets: rebuilt books against what the venues themselves said of them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from arb_pipelines.lake.readers.base import Batch, ReadOptions
from arb_pipelines.lake.readers.cryptofeed import read_cryptofeed
from arb_pipelines.lake.readers.cryptofeed_files import (
    embedded_symbol_list,
    find_recording,
    holds_books,
    lines,
    recording_files,
    venue_of,
)


@pytest.fixture(scope="module")
def recordings(real_data: Path) -> Path:
    """Folder of the recordings."""
    return real_data / "cryptofeed_recordings"


def read(path: Path) -> Batch:
    """The only batch of a recording."""
    (batch,) = read_cryptofeed(path, ReadOptions())
    return batch


def messages(path: Path) -> Iterator[tuple[int, dict]]:
    """Received messages with their line numbers."""
    for row, line in enumerate(lines(path)):
        if line[:1].isdigit():
            yield row, orjson.loads(line.partition(b": ")[2])


def tops(batch: Batch) -> dict[tuple[str, int], tuple[float, ...]]:
    """Best bid and ask with sizes, by symbol and update number."""
    names = ("bid_px", "bid_sz", "ask_px", "ask_sz")
    return {
        (row["symbol"], row["update_id"]): tuple(row[name] for name in names)
        for row in batch.rows.to_pylist()
    }


def test_kucoin_equals_its_own_ticker(recordings):
    """Whenever the ticker speaks of a number the book passed, both tops are the same."""
    path = recordings / "KUCOIN.ws.1.0.zst"
    states, compared = tops(read(path)), 0
    for _, message in messages(path):
        if message.get("subject") == "trade.ticker":
            data, symbol = message["data"], message["topic"].partition(":")[2]
            state = states.get((symbol, int(data["sequence"])))
            if state is not None:
                names = ("bestBid", "bestBidSize", "bestAsk", "bestAskSize")
                assert state == tuple(float(data[name]) for name in names)
                compared += 1
    assert compared == 810


def test_kucoin_has_no_gap_and_loses_no_message(recordings):
    """No gap is reported; every level-2 message is a state or was covered by a snapshot."""
    path = recordings / "KUCOIN.ws.1.0.zst"
    batch = read(path)
    level2 = sum(message.get("subject") == "trade.l2update" for _, message in messages(path))
    total = sum(1 for _ in lines(path))
    assert (batch.gaps, batch.rejected) == ([], [])
    assert batch.rows.num_rows == 3805 <= level2
    assert batch.rows.num_rows + batch.silent == total
    received = batch.rows["ts_recv"].to_pylist()
    assert received == sorted(received)


def inner_lines(path: Path) -> list[int]:
    """Level-2 lines that are neither the first nor the last of their symbol."""
    by_symbol: dict[str, list[int]] = {}
    for row, message in messages(path):
        if message.get("subject") == "trade.l2update":
            by_symbol.setdefault(message["data"]["symbol"], []).append(row)
    return sorted(row for rows in by_symbol.values() for row in rows[1:-1])


@pytest.mark.parametrize("share", [0, 0.003, 0.01, 0.1, 0.25, 0.4, 0.6, 0.8, 0.95, 1])
def test_kucoin_without_one_line_has_one_gap(recordings, tmp_path, share):
    """Any lost level-2 line, before its snapshot or after, is one gap, and no state lies."""
    source = recordings / "KUCOIN.ws.1.0.zst"
    candidates = inner_lines(source)
    lost = candidates[round(share * (len(candidates) - 1))]
    for name in ("KUCOIN.http.0.0.zst", "KUCOIN.0.zst"):
        shutil.copy(recordings / name, tmp_path)
    path = tmp_path / "KUCOIN.ws.1.0"
    path.write_bytes(b"\n".join(line for row, line in enumerate(lines(source)) if row != lost))
    batch, whole = read(path), tops(read(source))
    (gap,) = batch.gaps
    assert gap.got - gap.expected >= 1
    assert tops(batch).items() <= whole.items()
    assert {rejected.symbol for rejected in batch.rejected} <= {gap.symbol}
    assert batch.rows.num_rows + len(batch.rejected) + batch.silent == sum(1 for _ in lines(path))


def test_binance_equals_its_own_book_ticker(recordings):
    """Whenever ``bookTicker`` speaks of a number the book passed, both tops are the same."""
    path = recordings / "BINANCE.ws.1.0.zst"
    batch = read(path)
    assert (batch.gaps, batch.rejected) == ([], [])
    states, compared = tops(batch), 0
    for _, message in messages(path):
        data = message.get("data", {})
        state = states.get((data.get("s"), data.get("u")))
        if message.get("stream", "").endswith("@bookTicker") and state is not None:
            assert state == tuple(float(data[name]) for name in "bBaA")
            compared += 1
    assert compared == 26


def test_kraken_passes_every_checksum(recordings):
    """All ten snapshots and 4,269 updates, each with the venue's checksum, become states."""
    path = recordings / "KRAKEN.ws.50.0.zst"
    batch = read(path)
    checked = sum(b'"c":"' in line for line in lines(path))
    assert (batch.gaps, batch.rejected) == ([], [])
    assert (checked, batch.rows.num_rows) == (4269, 4279)


def test_kraken_without_a_line_fails_its_checksum(recordings, tmp_path):
    """A lost change near the top shows in the next checksum, and the symbol stops there."""
    source = recordings / "KRAKEN.ws.50.0.zst"
    kept = list(lines(source))
    lost = next(row for row, line in enumerate(kept) if b'"c":' in line and b"XMR/USD" in line)
    path = tmp_path / "KRAKEN.ws.50.0"
    path.write_bytes(b"\n".join(line for row, line in enumerate(kept) if row != lost))
    batch = read(path)
    (gap,) = batch.gaps
    assert (gap.symbol, gap.resynced_ts) == ("XMR/USD", None)
    assert {(r.symbol, r.reason) for r in batch.rejected} == {("XMR/USD", "checksum mismatch")}


def test_the_venue_is_told_by_the_address(recordings, tmp_path):
    """The address on the first line says whose recording it is, whatever the file is called."""
    for venue in ("BINANCE.ws.1.0.zst", "KRAKEN.ws.50.0.zst", "KUCOIN.ws.1.0.zst"):
        copy = tmp_path / "x.ws.1.0"
        copy.write_bytes((recordings / venue).read_bytes())
        assert venue_of(find_recording(copy)) == venue.partition(".")[0].lower()


def test_what_to_take_of_the_folder(recordings):
    """Of all files of all venues, those of a venue's sockets with books."""
    for venue, socket in (("kucoin", 1), ("binance", 1), ("kraken", 50)):
        taken = {
            recording_files(path)[0].name
            for path in recordings.glob("*.zst")
            if ".ws." in path.name and holds_books(path, venue)
        }
        assert taken == {f"{venue.upper()}.ws.{socket}.0.zst"}


@pytest.mark.parametrize(
    ("name", "count"), [("KUCOIN.0.zst", 634), ("BINANCE.0.zst", 1695), ("KRAKEN.0.zst", 304)]
)
def test_recordings_carry_their_symbol_lists(recordings, name, count):
    """The lists inside the recordings are whole."""
    document = orjson.loads(embedded_symbol_list(recordings / name) or b"")
    listed = document.get("data") or document.get("symbols") or document.get("result")
    assert len(listed) == count
