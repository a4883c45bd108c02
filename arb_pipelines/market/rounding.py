"""Rounding to a venue's increments, in float64: the one place where research does it.

The order path rounds in ``Decimal``. Here a value that should lie on a step can
sit a few units of the last place beside it, because 0.3 is not three times 0.1
in binary; ``STEP_EPSILON``, and ``ULPS`` for very many steps, say how far beside
still counts as on the step. What
comes out is the float64 nearest the decimal multiple wherever one over the step
is a whole number (0.01, 0.05, 0.00000001), so it compares equal to a price or
size that was read from text.
"""

from __future__ import annotations

import math

from numba import njit

#: Share of one step by which a value may fall short of the step and still count as on it.
STEP_EPSILON = 1e-9
#: The same as a share of the value: value, step and quotient are each rounded once.
ULPS = 4 * 2.0**-52


@njit(cache=True)
def floor_to(value: float, step: float) -> float:
    """Round ``value`` down to a multiple of ``step``; a ``step`` of 0 leaves it as it is."""
    if step <= 0.0:
        return value
    steps = value / step
    return multiple(math.floor(steps + STEP_EPSILON + steps * ULPS), step)


@njit(cache=True)
def ceil_to(value: float, step: float) -> float:
    """Round ``value`` up to a multiple of ``step``; a ``step`` of 0 leaves it as it is."""
    if step <= 0.0:
        return value
    steps = value / step
    return multiple(math.ceil(steps - STEP_EPSILON - steps * ULPS), step)


@njit(cache=True)
def multiple(count: int, step: float) -> float:
    """Give ``count`` times ``step``; divides where one over the step is whole, to round once."""
    if step < 1.0:
        per_unit = math.floor(1.0 / step + 0.5)
        if abs(per_unit * step - 1.0) < 1e-12:
            return count / per_unit
    return count * step
