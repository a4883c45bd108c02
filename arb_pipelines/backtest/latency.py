"""Delays drawn before a day is replayed, so that both engines use the same ones."""

from __future__ import annotations

import math
from datetime import date
from statistics import NormalDist
from typing import assert_never

import numpy as np
import numpy.typing as npt

from arb_pipelines.clock import NS_PER_MS
from arb_pipelines.trading.parameters import (
    Constant,
    Distribution,
    Empirical,
    Latency,
    LogNormal,
    Uniform,
)

Int64 = npt.NDArray[np.int64]

#: Draws in a table; the n-th user takes draw ``n % DRAWS``.
DRAWS = 65_536
_P99 = NormalDist().inv_cdf(0.99)


def draw_latencies(latency: Latency, seed: int, day: date) -> tuple[Int64, Int64]:
    """Draw the day's decision delays and leg delays, in ns; a constant is a table of one."""
    streams = np.random.SeedSequence([seed, day.toordinal()]).spawn(2)
    decision, leg = (np.random.Generator(np.random.PCG64(stream)) for stream in streams)
    return _draw(latency.decision_ms, decision), _draw(latency.leg_ms, leg)


def _draw(shape: Distribution, generator: np.random.Generator) -> Int64:
    match shape:
        case Constant():
            milliseconds = np.array([shape.ms])
        case Uniform():
            milliseconds = generator.uniform(shape.low_ms, shape.high_ms, DRAWS)
        case LogNormal():
            middle = math.log(shape.median_ms)
            spread = (math.log(shape.p99_ms) - middle) / _P99
            milliseconds = generator.lognormal(middle, spread, DRAWS)
        case Empirical():
            milliseconds = generator.choice(np.array(shape.samples_ms), DRAWS)
        case _:
            assert_never(shape)
    drawn: Int64 = np.rint(milliseconds * NS_PER_MS).astype(np.int64)
    return drawn
