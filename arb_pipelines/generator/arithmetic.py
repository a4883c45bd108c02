"""Arithmetic that gives the same bits on every machine.

Library exponentials and logarithms differ in the last bit between processors
and versions; generated files must not. Only operations that IEEE 754 defines
exactly are used here.
"""

from __future__ import annotations

import numba as nb
import numpy as np
import numpy.typing as npt

#: 10**k for k from 0 to 18, each exact; numpy's own power is not, everywhere.
POWERS_OF_TEN = np.array([float(10**k) for k in range(19)])

_HALVINGS = 6
_TERMS = 9
_LOWEST = -40.0


@nb.njit(cache=True)
def exponential(x: float) -> float:
    """e**x to about 1e-12 relative for ``|x| <= 2``, and never negative."""
    small = max(x, _LOWEST) / (1 << _HALVINGS)
    value = 1.0
    for k in range(_TERMS, 0, -1):
        value = 1.0 + value * small / k
    for _ in range(_HALVINGS):
        value *= value
    return value


def shocks(rng: np.random.Generator, shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """Random numbers of mean 0 and variance 1, each a sum of four uniforms.

    Their sums are normal soon enough, and no library logarithm enters.
    """
    uniforms = rng.random((*shape, 4))
    total = uniforms[..., 0] + uniforms[..., 1] + uniforms[..., 2] + uniforms[..., 3]
    centred: npt.NDArray[np.float64] = (total - 2.0) * np.sqrt(3.0)
    return centred


def decimals_of_step(greatest: float) -> int:
    """Decimals of the largest power of ten not above ``greatest``; never negative."""
    decimals = 0
    while decimals < 18 and 1.0 / POWERS_OF_TEN[decimals] > greatest:
        decimals += 1
    return decimals
