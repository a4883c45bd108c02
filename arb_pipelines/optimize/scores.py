"""What a trial's periods come to: the metrics that objectives and constraints name.

Units: ``net_profit``, ``max_drawdown`` and ``profit_less_drawdown`` are in the
target's value currency; ``return_pct`` and ``drawdown_pct`` are in percent of the mean
balance of the periods; ``win_rate`` is a share, 0 to 1; ``sharpe`` and ``calmar`` are
pure numbers a year; ``trades`` is a count; ``composite`` is a weighted sum.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, field_validator

from arb_pipelines.optimize.targets.base import PeriodResult
from arb_pipelines.trading.performance import DAYS_A_YEAR, max_drawdown

#: Metrics a composite may weigh.
PLAIN_METRICS = (
    "calmar",
    "drawdown_pct",
    "max_drawdown",
    "net_profit",
    "return_pct",
    "sharpe",
    "trades",
    "win_rate",
)
METRICS = tuple(sorted((*PLAIN_METRICS, "composite", "profit_less_drawdown")))
MEASURE = "measure:"
#: A smaller fall counts as this share of the balance, so that never falling is not infinitely good.
LEAST_DRAWDOWN = 1e-4
#: Names of measures that are averaged over periods; all others add up.
_MEANS = ("mean_", "_mean", "_rate", "_share")


def check_metric(name: str) -> None:
    """Refuse a name that is neither a metric nor ``measure:<name>``.

    Raises:
        ValueError: it is neither.
    """
    measure = name.removeprefix(MEASURE)
    if name not in METRICS and (measure == name or not measure):
        raise ValueError(f"{name!r} is none of {', '.join(METRICS)}, measure:<name>")


class Scoring(BaseModel):
    """The weights of the metrics that have some."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    drawdown_penalty: float = Field(
        1.0,
        ge=0,
        allow_inf_nan=False,
        description="What one unit of max_drawdown costs in profit_less_drawdown.",
    )
    composite: dict[str, float] = Field(
        {"return_pct": 1.0, "drawdown_pct": -1.0, "sharpe": 0.5, "win_rate": 1.0},
        min_length=1,
        description="Weights of the composite's terms by metric, each per unit of its metric.",
    )

    @field_validator("composite", mode="after")
    @classmethod
    def _known(cls, weights: dict[str, float]) -> dict[str, float]:
        for metric, weight in weights.items():
            if metric not in PLAIN_METRICS:
                raise ValueError(f"{metric!r} is none of {', '.join(PLAIN_METRICS)}")
            if not math.isfinite(weight):
                raise ValueError(f"the weight of {metric} is {weight}")
        return dict(sorted(weights.items()))


@dataclass(frozen=True, slots=True)
class Scores:
    """What a trial's periods came to; ``returns`` are their blocks, in order of time."""

    metrics: Mapping[str, float]
    sharpe: float | None
    returns: tuple[float, ...]


def score(periods: Sequence[PeriodResult], scoring: Scoring) -> Scores:
    """Compute every metric and measure of consecutive periods.

    ``Scores.sharpe`` is none where there is no deviation; the metric is 0 there, as
    of a trial that does not trade.

    Raises:
        ValueError: there is no period.
    """
    if not periods:
        raise ValueError("no period to score")
    returns = tuple(r for period in periods for r in period.returns)
    profits = [r * period.balance for period in periods for r in period.returns]
    balance = math.fsum(period.balance for period in periods) / len(periods)
    net_profit = math.fsum(period.profit for period in periods)
    drawdown = max_drawdown(np.array(profits))
    trades = sum(period.trades for period in periods)
    ratio = annual_sharpe(returns, len(returns) / len(periods))
    plain = {
        "net_profit": net_profit,
        "return_pct": net_profit / balance * 100,
        "max_drawdown": drawdown,
        "drawdown_pct": drawdown / balance * 100,
        "sharpe": 0.0 if ratio is None else ratio,
        "calmar": net_profit * DAYS_A_YEAR / len(periods) / max(drawdown, LEAST_DRAWDOWN * balance),
        "win_rate": sum(period.wins for period in periods) / trades if trades else 0.0,
        "trades": float(trades),
    }
    weighed = {
        "profit_less_drawdown": net_profit - scoring.drawdown_penalty * drawdown,
        "composite": math.fsum(w * plain[metric] for metric, w in scoring.composite.items()),
    }
    return Scores(plain | weighed | _measures(periods), ratio, returns)


def block_sharpe(returns: Sequence[float] | npt.NDArray[np.float64]) -> float | None:
    """Sharpe ratio a block, against a riskless rate of zero: mean over sample deviation (n - 1).

    None for fewer than two blocks, or no deviation beyond rounding.
    """
    values = np.asarray(returns, dtype=np.float64)
    if values.size < 2:
        return None
    mean, deviation = float(np.mean(values)), float(np.std(values, ddof=1))
    return None if deviation <= 1e-12 * abs(mean) else mean / deviation


def annual_sharpe(
    returns: Sequence[float] | npt.NDArray[np.float64], blocks_a_day: float
) -> float | None:
    """Sharpe ratio a year: that of a block times the root of the blocks in 365 days.

    The root holds for blocks without serial correlation; where gains trail off
    or repeat, it says too much or too little.

    Source: Lo, "The Statistics of Sharpe Ratios", Financial Analysts Journal 58(4), 2002.
    """
    ratio = block_sharpe(returns)
    return None if ratio is None else ratio * math.sqrt(blocks_a_day * DAYS_A_YEAR)


def _measures(periods: Sequence[PeriodResult]) -> dict[str, float]:
    found: dict[str, list[float]] = {}
    for period in periods:
        for name, value in period.measures.items():
            found.setdefault(name, []).append(value)
    return {
        MEASURE + name: math.fsum(values) / (len(values) if _is_mean(name) else 1)
        for name, values in found.items()
    }


def _is_mean(name: str) -> bool:
    return name.startswith(_MEANS[0]) or name.endswith(_MEANS[1:])
