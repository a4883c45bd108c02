"""Raw recordings: which files belong together, and what becomes of every kind of line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import zstandard

from arb_pipelines.errors import DataError
from arb_pipelines.lake.readers.base import Batch, Gap, ReadOptions
from arb_pipelines.lake.readers.cryptofeed import read_cryptofeed
from arb_pipelines.lake.readers.cryptofeed_files import embedded_symbol_list, recording_files

CONNECTED = "wss://push-private.kucoin.com/endpoint?token=TOKEN <-> 1619378325.387221"
URL = "https://api.kucoin.com/api/v3/market/orderbook/level2?symbol="


def delta(
    at: str, first: int, last: int | None = None, *, symbol: str = "BTC-USDT", **sides
) -> str:
    """One KuCoin level-2 line, received at ``at``."""
    last = first if last is None else last
    changes = {
        side: [[*level, str(last)] for level in sides.get(side, [])] for side in ("asks", "bids")
    }
    data = {"sequenceStart": first, "sequenceEnd": last, "symbol": symbol, "changes": changes}
    topic = f"/market/level2:{symbol}"
    message = {"data": data, "subject": "trade.l2update", "topic": topic, "type": "message"}
    return f"{at}: {json.dumps(message)}"


def snapshot(at: str, sequence: int, symbol: str = "BTC-USDT") -> str:
    """One recorded REST snapshot: 100 bid, 101 asked."""
    data = {"sequence": str(sequence), "bids": [["100", "1"]], "asks": [["101", "2"], ["102", "3"]]}
    return f"{URL}{symbol} -> {at}: {json.dumps({'code': '200000', 'data': data})}"


def record(folder: Path, socket: list[str], answers: list[str], *, compress: bool = False) -> Path:
    """Write a recording and return the socket's file."""
    end = ".zst" if compress else ""
    for name, lines in (("KUCOIN.ws.1.0", [CONNECTED, *socket]), ("KUCOIN.http.0.0", answers)):
        text = "".join(line + "\n" for line in lines).encode()
        (folder / f"{name}{end}").write_bytes(zstandard.compress(text) if compress else text)
    return folder / f"KUCOIN.ws.1.0{end}"


def read(path: Path, **options) -> Batch:
    """The only batch of a small recording."""
    (batch,) = read_cryptofeed(path, ReadOptions(**options))
    return batch


@pytest.mark.parametrize("compress", [False, True])
def test_snapshot_and_deltas_become_states(tmp_path, compress):
    """Covered deltas are silent, held ones become states with the snapshot, others at once."""
    socket = [
        '1.5: {"id":"1","type":"ack"}',
        delta("2", 6, bids=[("90", "9")]),
        delta("2.1", 7, bids=[("100.5", "4")]),
        delta("4.000000001", 8, asks=[("101", "0"), ("0", "0")]),
        "",
    ]
    batch = read(record(tmp_path, socket, [snapshot("3.25", 6), ""], compress=compress))
    held, direct = batch.rows.to_pylist()
    assert (held["row"], held["ts_recv"], held["update_id"]) == (3, 3_250_000_000, 7)
    assert (held["bids_px"], held["bids_sz"]) == ([100.5, 100.0], [4.0, 1.0])
    assert (direct["row"], direct["ts_recv"]) == (4, 4_000_000_001)
    assert (direct["ask_px"], direct["asks_px"]) == (102.0, [102.0])
    assert (direct["ts_event"], direct["base"]) == (None, None)
    assert (batch.rejected, batch.gaps, batch.silent) == ([], [], 4)


def test_depth_limits_the_states(tmp_path):
    """``depth`` levels are shown a side; those below are still known when needed."""
    socket = [delta("4", 7, asks=[("101", "0")])]
    batch = read(record(tmp_path, socket, [snapshot("3", 6)]), depth=1)
    assert batch.rows.to_pylist()[0]["asks_px"] == [102.0]


def test_a_gap_without_another_snapshot_ends_the_symbol(tmp_path):
    """After a gap nothing of the symbol is a state; other symbols go on."""
    socket = [
        delta("4", 7),
        delta("5", 9),
        delta("6", 10),
        delta("7", 3, symbol="ETH-USDT"),
        delta("8", 12),
    ]
    batch = read(record(tmp_path, socket, [snapshot("3", 6), snapshot("3", 2, "ETH-USDT")]))
    assert [row["row"] for row in batch.rows.to_pylist()] == [1, 4]
    assert [(r.row, r.reason, r.symbol) for r in batch.rejected] == [
        (row, "sequence gap", "BTC-USDT") for row in (2, 3, 5)
    ]
    assert batch.gaps == [
        Gap("BTC-USDT", 5_000_000_000, 8, 9),
        Gap("BTC-USDT", 8_000_000_000, 11, 12),
    ]


def test_a_snapshot_heals_a_gap(tmp_path):
    """Deltas that the healing snapshot covers are refused, those after it become states."""
    socket = [
        delta("4", 7),
        delta("5", 9),
        delta("6", 10, bids=[("100.5", "1")]),
        delta("8", 11),
    ]
    batch = read(record(tmp_path, socket, [snapshot("3", 6), snapshot("7", 9)]))
    assert [(r["row"], r["ts_recv"], r["bid_px"]) for r in batch.rows.to_pylist()] == [
        (1, 4_000_000_000, 100.0),
        (3, 7_000_000_000, 100.5),
        (4, 8_000_000_000, 100.5),
    ]
    assert [(r.row, r.reason) for r in batch.rejected] == [(2, "sequence gap")]
    assert batch.gaps == [Gap("BTC-USDT", 5_000_000_000, 8, 9, 7_000_000_000)]


