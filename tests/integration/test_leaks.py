"""The search for words that only the environment may know finds them where they hide."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import dagster as dg
import polars as pl

from arb_pipelines.lake.maintenance import maintain
from arb_pipelines.lake.runs import recorded_run
from arb_pipelines.lake.schemas import BARS
from arb_pipelines.lake.store import Lake
from tests.leaks import leaks

DAY = date(2026, 1, 5)
WORD = "kc-6a1f9e0b7d52c483"
WORDS = {"passphrase": WORD, "key": "nowhere-0123456789"}


def plant(lake: Lake, rows: int, said: str) -> None:
    """Write so many runs to the lake, of which the last but one has said something."""
    for number in range(rows):
        text = said if number == rows - 2 else f"{number}"
        with recorded_run(lake, "task", f"{rows}-{number}", {"said": text}):
            pass


def test_a_word_in_the_lake_is_named_by_table_and_column(lake: Lake) -> None:
    """While it waits in the catalog, and when it is in a compressed file."""
    plant(lake, 3, f"before {WORD} after")
    assert "passphrase: table runs, params" in leaks(WORDS, lake.root)
    maintain(lake)
    (file,) = lake.root.rglob("*.parquet")
    named = f"passphrase: file {file.relative_to(lake.root)}, params"
    found = leaks(WORDS, lake.root)
    assert {named, "passphrase: table runs, params"} <= {*found}
    assert not any(one.startswith("key: ") for one in found)


def test_a_word_in_rows_that_were_replaced_is_found_in_their_file(lake: Lake) -> None:
    """No table shows it any more, but whoever reads the file does."""
    keys = {"venue": "v", "symbol": "BTC-USDT", "interval_s": 60}
    bars = pl.DataFrame(
        {**keys, "day": DAY, "source": [WORD, "file"]}
        | {name: [1, 2] for name in ("ts_open", "open", "high", "low", "close", "volume")}
    )
    lake.replace(keys, {BARS: bars.select(BARS.names)})
    maintain(lake)
    lake.replace(keys, {BARS: bars.with_columns(source=pl.lit("file")).select(BARS.names)})
    maintain(lake)
    found = leaks(WORDS, lake.root)
    assert not any("table bars" in place for place in found)
    assert any(".parquet, source" in place for place in found)


def test_a_word_among_what_dagster_stores_is_found(tmp_path: Path) -> None:
    """In a run's tag, and in a job's snapshot, which is stored compressed."""

    @dg.job(description=WORD[::-1])
    def nothing() -> None:
        pass

    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        instance.create_run_for_job(nothing, tags={"said": WORD})
    found = leaks({"tag": WORD, "description": WORD[::-1]}, tmp_path)
    assert any(one.startswith("tag: ") and "run_tags.value" in one for one in found)
    (compressed,) = [one for one in found if one.startswith("description: ")]
    assert compressed.endswith("runs.db, snapshots.snapshot_body")


def test_a_word_in_a_file_its_name_or_what_was_said_is_found(tmp_path: Path) -> None:
    """As bytes, in whatever file; and in texts that come from elsewhere."""
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "a.log").write_bytes(b"\xff\x00" + WORD.encode() + b"\n")
    (tmp_path / f"{WORD}.txt").touch()
    assert leaks(WORDS, tmp_path, {"stderr": "fine", "stdout": f"key {WORD}"}.items()) == [
        f"passphrase: file {WORD}.txt, its name",
        "passphrase: file logs/a.log",
        "passphrase: stdout",
    ]
