"""Ingest of the recorded data: what is known about it holds."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

from arb_pipelines.cli import main
from arb_pipelines.lake.ingest import IngestReport, ingest_files
from arb_pipelines.lake.readers.base import ReadOptions
from arb_pipelines.lake.store import Lake


def ingest(lake: Lake, path: Path, venue: str, format: str, **options: str) -> IngestReport:
    """Ingest one file."""
    return ingest_files(lake, [path], venue=venue, format=format, options=ReadOptions(**options))


def counts(report: IngestReport) -> tuple[int, int, int]:
    """Rows read, accepted, rejected."""
    return report.rows_read, report.rows_accepted, report.rows_rejected


def test_binance_triangle(lake: Lake, real_data: Path) -> None:
    """1,085 states of three symbols, five levels a side, none refused."""
    file = real_data / "binance_triangle_depth5_20250831" / "depth5.parquet"
    report = ingest(lake, file, "binance", "depth5")
    assert counts(report) == (1085, 1085, 0)
    assert report.symbols == ("BTC-USDT", "ETH-BTC", "ETH-USDT")
    assert [part.day for part in report.partitions] == [date(2025, 8, 31)]
    depths = lake.query("SELECT DISTINCT len(bid_px), len(ask_sz) FROM book_levels").rows()
    assert depths == [(5, 5)]


@pytest.mark.parametrize(
    ("timezone", "day"), [("UTC", date(2022, 2, 28)), ("America/New_York", date(2022, 3, 1))]
)
def test_kucoin_tickers(lake: Lake, real_data: Path, timezone: str, day: date) -> None:
    """608 symbols captured at once; the zone decides the day."""
    file = real_data / "kucoin_l1_20220228" / "tickers.parquet"
    report = ingest(lake, file, "kucoin", "l1", timezone=timezone)
    assert counts(report) == (608, 608, 0)
    assert len(report.symbols) == 608
    assert [part.day for part in report.partitions] == [day]
    assert lake.query("SELECT count(*) FROM markets WHERE inferred").item() == 608


def test_stale_mixture_goes_to_the_days_of_its_quotes(lake: Lake, real_data: Path) -> None:
    """1,908 quotes; their age shows in the days they fall on."""
    report = ingest(
        lake, real_data / "kucoin_l1_20220228" / "stale_mixture.parquet", "kucoin", "l1"
    )
    assert report.rows_read == 1908
    assert report.rows_accepted + report.rows_rejected == 1908
    assert len(report.partitions) > 1


def test_binance_l1_takes_one_segment(lake: Lake, real_data: Path) -> None:
    """252,013 rows: what one segment takes, the other refuses."""
    file = real_data / "binance_l1_20240809" / "bookticker_l1.parquet"
    report = ingest(lake, file, "binance", "l1")
    assert report.rows_read == 252_013
    assert report.reasons == {"other segment": 120_081}
    futures = ingest(lake, file, "binance-usdm", "l1", segment="usdm")
    assert futures.rows_read == 252_013
    assert futures.reasons["other segment"] == 131_932
    tables = lake.query(
        "SELECT (SELECT count(*) FROM book_tops), (SELECT count(*) FROM rejected_rows)"
    ).row(0)
    assert tables == (
        report.rows_accepted + futures.rows_accepted,
        report.rows_rejected + futures.rows_rejected,
    )


def test_the_command_prints_one_document(
    lake: Lake, real_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing but JSON on stdout."""
    file = real_data / "kucoin_l1_20220228" / "tickers.parquet"
    command = ["ingest", str(file), "--venue", "kucoin", "--format", "l1", "--json"]
    with pytest.raises(SystemExit) as ended:
        main(command)
    assert ended.value.code == 0
    document = json.loads(capsys.readouterr().out)
    assert document == {
        "files": 1,
        "rows_read": 608,
        "rows_accepted": 608,
        "rows_rejected": 0,
        "reasons": {},
        "gaps": 0,
        "symbols": 608,
        "partitions": [
            {
                "venue": "kucoin",
                "day": "2022-02-28",
                "rows_read": 608,
                "rows_accepted": 608,
                "rows_rejected": 0,
                "gaps": 0,
            }
        ],
        "snapshot": lake.snapshot(),
    }
