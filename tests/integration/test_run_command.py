"""`arb run`: container files over bars and books in the lake, by every kind of thread model."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pytest

from arb_pipelines.cli import main
from arb_pipelines.clock import day_of
from arb_pipelines.lake.markets import store_markets
from arb_pipelines.lake.schemas import BARS
from arb_pipelines.lake.store import Lake
from tests.fakes.backtest_worlds import DAY, random_world, store_world
from tests.fakes.components import HERE, open_services

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """Run the command; give its exit code, what it printed, and its remarks."""
    with pytest.raises(SystemExit) as left:
        main(["run", *map(str, arguments)])
    printed = capsys.readouterr()
    assert isinstance(left.value.code, int)
    return left.value.code, printed.out, printed.err


def store_bars(lake: Lake) -> date:
    """Put hours of BTC-USDT into the lake; gives their last day."""
    bars = open_services()["bars"]["BTC-USDT"]
    prices = {name: getattr(bars, name) for name in ("open", "high", "low", "close", "volume")}
    frame = pl.DataFrame({"ts_open": bars.ts_open, **prices}).with_columns(
        venue=pl.lit("v"),
        symbol=pl.lit(bars.symbol),
        interval_s=pl.lit(3_600, pl.Int32),
        day=pl.col("ts_open").map_elements(day_of, return_dtype=pl.Date),
        source=pl.lit("test"),
    )
    partition = {"venue": "v", "symbol": bars.symbol, "interval_s": 3_600}
    lake.replace(partition, {BARS: frame.select(BARS.names)})
    return day_of(int(bars.ts_open[-1]))


def store_books(lake: Lake) -> None:
    """Put a small world's books and markets on two days."""
    world = random_world(11, updates=60, depth=3)
    for day in (DAY, DAY + timedelta(days=1)):
        store_world(lake, world, day)
    store_markets(lake, "demo", DAY, world.markets, list_day=DAY)


@pytest.mark.parametrize("model", ["single_threaded", "process_parallel"])
def test_a_container_on_bars_runs_once_over_all_days(
    model: str, lake: Lake, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The example trades what is in the lake, and says which snapshot that was."""
    last = store_bars(lake)
    file = tmp_path / "sma.yaml"
    file.write_text(
        (EXAMPLES / "sma_cross_container.yaml").read_text() + f"thread_model: {model}\n"
    )
    code, out, _ = run(capsys, file, "--venue", "v", "--days", f"{DAY}..{last}", "--json")
    document = orjson.loads(out)
    assert (code, document["failed"], document["thread_model"]) == (0, 0, model)
    assert document["snapshot"] == lake.snapshot()
    (report,) = document["reports"]
    assert (report["name"], report["error"], report["teardown"]) == ("sma_btc", None, [])
    assert report["metrics"]["events"] > 400
    assert report["metrics"]["fills"] > 0
    assert report["metrics"]["peak_memory_bytes"] is not None


def test_a_container_on_books_runs_once_a_day(
    lake: Lake, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each day is a row of its own, held to the venue's rules by the file's validator."""
    store_books(lake)
    days = f"{DAY}..{DAY + timedelta(days=1)}"
    code, out, _ = run(capsys, EXAMPLES / "triangles_container.yaml", "--days", days, "--json")
    reports = orjson.loads(out)["reports"]
    assert [report["name"] for report in reports] == [
        f"triangles_{DAY}",
        f"triangles_{DAY + timedelta(days=1)}",
    ]
    assert code == 0
    assert all(report["metrics"]["orders"] > 0 for report in reports)


def test_a_failed_container_is_exit_code_1(
    home: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its row is printed, and one line says what went wrong; no lake data was needed."""
    file = tmp_path / "bad.yaml"
    file.write_text(
        "name: bad\nmode: backtest_single\n"
        f"components: {{coordinator: {{component: '{HERE}:hostile', params: {{deed: raise}}}}}}\n"
    )
    code, out, err = run(capsys, file)
    assert code == 1
    assert "bad" in out
    assert "bad: Evil: in run" in " ".join(err.split())
    assert "Evil: in teardown" in " ".join(err.split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "sma_btc: it plays recorded data: name the --days"),
        (("--days", "2025-01-01"), "sma_btc: it plays bars: name their --venue"),
        (("--days", "2025-01-01", "--venue", "v"), "there are no bars of BTC-USDT"),
        (("--days", "2025-01-01", "--venue", "v", "--interval", "1x"), "is not the length of a"),
        (("--days", "yesterday"), "yesterday"),
        (("--catalogue", "no.yaml"), "no.yaml: cannot be read"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    arguments: tuple[str, ...], message: str, lake: Lake, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is missing is named, before anything runs."""
    code, out, err = run(capsys, EXAMPLES / "sma_cross_container.yaml", *arguments)
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert message in err


@pytest.mark.parametrize("days", ["2025-01-01", "2024-01-01"])
def test_days_without_books_are_refused(
    days: str, lake: Lake, capsys: pytest.CaptureFixture[str]
) -> None:
    """With markets and no books, or with neither, also where a worker would open them."""
    store_markets(lake, "demo", DAY, random_world(11).markets, list_day=DAY)
    code, _, err = run(capsys, EXAMPLES / "triangles_container.yaml", "--days", days)
    assert code == 2
    assert "there are no" in err
