"""ccxt's numbers as exact decimals."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from arb_pipelines.errors import ProtocolViolation


def exact(value: object) -> Decimal:
    """Make a number of ccxt exact.

    A client made ``exact`` gives ``Decimal``. A float is unavoidable where a class of ccxt
    computes one itself or has it as a constant (default fees); it becomes the shortest
    decimal that names it.

    Raises:
        ProtocolViolation: it is no finite number.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        raise ProtocolViolation(f"{value!r:.40} is no number")
    try:
        number = Decimal(repr(value) if isinstance(value, float) else value)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite():
        raise ProtocolViolation(f"{value!r:.40} is no number")
    return number
