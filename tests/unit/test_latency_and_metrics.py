"""Latency draws and the figures of a backtest, against values worked out by hand."""

from __future__ import annotations

import math
from datetime import date

import numpy as np
import pytest

from arb_pipelines.backtest.latency import DRAWS, draw_latencies
from arb_pipelines.backtest.metrics import max_drawdown, sharpe
from arb_pipelines.trading.parameters import Latency

DAY = date(2025, 1, 1)


def _latency(leg: object) -> Latency:
    return Latency.model_validate({"decision_ms": 1.5, "leg_ms": leg})


def test_a_constant_is_a_table_of_one() -> None:
    """Milliseconds become nanoseconds."""
    decision, leg = draw_latencies(_latency(20), 0, DAY)
    assert decision.tolist() == [1_500_000]
    assert leg.tolist() == [20_000_000]


def test_draws_follow_the_distribution_that_was_asked_for() -> None:
    """The median and 99th percentile of a lognormal, the bounds of a uniform, the samples."""
    _, lognormal = draw_latencies(
        _latency({"distribution": "lognormal", "median_ms": 10, "p99_ms": 50}), 1, DAY
    )
    assert len(lognormal) == DRAWS
    assert np.median(lognormal) == pytest.approx(10e6, rel=0.02)
    assert np.quantile(lognormal, 0.99) == pytest.approx(50e6, rel=0.05)
    _, uniform = draw_latencies(
        _latency({"distribution": "uniform", "low_ms": 2, "high_ms": 4}), 1, DAY
    )
    assert uniform.min() >= 2_000_000
    assert uniform.max() <= 4_000_000
    _, empirical = draw_latencies(
        _latency({"distribution": "empirical", "samples_ms": [1, 7]}), 1, DAY
    )
    assert set(empirical.tolist()) == {1_000_000, 7_000_000}


def test_draws_depend_on_seed_and_day_alone() -> None:
    """The same again is the same; another seed or day is not."""
    latency = _latency({"distribution": "uniform", "low_ms": 0, "high_ms": 100})
    _, first = draw_latencies(latency, 1, DAY)
    assert (draw_latencies(latency, 1, DAY)[1] == first).all()
    assert (draw_latencies(latency, 2, DAY)[1] != first).any()
    assert (draw_latencies(latency, 1, date(2025, 1, 2))[1] != first).any()


def test_drawdown_is_the_greatest_fall_from_a_high() -> None:
    """A loss at the very beginning counts, since the start is a high too."""
    assert max_drawdown(np.array([])) == 0.0
    assert max_drawdown(np.array([1.0, 2.0])) == 0.0
    assert max_drawdown(np.array([-3.0, 10.0, -4.0, -2.0, 1.0])) == 6.0
    assert max_drawdown(np.array([-3.0, 1.0])) == 3.0


def test_sharpe_is_annual_and_needs_two_days() -> None:
    """Mean over sample deviation, times the root of 365."""
    assert sharpe([0.01]) is None
    assert sharpe([0.01, 0.01]) is None
    assert sharpe([0.01, 0.03]) == pytest.approx(0.02 / (0.01 * math.sqrt(2)) * math.sqrt(365))
