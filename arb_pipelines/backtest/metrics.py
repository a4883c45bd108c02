"""What a backtest's trades come to: sums, rates, drawdown, Sharpe ratio."""

from __future__ import annotations

import math
from datetime import date

import polars as pl

from arb_pipelines.backtest.records import Outcome
from arb_pipelines.backtest.scenario import Scenario
from arb_pipelines.lake.schemas import BACKTEST_SUMMARIES
from arb_pipelines.trading.gate import REFUSALS
from arb_pipelines.trading.parameters import Strategy
from arb_pipelines.trading.performance import DAYS_A_YEAR, max_drawdown, sharpe

__all__ = ["DAYS_A_YEAR", "PARTS", "max_drawdown", "sharpe", "summarise", "weighted"]

#: Columns that add up, over trades and over days.
PARTS = ("fee", "slippage", "latency", "residual", "unwind_cost")


def summarise(
    strategy: Strategy, day: date, scenario: Scenario, outcome: Outcome, trades: pl.DataFrame
) -> pl.DataFrame:
    """Sum up a day: one row of ``backtest_summaries`` a start currency, also without trades."""
    number = {currency: i for i, currency in enumerate(scenario.cycles.currencies)}
    rows = []
    for currency in sorted(strategy.start):
        own = trades.filter(pl.col("start_currency") == currency)
        status = own["status"].value_counts()
        count = dict(zip(status["status"], status["count"], strict=True))
        spent, profit = math.fsum(own["spent"]), math.fsum(own["profit"])
        wins, tried = int((own["profit"] > 0).sum()), int((own["spent"] > 0).sum())
        legs, filled = int(own["legs"].sum()), int(own["legs_filled"].sum())
        at = number.get(currency)
        refused = [0] * len(REFUSALS) if at is None else outcome.refused[at].tolist()
        rows.append(
            {
                "strategy": strategy.name,
                "venue": strategy.exchange,
                "day": day,
                "start_currency": currency,
                "strategy_digest": strategy.digest,
                "updates": outcome.updates,
                "signals": 0 if at is None else int(outcome.signals[at]),
                "trades": len(own),
                "completed": count.get("completed", 0),
                "missed": count.get("missed", 0),
                "unwound": count.get("unwound", 0),
                "residuals": count.get("residual", 0),
                "wins": wins,
                "win_rate": wins / tried if tried else None,
                "legs": legs,
                "legs_filled": filled,
                "fill_rate": filled / legs if legs else None,
                "spent": spent,
                "net_profit": profit,
                "balance": strategy.in_hand[currency],
                "max_drawdown": max_drawdown(own.sort("ts_end", "trade_no")["profit"].to_numpy()),
                "expected_profit": math.fsum(own["expected_profit"]),
                "residual_value": math.fsum(own["residual_value"]),
                "predicted_bps": weighted(own["predicted_bps"], own["spent"]),
                "effective_bps": profit / spent * 10_000 if spent > 0 else None,
            }
            | {part: math.fsum(own[part]) for part in PARTS}
            | {f"refused_{REFUSALS[code]}": refused[code] for code in range(1, len(REFUSALS))}
        )
    return BACKTEST_SUMMARIES.frame(rows)


def weighted(values: pl.Series, weights: pl.Series) -> float | None:
    """Mean of ``values`` by ``weights``; None where the weights add up to nothing."""
    total = math.fsum(weights)
    return math.fsum(values * weights) / total if total > 0 else None
