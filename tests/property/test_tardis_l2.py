"""Rebuilding Tardis's incremental books against dictionaries of prices."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from arb_pipelines.lake.readers import tardis_csv
from arb_pipelines.lake.readers.base import ReadOptions
from arb_pipelines.lake.readers.tardis import read_incremental_book_l2

HEADER = "exchange,symbol,timestamp,local_timestamp,is_snapshot,side,price,amount"

lines = st.tuples(
    st.sampled_from(["AA", "BB", "CC"]),
    st.integers(0, 2),  # time since the line before
    st.sampled_from([False, False, False, True]),
    st.sampled_from(["bid", "ask"]),
    st.integers(1, 9),
    st.integers(-1, 3),  # -1 is a bad amount
)


def oracle(recorded: list[tuple], depth: int) -> tuple[list[tuple], list[tuple]]:
    """States and refusals by the documented rules, with a dictionary a side and no cleverness."""
    states, refused = [], []
    for symbol in sorted({line[1] for line in recorded}):
        book: dict[str, dict[float, float]] = {"bid": {}, "ask": {}}
        status = "no snapshot"
        mine = [line for line in recorded if line[1] == symbol]
        for _, group in groupby(mine, key=lambda line: line[2]):
            message = list(group)
            bad, before_snapshot = False, True
            for _, _, _, is_snapshot, side, price, amount in message:
                if is_snapshot and before_snapshot:
                    book, status, bad = {"bid": {}, "ask": {}}, "", False
                before_snapshot = not is_snapshot
                bad = bad or amount < 0
                book[side][price] = amount
            row = message[-1][0]
            if bad:
                refused.append((row, "bad level"))
                status = "book lost to a bad level"
            elif status:
                refused.append((row, status))
            else:
                bids = sorted((p, s) for p, s in book["bid"].items() if s)[::-1][:depth]
                asks = sorted((p, s) for p, s in book["ask"].items() if s)[:depth]
                states.append((row, symbol, bids, asks))
    return sorted(states), sorted(refused)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(drawn=st.lists(lines, min_size=1, max_size=60), depth=st.integers(1, 5), small=st.booleans())
def test_incremental_equals_dictionaries(monkeypatch, drawn, depth, small):
    """Every state and refusal is the oracle's, wherever the file is cut into batches."""
    monkeypatch.setattr(tardis_csv, "_BLOCK_BYTES", 120 if small else 1 << 20)
    now, recorded = 1_700_000_000_000_000, []
    for row, (symbol, step, *rest) in enumerate(drawn):
        now += step
        recorded.append((row, symbol, now, *rest))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "x_incremental_book_L2_2024-03-01_ALL.csv"
        text = [
            f"x,{symbol},{at},{at},{str(snapshot).lower()},{side},{price},{amount}"
            for _, symbol, at, snapshot, side, price, amount in recorded
        ]
        path.write_text("\n".join([HEADER, *text]) + "\n")
        batches = list(read_incremental_book_l2(path, ReadOptions(depth=depth)))
    found = [
        (
            row["row"],
            row["symbol"],
            list(zip(row["bids_px"], row["bids_sz"], strict=True)),
            list(zip(row["asks_px"], row["asks_sz"], strict=True)),
        )
        for batch in batches
        for row in batch.rows.to_pylist()
    ]
    refused = [(r.row, r.reason) for batch in batches for r in batch.rejected]
    assert (found, refused) == oracle(recorded, depth)
    silent = sum(batch.silent for batch in batches)
    assert len(found) + len(refused) + silent == len(recorded)
