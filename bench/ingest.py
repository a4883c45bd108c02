"""Ingest: rows of books a second, Parquet to lake, with every check.

The peer is DuckDB's own ``INSERT … SELECT FROM read_parquet`` into the same
lake, which checks nothing and numbers nothing.
"""

from __future__ import annotations

import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from arb_pipelines.lake.ingest import ingest_files
from arb_pipelines.lake.store import Lake
from arb_pipelines.settings import load_settings

ROWS = 20_000_000
SYMBOLS = 200
CHUNK = 1_000_000
RUNS = 3
BAR_MILLIONS = 2.0
_DAY_START_NS = 1_725_148_800_000_000_000  # 2024-09-01

_PEER = """
INSERT INTO book_tops BY NAME
SELECT 'bench' AS venue, DATE '2024-09-01' AS day, update_id AS row_no, symbol,
       event_ms * 1000000 AS ts_event, recv_ns AS ts_recv, update_id,
       bid AS bid_px, bid_sz, ask AS ask_px, ask_sz, 'books' AS source, update_id AS source_row
FROM read_parquet('{file}')
"""


def run() -> list[dict[str, object]]:
    """Measure our ingest and the peer in turn, each into a fresh lake; give the medians."""
    with tempfile.TemporaryDirectory(prefix="bench-ingest-") as folder:
        root = Path(folder)
        file = root / "books.parquet"
        write_books(file, ROWS)
        _ours(root / "warm-up", _head(file, root))  # compiles the kernel
        ours = [_rate(_ours, root / f"ours-{i}", file) for i in range(RUNS)]
        peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        peer = [_rate(_peer, root / f"peer-{i}", file) for i in range(RUNS)]
    rate, peer_rate = statistics.median(ours), statistics.median(peer)
    return [
        {
            "name": f"ingest, {ROWS // 1_000_000} M rows of {SYMBOLS} symbols, Parquet to lake",
            "ours": rate,
            "peer": peer_rate,
            "ratio": rate / peer_rate,
            "unit": "M rows/s",
            "bar": f">= {BAR_MILLIONS} M rows/s",
            "holds": rate >= BAR_MILLIONS,
            "peak_mib": peak_mib,
        }
    ]


def write_books(file: Path, rows: int) -> None:
    """Write a day of ``l1`` rows in order of time, the symbols in turn at random."""
    random = np.random.default_rng(1)
    names = pa.array([f"C{index:03d}USDT" for index in range(SYMBOLS)])
    mid = random.uniform(1, 1000, SYMBOLS).round(2)
    step = 86_000_000_000_000 // rows
    clock = _DAY_START_NS
    writer: pq.ParquetWriter | None = None
    for first in range(0, rows, CHUNK):
        n = min(CHUNK, rows - first)
        ts = clock + np.cumsum(random.integers(1, 2 * step, n))
        clock = int(ts[-1])
        symbol = random.integers(0, SYMBOLS, n, dtype=np.int32)
        bid = (mid[symbol] * (1 + random.normal(0, 0.001, n))).round(4)
        table = pa.table(
            {
                "symbol": pa.DictionaryArray.from_arrays(symbol, names).cast(pa.string()),
                "recv_ns": ts,
                "event_ms": ts // 1_000_000 - 3,
                "update_id": np.arange(first, first + n),
                "bid": bid,
                "bid_sz": random.exponential(5, n).round(4) + 0.0001,
                "ask": bid + 0.01,
                "ask_sz": random.exponential(5, n).round(4) + 0.0001,
            }
        )
        writer = writer or pq.ParquetWriter(file, table.schema)
        writer.write_table(table)
    if writer:
        writer.close()


def _head(file: Path, root: Path) -> Path:
    head = root / "head.parquet"
    pq.write_table(pa.Table.from_batches([next(pq.ParquetFile(file).iter_batches(1000))]), head)
    return head


def _rate(work: Callable[[Path, Path], None], home: Path, file: Path) -> float:
    Lake(load_settings(home=home)).connect().close()
    started = time.perf_counter()
    work(home, file)
    return ROWS / (time.perf_counter() - started) / 1e6


def _ours(home: Path, file: Path) -> None:
    ingest_files(Lake(load_settings(home=home)), [file], venue="bench", format="l1")


def _peer(home: Path, file: Path) -> None:
    Lake(load_settings(home=home)).commit(
        lambda transaction: transaction.connection.execute(_PEER.format(file=file))
    )
