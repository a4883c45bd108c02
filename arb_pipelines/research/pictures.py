"""Pictures of results in the lake: what is read for each, then ``plots`` draws."""

from __future__ import annotations

from datetime import date

from arb_pipelines.lake.store import Lake
from arb_pipelines.plots import results


def edge_picture(lake: Lake, venue: str, day: date) -> str:
    """Draw the peak edges of a venue's opportunities, gross and net, as markdown."""
    peaks = lake.query(
        "SELECT peak_gross_bps, peak_net_bps FROM opportunities WHERE venue = ? AND day = ?",
        [venue, day],
    )
    return results.edge_distribution(
        peaks["peak_gross_bps"].to_numpy(),
        peaks["peak_net_bps"].to_numpy(),
        title=f"{venue}, {day}: peak edge of {len(peaks):,} opportunities",
    )


def equity_picture(lake: Lake, strategy: str, day: date) -> str:
    """Draw the net profit of a strategy's trades as they ended, summed up, as markdown."""
    trades = lake.query(
        "SELECT ts_end, start_currency, profit FROM backtest_trades "
        "WHERE strategy = ? AND day = ? ORDER BY ts_end, trade_no",
        [strategy, day],
    )
    started = trades["start_currency"]
    profit = {
        currency: (trades["profit"] * (started == currency)).to_numpy()
        for currency in started.unique()
    }
    return results.equity_curve(
        trades["ts_end"].to_numpy(), profit, title=f"{strategy}, {day}: {len(trades):,} trades"
    )
