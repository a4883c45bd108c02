"""Rounding to a venue's increments, in float64: the one place where research does it.

The order path rounds in ``Decimal``. Here a value that should lie on a step can
sit a few units of the last place beside it, because 0.3 is not three times 0.1
in binary; ``STEP_EPSILON`` says how far beside still counts as on the step.
"""

from __future__ import annotations

import math

from numba import njit

#: Share of one step by which a value may fall short of the step and still count as on it.
STEP_EPSILON = 1e-9


@njit(cache=True, inline="always")
def floor_to(value: float, step: float) -> float:
    """Round ``value`` down to a multiple of ``step``; a ``step`` of 0 leaves it as it is."""
    if step <= 0.0:
        return value
    return math.floor(value / step + STEP_EPSILON) * step


@njit(cache=True, inline="always")
def ceil_to(value: float, step: float) -> float:
    """Round ``value`` up to a multiple of ``step``; a ``step`` of 0 leaves it as it is."""
    if step <= 0.0:
        return value
    return math.ceil(value / step - STEP_EPSILON) * step
