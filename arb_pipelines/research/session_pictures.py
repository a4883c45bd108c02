"""Pictures of a session from its rows in the lake: what is read for each, then ``plots`` draws."""

from __future__ import annotations

from arb_pipelines.execution.records.timings import Stage
from arb_pipelines.lake.store import Lake
from arb_pipelines.plots import sessions

_LATENCIES = """
    SELECT
        label,
        first(value) FILTER (WHERE name = 'latency_p50_us') AS p50_us,
        first(value) FILTER (WHERE name = 'latency_p99_us') AS p99_us,
        first(value) FILTER (WHERE name = 'latency_max_us') AS max_us
    FROM live_metrics
    WHERE session = ? AND starts_with(name, 'latency_')
        AND flush_no = (SELECT max(flush_no) FROM live_metrics WHERE session = ?)
    GROUP BY label
"""


def latency_picture(lake: Lake, session: str) -> str:
    """Draw what each stage of a session has taken so far, as markdown."""
    rows = lake.query(_LATENCIES, [session, session])
    order = {str(stage): place for place, stage in enumerate(Stage)}
    rows = rows.sort(rows["label"].replace_strict(order, default=len(order)))
    return sessions.latency_by_stage(
        rows["label"].to_list(),
        *(rows[name].to_numpy() for name in ("p50_us", "p99_us", "max_us")),
        title=f"{session}: what each stage takes",
    )


def profit_picture(lake: Lake, session: str) -> str:
    """Draw the profit of a session's executions as they ended, summed up, as markdown."""
    rows = lake.query(
        "SELECT start_currency, ts_end, profit FROM live_executions "
        "WHERE session = ? ORDER BY ts_end, trade_no",
        [session],
    )
    by_currency = {key[0]: group for key, group in rows.group_by("start_currency")}
    return sessions.profit_over_time(
        {currency: group["ts_end"].to_numpy() for currency, group in by_currency.items()},
        {currency: group["profit"].to_numpy() for currency, group in by_currency.items()},
        title=f"{session}: {len(rows):,} executions",
    )


def session_pictures(of: tuple[Lake, str]) -> dict[str, str]:
    """Draw every picture of a session, by name; one argument, as calls in other processes take."""
    return {"latency": latency_picture(*of), "profit_over_time": profit_picture(*of)}
