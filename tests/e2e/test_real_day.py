"""From nothing to a backtest on a day of Tardis's, in the three commands of docs/data.md."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from arb_pipelines.clock import day_start_ns
from arb_pipelines.generator.write import market_arrays
from arb_pipelines.settings import Settings
from tests.fakes.tardis_source import tardis_source

ROOT = Path(__file__).resolve().parents[2]
DAY = date(2024, 3, 1)
UPDATES = 6_000


def quotes_by_symbol() -> dict[str, bytes]:
    """A generated market of three symbols as Tardis's gzip CSV of quotes, by symbol."""
    markets, symbol, ts, bid_px, bid_sz, ask_px, ask_sz = market_arrays(3, UPDATES, seed=5)
    microseconds = (ts - ts[0] + day_start_ns(DAY)) // 1000
    frame = pl.DataFrame(
        {
            "exchange": "kucoin",
            "symbol": [markets[i].symbol for i in symbol.tolist()],
            "timestamp": microseconds - 900,
            "local_timestamp": microseconds,
            "ask_amount": ask_sz,
            "ask_price": ask_px,
            "bid_price": bid_px,
            "bid_amount": bid_sz,
        }
    )
    return {
        str(name): gzip.compress(rows.write_csv().encode())
        for (name,), rows in frame.group_by("symbol")
    }


def arb(*arguments: str, **environment: str) -> dict[str, Any]:
    """Run one command to its end and return its JSON."""
    done = subprocess.run(
        [sys.executable, "-m", "arb_pipelines.cli", *arguments, "--json"],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def test_three_commands_lead_from_nothing_to_a_backtest(home: Settings) -> None:
    """Download, ingest and backtest a published day; every row that came is accounted for."""
    files = quotes_by_symbol()
    with tardis_source() as source:
        source.files |= {
            f"/kucoin/quotes/2024/03/01/{name}.csv.gz": content for name, content in files.items()
        }
        what = ("--exchange", "kucoin", "--type", "quotes", "--days", str(DAY))
        arb(
            *("download", "--source", "tardis", *what, "--symbols", ",".join(sorted(files))),
            ARB_TARDIS_URL=source.address,
        )
    landed = home.landing / "kucoin" / "tardis"
    taken = arb("ingest", str(landed), "--venue", "kucoin", "--format", "tardis")
    assert taken["rows_accepted"] + taken["rows_rejected"] == taken["rows_read"] == UPDATES
    strategy = str(ROOT / "strategies" / "demo_no_fee.yaml")
    tested = arb("backtest", "--strategy", strategy, "--venue", "kucoin", "--days", str(DAY))
    assert (tested["venue"], tested["days"]) == ("kucoin", [str(DAY)])
    assert tested["updates"] == taken["rows_accepted"]
    assert sum(tested["status"].values()) == tested["trades"]
