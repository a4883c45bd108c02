"""What a series of profits or returns comes to: the figures every kind of run is judged by."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

DAYS_A_YEAR = 365


def max_drawdown(profits: npt.NDArray[np.float64]) -> float:
    """Greatest fall of the running sum of ``profits`` from its highest point so far, 0 included."""
    equity = np.concatenate([[0.0], np.cumsum(profits)])
    return float(np.max(np.maximum.accumulate(equity) - equity))


def sharpe(daily_returns: Sequence[float]) -> float | None:
    """Annualised Sharpe ratio of daily returns, against a riskless rate of zero.

    Mean over sample standard deviation (n - 1), times the root of 365: coin
    markets have no days off. None for fewer than two days or no deviation.
    """
    if len(daily_returns) < 2:
        return None
    deviation = float(np.std(daily_returns, ddof=1))
    if deviation == 0.0:
        return None
    return float(np.mean(daily_returns)) / deviation * math.sqrt(DAYS_A_YEAR)
