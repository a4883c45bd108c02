"""Exact arithmetic of the engine: every sum, product and fee as it is, never rounded.

A price with 10 decimals times a size with 10 times a fee rate with 6 has 26 decimals
before it meets the digits of whole units; 120 digits hold it, and a result that does
not fit raises instead of losing what would then be missing from somebody's account.
"""

from __future__ import annotations

from decimal import Context, Decimal, DivisionByZero, Inexact, InvalidOperation, Overflow

ZERO = Decimal(0)
ONE = Decimal(1)
EXACT = Context(prec=120, traps=[Inexact, InvalidOperation, Overflow, DivisionByZero])


#: Digits before and after the point that an amount from outside may have.
MAX_DIGITS = 18


def admissible(value: Decimal) -> bool:
    """Tell whether an amount from outside is small and coarse enough to reckon with exactly."""
    if not value.is_finite():
        return False
    exponent = value.as_tuple().exponent
    assert isinstance(exponent, int)
    return exponent >= -MAX_DIGITS and value.adjusted() < MAX_DIGITS
