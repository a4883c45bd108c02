"""Outcomes as table rows: names for numbers, basis points for fractions."""

from __future__ import annotations

from datetime import date

import numpy as np
import numpy.typing as npt
import polars as pl

from arb_pipelines.backtest.records import LegStatus, Outcome, TradeStatus
from arb_pipelines.backtest.scenario import Scenario
from arb_pipelines.lake.schemas import BACKTEST_LEGS, BACKTEST_TRADES
from arb_pipelines.market.cycles import BUY, SIDES
from arb_pipelines.trading.parameters import Strategy

_TRADE_STATUS = np.array([status.name.lower() for status in TradeStatus])
_LEG_STATUS = np.array([status.name.lower() for status in LegStatus])
_BPS = 10_000.0


def trade_rows(strategy: Strategy, day: date, scenario: Scenario, outcome: Outcome) -> pl.DataFrame:
    """Give the rows of ``backtest_trades``."""
    trades, cycles = outcome.trades, scenario.cycles
    same = ("trade_no", "ts_signal", "ts_end", "legs", "legs_filled", "unwind_orders")
    amounts = (
        "committed", "spent", "returned", "profit", "expected_profit",
        "fee", "slippage", "latency", "residual", "residual_value",
    )  # fmt: skip
    return BACKTEST_TRADES.frame(
        {
            "strategy": [strategy.name] * len(trades),
            "venue": [strategy.exchange] * len(trades),
            "day": [day] * len(trades),
            "cycle_key": [cycles.key(i) for i in trades["cycle"]],
            "path": [cycles.path(i) for i in trades["cycle"]],
            "start_currency": _named(cycles.currencies, cycles.start[trades["cycle"]]),
            "status": _TRADE_STATUS[trades["status"]],
            "unwind_cost": trades["unwind"],
            "gross_bps": trades["gross"] * _BPS,
            "predicted_bps": trades["predicted"] * _BPS,
            "effective_bps": _ratio(trades["profit"] * _BPS, trades["spent"]),
        }
        | {name: np.ascontiguousarray(trades[name]) for name in (*same, *amounts)}
    )


def leg_rows(strategy: Strategy, day: date, scenario: Scenario, outcome: Outcome) -> pl.DataFrame:
    """Give the rows of ``backtest_legs``."""
    legs, cycles, setting = outcome.legs, scenario.cycles, scenario.setting
    buys = legs["side"] == BUY
    base, quote = setting.base[legs["symbol"]], setting.quote[legs["symbol"]]
    same = (
        "trade_no", "leg_no", "ts_sent", "ts_filled", "best_px", "limit_px", "planned_spent",
        "planned_received", "size", "funds", "spent", "received", "expected", "filled",
        "fee", "slippage", "latency",
    )  # fmt: skip
    return BACKTEST_LEGS.frame(
        {
            "strategy": [strategy.name] * len(legs),
            "venue": [strategy.exchange] * len(legs),
            "day": [day] * len(legs),
            "kind": np.where(legs["unwinds"], "unwind", "cycle"),
            "symbol": _named(cycles.symbols, legs["symbol"]),
            "side": _named(SIDES, legs["side"]),
            "from_currency": _named(cycles.currencies, np.where(buys, quote, base)),
            "to_currency": _named(cycles.currencies, np.where(buys, base, quote)),
            "status": _LEG_STATUS[legs["status"]],
            "fill_px": _ratio(legs["funds"], legs["size"]),
            "order_amount": legs["order"],
        }
        | {name: np.ascontiguousarray(legs[name]) for name in same}
    )


def _named(names: tuple[str, ...], numbers: npt.NDArray[np.integer]) -> list[str]:
    return [names[number] for number in numbers.tolist()]


def _ratio(above: npt.NDArray[np.float64], below: npt.NDArray[np.float64]) -> list[float | None]:
    return [a / b if b > 0 else None for a, b in zip(above.tolist(), below.tolist(), strict=True)]
