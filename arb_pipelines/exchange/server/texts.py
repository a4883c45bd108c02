"""Decimals as the venue writes them, and read as it reads them."""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache

from arb_pipelines.exchange.server.answers import BAD_PARAMETER, Refusal

_NUMBER = re.compile(r"\d{1,20}(\.\d{1,18})?|\.\d{1,18}")

#: Numbers whose texts are remembered: a level of a book is told many times over.
_REMEMBERED = 1 << 16


def text(number: Decimal) -> str:
    """Write ``number`` in full, without exponent or idle zeros: ``"0.00001"``."""
    if not number:
        return "0"
    written = str(number)
    if "E" in written:
        written = f"{number:f}"
    return written.rstrip("0").rstrip(".") if "." in written else written


#: ``text`` of prices and sizes of books.
level_text = lru_cache(_REMEMBERED)(text)


def optional_text(number: Decimal | None) -> str:
    """Write ``number``, or the ``"0"`` that the venue writes where there is none."""
    return "0" if number is None else text(number)


def number(value: object, name: str) -> Decimal:
    """Read a decimal that is not negative, from text or a JSON number.

    Raises:
        Refusal: it is none; the message names the field.
    """
    written = value if isinstance(value, str) else repr(value)
    if isinstance(value, bool) or not _NUMBER.fullmatch(written):
        raise Refusal(BAD_PARAMETER, f"{name} parameter is invalid.")
    return Decimal(written)
