"""Rows that replace those of the same key, wherever those lie."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl

from arb_pipelines.lake.maintenance import flush
from arb_pipelines.lake.schemas import STRATEGY_TRANSITIONS
from arb_pipelines.lake.store import Lake
from arb_pipelines.lake.transaction import Transaction
from arb_pipelines.settings import Settings

DAY = date(2025, 8, 31)
TABLE = STRATEGY_TRANSITIONS
Key = tuple[object, ...]


def put(lake: Lake, rows: dict[Key, str]) -> int:
    """Upsert a row of each key that says something."""
    frame: pl.DataFrame = TABLE.frame(
        [
            dict(zip(TABLE.key, key, strict=True))
            | {"ts": 1, "to_state": "s", "what": "w", "why": why}
            for key, why in rows.items()
        ]
    )

    def work(transaction: Transaction) -> int:
        return transaction.upsert(TABLE, frame)

    return lake.commit(work)


def found(lake: Lake) -> list[tuple[object, ...]]:
    """Key and what it says of each row, in the order of the keys."""
    names = ", ".join(TABLE.key)
    return lake.query(f"SELECT {names}, why FROM {TABLE.name} ORDER BY ALL").rows()


def test_a_row_written_again_replaces_itself_wherever_it_lies(any_home: Settings) -> None:
    """In the catalog or in any of many files, however its key sorts."""
    lake, chance = Lake(any_home), np.random.default_rng(7)
    wanted: dict[Key, str] = {}
    for number in range(24):
        rows = {
            (
                "v",
                DAY + timedelta(days=int(chance.integers(2))),
                str(chance.choice(["a", "B"])),
                f"c-{chance.integers(8, 14)}",
                int(chance.integers(3)),
            ): str(number)
            for _ in range(8)
        }
        assert put(lake, rows) == len(rows)
        wanted |= rows
        if number % 5 == 4:
            assert flush(lake) > 0
    assert found(lake) == sorted((*key, why) for key, why in wanted.items())


def test_no_rows_replace_none(lake: Lake) -> None:
    """What is there stays."""
    key = ("v", DAY, "a", "c-1", 0)
    assert put(lake, {key: "here"}) == 1
    assert put(lake, {}) == 0
    assert found(lake) == [(*key, "here")]
