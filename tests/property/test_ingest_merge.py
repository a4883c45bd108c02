"""What a partition holds depends on its files alone, not on how they came."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from arb_pipelines.lake.ingest import ingest_files
from arb_pipelines.lake.store import Lake
from arb_pipelines.settings import load_settings
from tests.fakes.book_files import START, Row, l1_file

# Two symbols, few times and prices: states shared between files are common.
rows = st.tuples(
    st.integers(0, 4),
    st.sampled_from(["BTCUSDT", "ETHUSDT"]),
    st.sampled_from([1.0, 2.0, None]),
    st.sampled_from([2.0, 3.0]),
    st.sampled_from([1, 2, None]),
)
contents = st.lists(rows, min_size=1, max_size=8)
ingests = st.lists(st.tuples(st.sampled_from("abc"), contents), min_size=1, max_size=5)


def expected(files: dict[str, list[Row]]) -> tuple[list[Row], dict[str, tuple[int, int]]]:
    """Rows of the partition in order, and accepted and rejected rows a file; slow and literal."""
    accepted: list[tuple[int, str, int, Row]] = []
    for name, listed in files.items():
        last: dict[str, Row] = {}
        for number, row in enumerate(listed):
            at, symbol, bid, ask, _ = row
            crossed = bid is not None and ask is not None and bid >= ask
            before = last.get(symbol)
            if crossed or (before is not None and (row == before or at < before[0])):  # type: ignore[operator]
                continue
            last[symbol] = row
            accepted.append((at or 0, name, number, row))
    kept, first_in = [], {}
    for at, name, number, row in sorted(accepted, key=lambda one: one[:3]):
        if first_in.setdefault(row, name) == name:
            kept.append((at, name, number, row))
    taken = {name: sum(one[1] == name for one in kept) for name in files}
    return [one[3] for one in kept], {
        name: (taken[name], len(listed) - taken[name]) for name, listed in files.items()
    }


@settings(max_examples=8, deadline=None)
@given(ingests)
def test_any_history_of_files_gives_what_the_last_versions_give(
    history: list[tuple[str, list[Row]]],
) -> None:
    """Files come one by one, some again with other rows, some with states that others have."""
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake(load_settings(home=Path(folder) / "home"))
        files: dict[str, list[Row]] = {}
        for turn, (name, listed) in enumerate(history):
            if listed in files.values():  # the same bytes are the same file, renamed
                files = {other: held for other, held in files.items() if held != listed}
            files[name] = listed
            path = l1_file(Path(folder) / str(turn) / name, listed)
            report = ingest_files(lake, [path], venue="binance", format="l1")
            assert report.rows_read == len(listed)
        wanted, counts = expected(files)
        found = lake.query(
            "SELECT ts_recv, replace(symbol, '-', ''), bid_px, ask_px, update_id "
            "FROM book_tops ORDER BY row_no"
        ).rows()
        assert [(ts - START, *rest) for ts, *rest in found] == wanted
        ledger = lake.query("SELECT source, rows_accepted, rows_rejected FROM ingests").rows()
        assert {name: (taken, refused) for name, taken, refused in ledger} == counts
        refused = lake.query("SELECT source, count(*) FROM rejected_rows GROUP BY 1").rows()
        assert dict(refused) == {name: bad for name, (_, bad) in counts.items() if bad}
