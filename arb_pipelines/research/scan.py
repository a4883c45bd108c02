"""Scan a venue's day: read its universe and tops, find opportunities, keep them.

What is evaluated and what ends a life are in ``market.opportunities``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from arb_pipelines.clock import NS_PER_DAY, NS_PER_MS, day_start_ns
from arb_pipelines.errors import ConfigError, DataError
from arb_pipelines.lake.books import read_tops
from arb_pipelines.lake.markets import load_markets
from arb_pipelines.lake.runs import recorded_run
from arb_pipelines.lake.schemas import OPPORTUNITIES
from arb_pipelines.lake.store import Lake
from arb_pipelines.market.cycles import CycleSet, find_cycles
from arb_pipelines.market.fees import BPS, fee_factors
from arb_pipelines.market.opportunities import ENDED_BY, DayScan, find_opportunities
from arb_pipelines.research.universe import build_universe, load_universe

DEFAULT_MAX_AGE_MS = 2_000


@dataclass(frozen=True, slots=True)
class ScanReport:
    """What a scan saw.

    ``states`` are the accepted book states of the day, ``cycles`` the directed
    cycles of currencies, ``routes`` the ways to trade them: more where two
    symbols, such as USDC-USDT and USDT-USDC, join the same currencies. An
    evaluation is one cycle at one update of a book on it. ``raw_above_one`` and
    ``net_above_one`` count those with a route whose books are all fresh and
    whose product is above 1, gross and net of fees. ``by_reason`` counts the
    evaluations of routes by their worst book. ``max_product`` is the greatest
    gross product, ``best_cycle`` the key of its route; ``None`` if no
    evaluation was fresh.
    """

    states: int
    cycles: int
    raw_above_one: int
    net_above_one: int
    max_product: float | None
    best_cycle: str | None
    opportunities: int
    by_reason: dict[str, int]
    routes: int
    fee_bps: float | None
    threshold_bps: float
    max_age_ms: int | None
    snapshot: int


def scan_day(
    lake: Lake,
    venue: str,
    day: date,
    *,
    fee_bps: float | None = None,
    max_age_ms: int | None = DEFAULT_MAX_AGE_MS,
    threshold_bps: float = 0.0,
    start: Sequence[str] | None = None,
    max_length: int | None = None,
    snapshot: int | None = None,
    store: bool = True,
    run_id: str | None = None,
) -> ScanReport:
    """Scan the tops of (``venue``, ``day``) and replace its ``opportunities``.

    ``fee_bps`` is the taker fee of every leg; ``None`` takes each market's own.
    The cycles are the day's universe, which is built (triangles, any start) if
    the lake has none. ``start`` or ``max_length`` ask for other cycles of the
    day's markets, which are found for this scan alone. ``snapshot`` repeats a
    scan on what an earlier one read; ``store=False`` writes nothing but what
    of the universe was missing.

    Raises:
        DataError: the lake has no books of the day, or no markets.
        ConfigError: a market's fee is asked for and unknown, or a parameter is
            out of range.
    """
    if not (math.isfinite(threshold_bps) and threshold_bps * BPS > -1.0):
        raise ConfigError(f"a threshold of {threshold_bps} bps is not a number above -10000")
    if max_age_ms is not None and max_age_ms < 0:
        raise ConfigError(f"a staleness limit of {max_age_ms} ms is negative")
    chosen = start is not None or max_length is not None
    states, has_universe = _what_is_there(lake, venue, day, snapshot)
    if not states:
        raise DataError(
            f"there are no books of {venue} on {day}; run "
            f"`arb ingest PATH --venue {venue} --format F` first",
            source="book_tops",
        )
    if not (has_universe or chosen or snapshot is not None):
        build_universe(lake, venue, day, run_id=run_id)
    params = {
        "fee_bps": fee_bps,
        "max_age_ms": max_age_ms,
        "threshold_bps": threshold_bps,
        "start": start,
        "max_length": max_length,
        "store": store,
    }
    with recorded_run(
        lake, "scan", f"{venue}|{day}", params, run_id=run_id, snapshot=snapshot
    ) as run:
        states, has_universe = _what_is_there(lake, venue, day, run.snapshot)
        markets = load_markets(lake, venue, day, snapshot=run.snapshot)
        if has_universe and not chosen:
            cycles = load_universe(lake, venue, day, snapshot=run.snapshot)
        else:
            cycles = find_cycles(
                markets, start=start, max_length=max_length or 3, limit=lake.settings.max_cycles
            )
        scan = find_opportunities(
            cycles,
            fee_factors(markets, cycles.symbols, fee_bps),
            read_tops(lake, venue, day, cycles.symbols, snapshot=run.snapshot),
            max_age_ns=None if max_age_ms is None else max_age_ms * NS_PER_MS,
            threshold_bps=threshold_bps,
            ts_end=day_start_ns(day) + NS_PER_DAY,
        )
        if store:
            rows = _rows(scan, cycles).with_columns(
                pl.lit(venue).alias("venue"),
                pl.lit(day).alias("day"),
                pl.lit(fee_bps, pl.Float64).alias("fee_bps"),
                pl.lit(threshold_bps, pl.Float64).alias("threshold_bps"),
                pl.lit(max_age_ms, pl.Int64).alias("max_age_ms"),
            )
            lake.replace({"venue": venue, "day": day}, {OPPORTUNITIES: rows})
    return ScanReport(
        states=states,
        cycles=len(np.unique(cycles.currency_cycles())),
        raw_above_one=scan.raw_above_one,
        net_above_one=scan.net_above_one,
        max_product=None if scan.best_cycle is None else scan.max_product,
        best_cycle=None if scan.best_cycle is None else cycles.key(scan.best_cycle),
        opportunities=len(scan.lives),
        by_reason=scan.by_reason,
        routes=len(cycles),
        fee_bps=fee_bps,
        threshold_bps=threshold_bps,
        max_age_ms=max_age_ms,
        snapshot=run.snapshot,
    )


def _what_is_there(lake: Lake, venue: str, day: date, snapshot: int | None) -> tuple[int, bool]:
    """How many book states the day has, and whether it has a universe."""
    of_day = "WHERE venue = $venue AND day = $day"
    sql = (
        f"SELECT (SELECT count(*) FROM book_tops {of_day}), EXISTS (SELECT 1 FROM cycles {of_day})"
    )
    with lake.reading(snapshot) as connection:
        row = connection.execute(sql, {"venue": venue, "day": day}).fetchone()
    return (int(row[0]), bool(row[1])) if row else (0, False)


def _rows(scan: DayScan, cycles: CycleSet) -> pl.DataFrame:
    """The lives as rows of ``opportunities``, but for what is the same in all."""
    lives = scan.lives
    of_cycle = lives["cycle"]
    keys = {i: cycles.key(i) for i in np.unique(of_cycle).tolist()}
    ended = lives["ended_by"] > 0
    return pl.DataFrame(
        {
            "opportunity_no": np.arange(len(lives), dtype=np.int32),
            "cycle_key": pl.Series([keys[i] for i in of_cycle.tolist()], dtype=pl.String),
            "start_currency": pl.Series(
                [cycles.currencies[c] for c in cycles.start[of_cycle].tolist()], dtype=pl.String
            ),
            "length": cycles.length[of_cycle].astype(np.int16),
            "ts_first": lives["ts_first"].copy(),
            "ts_last": lives["ts_last"].copy(),
            "ts_end": pl.Series(lives["ts_end"].copy()).set(pl.Series(~ended), None),
            "ended_by": pl.Series([ENDED_BY[by] for by in lives["ended_by"]], dtype=pl.String),
            "updates": lives["updates"].copy(),
            "peak_gross_bps": (lives["peak_gross"] - 1.0) / BPS,
            "peak_net_bps": (lives["peak_net"] - 1.0) / BPS,
            "ts_peak": lives["ts_peak"].copy(),
            "top_size_start": lives["top_size"].copy(),
        }
    )
