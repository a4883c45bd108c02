"""Reading one entry of a venue's JSON, field by field, exactly.

Every refusal names the file, the entry and the field. What the fields mean is
known in the venues' own folders.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Context, Decimal

from arb_pipelines.errors import DataError

_NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?")
_LARGEST = Decimal(10) ** 20
_FINEST = Decimal(10) ** -18
_WIDE = Context(prec=40)  # holds any number below the largest down to the finest digit
# Keys, paths and file names are made of currencies and need these characters.
_RESERVED = re.compile(r"[\s\-:>,|/]")


@dataclass(frozen=True, slots=True)
class Entry:
    """One JSON object of a list: ``name`` is what the venue calls it, ``row`` its position."""

    fields: Mapping[str, object]
    name: str
    row: int
    source: str

    def error(self, reason: str) -> DataError:
        """A refusal that says where."""
        return DataError(f"{self.name}: {reason}", source=self.source, row=self.row)

    def text(self, field: str) -> str:
        """A string that is not empty."""
        value = self.fields.get(field)
        if not isinstance(value, str) or not value:
            raise self.error(f"{field} is {_shown(self.fields, field)}, not a text")
        return value

    def currency(self, field: str) -> str:
        """The name of a currency, as the venue writes it."""
        return self.checked_currency(field, self.text(field))

    def checked_currency(self, field: str, name: str) -> str:
        """``name`` if a currency can be called so; ``field`` is where it stood."""
        if not name or _RESERVED.search(name):
            raise self.error(f"{field} {name!r} is not the name of a currency")
        return name

    def flag(self, field: str) -> bool:
        """A boolean."""
        value = self.fields.get(field)
        if not isinstance(value, bool):
            raise self.error(f"{field} is {_shown(self.fields, field)}, not true or false")
        return value

    def decimals(self, field: str) -> Decimal:
        """An increment given as its number of decimals: 2 is 0.01."""
        value = self.fields.get(field)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 18:
            raise self.error(f"{field} is {_shown(self.fields, field)}, not 0 to 18 decimals")
        return Decimal(10) ** -value

    def number(self, field: str) -> Decimal:
        """An exact number from 0, written as a string or as a JSON number."""
        if self.fields.get(field) is None:
            raise self.error(f"{field} is {_shown(self.fields, field)}, not a number")
        return self.checked_number(field, self.fields[field])

    def optional(self, field: str) -> Decimal | None:
        """As ``number``; ``None`` where the field is absent, null or an empty string."""
        return None if self.fields.get(field) in (None, "") else self.number(field)

    def step(self, field: str) -> Decimal:
        """An increment: a number above 0."""
        value = self.number(field)
        if not value:
            raise self.error(f"{field} is 0, not an increment")
        return value

    def checked_number(self, field: str, value: object) -> Decimal:
        """``value`` as an exact number that the lake can hold; ``field`` is where it stood."""
        if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
            raise self.error(f"{field} is {value!r}, not a number")
        if not _NUMBER.fullmatch(str(value)):
            raise self.error(f"{field} is {str(value)!r}, not a number")
        number = Decimal(str(value))
        if number >= _LARGEST or number != number.quantize(_FINEST, context=_WIDE):
            raise self.error(
                f"{field} {value} does not fit 20 digits before and 18 after the point"
            )
        return number

    def within(self, fields: Mapping[str, object], label: str) -> Entry:
        """An object inside this entry."""
        return Entry(fields, f"{self.name} {label}", self.row, self.source)


def entries(listed: object, name_field: str, source: str) -> Iterator[Entry]:
    """The objects of a JSON list; each is called by its ``name_field``.

    Raises:
        DataError: not a list, or not of objects with a name.
    """
    if not isinstance(listed, list):
        raise DataError("holds no list of symbols where the venue puts it", source=source)
    for row, fields in enumerate(listed):
        if not isinstance(fields, dict):
            raise DataError(f"{fields!r:.60} is not an object", source=source, row=row)
        name = fields.get(name_field)
        if not isinstance(name, str) or not name:
            raise DataError(f"has no {name_field}", source=source, row=row)
        yield Entry(fields, name, row, source)


def not_a_list(document: object, expected: str, source: str) -> DataError:
    """The refusal of an answer that is not ``expected``, with what it says instead."""
    if not isinstance(document, dict):
        return DataError(f"is not {expected} but {document!r:.60}", source=source)
    said = {name: value for name, value in document.items() if not _holds_objects(value)}
    return DataError(f"is not {expected}; it says {said!r:.200}", source=source)


def _holds_objects(value: object) -> bool:
    return isinstance(value, dict) or (
        isinstance(value, list) and _holds_objects(next(iter(value), 0))
    )


def _shown(fields: Mapping[str, object], field: str) -> str:
    return repr(fields[field]) if field in fields else "missing"
