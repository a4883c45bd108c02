"""Processes of the lake's concurrency tests: `python lake_worker.py STOP "ROLE ..." "ROLE ..."`.

Each role is a process of its own, forked before anything of a lake is open, which spares it the
second that its imports would take.

A partition carries its generation in every row, and its generation decides how
many rows it has, so that a reader can tell a whole partition from a torn one.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
import traceback
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.dataset  # what a first commit imports, for half a second

from arb_pipelines.lake.books import read_tops
from arb_pipelines.lake.runs import recorded_run
from arb_pipelines.lake.schemas import BOOK_GAPS, BOOK_TOPS
from arb_pipelines.lake.store import STAGED_ROWS, Lake
from arb_pipelines.settings import load_settings

DAY = date(2025, 8, 31)
SYMBOL = "BTC-USDT"


def rows_of(generation: int) -> int:
    """Every fourth generation is large enough to be staged outside the commit."""
    return (STAGED_ROWS if generation % 4 == 3 else 500) + generation


def write(lake: Lake, venue: str, generation: int) -> None:
    """Replace the partition of ``venue`` in two tables by ``generation``."""
    count = rows_of(generation)
    numbers, ones = np.arange(count), np.ones(count)
    tops = pa.table(
        {
            "venue": [venue] * count,
            "day": [DAY] * count,
            "row_no": numbers,
            "symbol": [SYMBOL] * count,
            "ts_event": pa.nulls(count, pa.int64()),
            "ts_recv": numbers,
            "update_id": np.full(count, generation),
            **dict.fromkeys(("bid_px", "bid_sz", "ask_px", "ask_sz"), ones),
            "source": ["test"] * count,
            "source_row": numbers,
        }
    )
    gap = {"venue": venue, "day": DAY, "source": "test", "symbol": SYMBOL, "resynced_ts": None}
    gaps = BOOK_GAPS.frame([gap | {"ts_recv": 0, "expected": generation, "got": count}])
    lake.replace({"venue": venue, "day": DAY}, {BOOK_TOPS: tops, BOOK_GAPS: gaps})


def check(lake: Lake) -> dict[str, int]:
    """Give each partition's generation.

    Raises:
        AssertionError: a partition is not exactly one generation in both tables.
    """
    found = lake.query(
        "SELECT venue, count(*) AS n, min(update_id) AS low, max(update_id) AS high, "
        "max(row_no) + 1 AS ends, any_value(gap.expected) AS announced "
        "FROM book_tops LEFT JOIN book_gaps AS gap USING (venue, day) GROUP BY venue"
    )
    generations = {}
    for venue, count, low, high, ends, announced in found.rows():
        assert low == high == announced, f"{venue} mixes generations {low} {high} {announced}"
        assert count == ends == rows_of(low), f"{venue} has {count} rows in generation {low}"
        generations[venue] = low
    return generations


def writer(venue: str, commits: str) -> None:
    """Write that many generations of one partition."""
    lake = Lake(load_settings())
    for generation in range(1, int(commits) + 1):
        write(lake, venue, generation)


def appender(commits: str) -> None:
    """Add that many rows to a growing table, one commit each."""
    lake = Lake(load_settings())
    for number in range(int(commits)):
        with recorded_run(lake, "append", str(number), {}):
            pass


def reader(stop: str) -> None:
    """Read until the file ``stop`` is there; the generations seen never fall."""
    lake = Lake(load_settings(), read_only=True)
    seen: dict[str, int] = {}
    while True:
        last_round = Path(stop).exists()
        now = check(lake)
        assert all(now.get(venue, 0) >= generation for venue, generation in seen.items())
        seen = now
        for venue in sorted(seen)[:1]:
            tops = read_tops(lake, venue, DAY, [SYMBOL])
            assert (tops.ts_recv == np.arange(len(tops))).all()
        if last_round:
            break


def killed_writers(kills: str) -> None:
    """Kill writers at random moments; what each leaves is whole, and the next goes on."""
    chance = random.Random(7)
    for _ in range(int(kills)):
        receive, send = os.pipe()
        child = os.fork()  # spares the imports; nothing of the lake is open yet in this process
        if child == 0:
            lake = Lake(load_settings())
            generation = check(lake).get("v", 0)
            while True:
                generation += 1
                write(lake, "v", generation)
                os.write(send, b"%d\n" % generation)
        os.close(send)
        reported = os.read(receive, 4096)
        time.sleep(chance.uniform(0, 0.15))  # any moment will do; none is waited for
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        while part := os.read(receive, 4096):
            reported += part
        os.close(receive)
        if os.fork() == 0:
            left, last = check(Lake(load_settings()))["v"], int(reported.split()[-1])
            os._exit(0 if left in (last, last + 1) else 1)
        assert os.wait()[1] == 0, f"a killed writer left something else than it said: {reported!r}"


def together(stop: str, *roles: str) -> int:
    """Run each role in a process; when all but the readers have ended, have those end too.

    Gives 1 if one of them failed, whose complaint is on stderr, otherwise 0.
    """
    running: dict[int, str] = {}
    for role in roles:
        child = os.fork()
        if child == 0:
            os._exit(_played(role))
        running[child] = role
    wrong = 0
    while running:
        if all(role.startswith(reader.__name__) for role in running.values()):
            Path(stop).touch()
        child, status = os.wait()
        del running[child]
        wrong = wrong or int(status != 0)
    return wrong


def _played(role: str) -> int:
    name, *arguments = role.split()
    try:
        {f.__name__: f for f in (writer, appender, reader, killed_writers)}[name](*arguments)
    except Exception:  # noqa: BLE001 - the process's edge
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(together(*sys.argv[1:]))