def test_a_snapshot_older_than_the_stream_is_a_gap(tmp_path):
    """A snapshot that the first delta does not continue cannot start the book."""
    batch = read(record(tmp_path, [delta("4", 9)], [snapshot("3", 6)]))
    assert batch.gaps == [Gap("BTC-USDT", 4_000_000_000, 7, 9)]
    assert [(r.row, r.reason) for r in batch.rejected] == [(1, "sequence gap")]
    batch = read(record(tmp_path, [delta("4", 9)], [snapshot("5", 6)]))
    assert batch.gaps == [Gap("BTC-USDT", 4_000_000_000, 7, 9)]
    assert [(r.row, r.reason) for r in batch.rejected] == [(1, "sequence gap")]


def test_what_cannot_be_used_is_refused_with_its_line(tmp_path):
    """Garbage, bad levels, repeats and symbols without a snapshot are named, never dropped."""
    socket = [
        delta("4", 7),
        "garbage",
        '5: {"data":',
        delta("6", 8, bids=[("-1", "2")]),
        delta("6", 8, bids=[("nan", "2")]),
        delta("6", 8),
        delta("7", 7),
        delta("8", 1, symbol="NEW-USDT"),
        '9: {"subject":"trade.l2update","data":{}}',
    ]
    batch = read(record(tmp_path, socket, [snapshot("3", 6)]))
    assert [row["row"] for row in batch.rows.to_pylist()] == [1, 6]
    assert [(r.row, r.reason) for r in batch.rejected] == [
        (2, "bad line"),
        (3, "bad line"),
        (4, "bad line"),
        (5, "bad line"),
        (7, "repeated sequence"),
        (8, "no snapshot"),
        (9, "bad line"),
    ]
    assert batch.rejected[1].ts_recv == 5_000_000_000
    assert batch.silent == 1


def test_a_socket_goes_on_in_its_next_file(tmp_path):
    """Parts of a socket are one stream, lines counted through; any file of it names them all."""
    first = record(tmp_path, [delta("4", 7)], [snapshot("3", 6)])
    second = tmp_path / "KUCOIN.ws.1.1.zst"
    second.write_bytes(zstandard.compress(delta("5", 8).encode()))
    assert recording_files(second) == (first, second, tmp_path / "KUCOIN.http.0.0")
    assert recording_files(tmp_path / "KUCOIN.http.0.0") == recording_files(first)
    for path in (first, second, tmp_path):
        assert [row["row"] for row in read(path).rows.to_pylist()] == [1, 2]


def test_the_embedded_symbol_list(tmp_path):
    """The venue's symbol list comes out of a recording as it was sent."""
    socket = record(tmp_path, [], [snapshot("3", 6)])
    assert embedded_symbol_list(socket) is None
    body = '{"code":"200000","data":[]}'
    listing = tmp_path / "KUCOIN.0.zst"
    text = f"https://api.kucoin.com/api/v1/symbols -> 1.5: {body}\nconfiguration: {{}}\n"
    listing.write_bytes(zstandard.compress(text.encode()))
    for path in (socket, listing, tmp_path):
        assert embedded_symbol_list(path) == body.encode()


@pytest.mark.parametrize("name", ["KUCOIN.ws.1.0.zst", "KUCOIN.http.0.0.zst"])
def test_a_cut_file_is_refused(tmp_path, name):
    """Compressed data that ends in the middle is an error, in the socket's file or beside it."""
    socket = [delta(str(4 + i), 7 + i, bids=[("100", str(i))]) for i in range(500)]
    path = record(tmp_path, socket, [snapshot("3", 6)], compress=True)
    cut = tmp_path / name
    cut.write_bytes(cut.read_bytes()[:-3])
    with pytest.raises(DataError, match="middle of its compressed data") as caught:
        read(path)
    assert caught.value.source == str(cut)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (zstandard.compress(b""), "is empty"),
        (b"a,b\n1,2\n", "no recording of a known venue"),
        (b"\x28\xb5\x2f\xfd damaged", "is damaged|middle of its"),
    ],
)
def test_another_kind_of_file_is_refused(tmp_path, content, reason):
    """Empty, damaged and foreign files are errors that name the file."""
    path = tmp_path / "books.txt"
    path.write_bytes(content)
    with pytest.raises(DataError, match=reason) as caught:
        read(path)
    assert caught.value.source == str(path)


def test_a_broken_snapshot_is_named(tmp_path):
    """A REST answer that is no book stops the ingest with the file and the line."""
    broken = f'{URL}BTC-USDT -> 3.0: {{"code":"200000","data":{{"sequence":"x"}}}}'
    with pytest.raises(DataError, match="broken snapshot") as caught:
        read(record(tmp_path, [delta("4", 7)], [snapshot("2", 6), broken]))
    assert caught.value.row == 1
    refused = f'{URL}BTC-USDT -> 3.0: {{"code":"429000","msg":"too many requests"}}'
    batch = read(record(tmp_path, [delta("4", 7)], [refused]))
    assert [r.reason for r in batch.rejected] == ["no snapshot"]


def test_a_folder_of_several_sockets_must_be_named(tmp_path):
    """A folder does not say which of several sockets is meant."""
    record(tmp_path, [], [])
    (tmp_path / "KRAKEN.ws.48.0").write_text("wss://ws.kraken.com <-> 1.5\n")
    with pytest.raises(DataError, match=r"KRAKEN\.ws\.48\.0, KUCOIN\.ws\.1\.0"):
        read(tmp_path)
