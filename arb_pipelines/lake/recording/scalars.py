"""Scalars of JSON text, as numba kernels for ``parse.py``.

Each reads at a position and gives the position after what it read, -1 when that
is not there or not told exactly by the quick way. None checks for the end of
the text: the caller's text ends in a newline, which no scalar holds.
"""

from __future__ import annotations

import numba as nb
import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]

_POWERS = np.array([float(10**power) for power in range(23)])  # each exact in float64
_EXACT_MAX = np.uint64(1 << 53)
_INT64_MAX = np.uint64((1 << 63) - 1)
_MINUS, _PLUS, _DOT, _ZERO, _NINE, _UPPER_E, _LOWER_E = 45, 43, 46, 48, 57, 69, 101


def as_bytes(text: str) -> Bytes:
    """ASCII text as the array a kernel compares with."""
    return np.frombuffer(text.encode(), np.uint8).copy()


_NULL = as_bytes("null")


@nb.njit(cache=True)
def skip_literal(text: Bytes, at: int, literal: Bytes) -> int:
    """Position after ``literal``, or -1."""
    if at < 0 or at + len(literal) > len(text):
        return -1
    for k in range(len(literal)):
        if text[at + k] != literal[k]:
            return -1
    return at + len(literal)


@nb.njit(cache=True)
def read_integer(text: Bytes, at: int) -> tuple[np.int64, int]:
    """Read an integer without exponent; position -1 when it is not one int64 can hold."""
    zero = np.int64(0)
    negative = text[at] == _MINUS
    at += negative
    start = at
    value = np.uint64(0)
    while _ZERO <= text[at] <= _NINE:
        if at - start == 19:
            return zero, -1
        value = value * np.uint64(10) + np.uint64(text[at] - _ZERO)
        at += 1
    if at == start or (text[start] == _ZERO and at - start > 1) or value > _INT64_MAX:
        return zero, -1
    return (-np.int64(value) if negative else np.int64(value)), at


@nb.njit(cache=True)
def read_optional_integer(text: Bytes, at: int) -> tuple[np.int64, bool, int]:
    after = skip_literal(text, at, _NULL)
    if after >= 0:
        return np.int64(0), False, after
    value, after = read_integer(text, at)
    return value, True, after


@nb.njit(cache=True)
def read_number(text: Bytes, at: int) -> tuple[float, int]:
    """Read a JSON number as the nearest float64; position -1 where one division cannot tell it.

    A mantissa below 2**53 and a power of ten up to 22 are exact, so one
    operation on them rounds correctly. Source: Clinger, "How to read floating
    point numbers accurately", 1990.
    """
    negative = text[at] == _MINUS
    at += negative
    start = at
    mantissa = np.uint64(0)
    digits = 0
    while _ZERO <= text[at] <= _NINE:
        mantissa = mantissa * np.uint64(10) + np.uint64(text[at] - _ZERO)
        digits += 1
        at += 1
    if digits == 0 or (text[start] == _ZERO and digits > 1):
        return 0.0, -1
    power = 0
    if text[at] == _DOT:
        at += 1
        start = at
        while _ZERO <= text[at] <= _NINE:
            mantissa = mantissa * np.uint64(10) + np.uint64(text[at] - _ZERO)
            at += 1
        if at == start:
            return 0.0, -1
        power = start - at
        digits -= power
    if digits > 19 or mantissa > _EXACT_MAX:
        return 0.0, -1
    if text[at] == _LOWER_E or text[at] == _UPPER_E:
        at += 1
        lower = text[at] == _MINUS
        at += lower or text[at] == _PLUS
        start = at
        exponent = 0
        while _ZERO <= text[at] <= _NINE and at - start < 3:
            exponent = exponent * 10 + (text[at] - _ZERO)
            at += 1
        if at == start:
            return 0.0, -1
        power += -exponent if lower else exponent
    if power < -22 or power > 22:
        return 0.0, -1
    value = np.float64(mantissa)
    value = value / _POWERS[-power] if power < 0 else value * _POWERS[power]
    return (-value if negative else value), at
