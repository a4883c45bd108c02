"""The fields of a strategy's file one by one: for documents, examples and reports of it.

What they mean and which values they take is said by the models themselves (``parameters``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import time
from enum import StrEnum
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

_UNITS = {
    "_bps": "basis points",
    "_ms": "ms",
    "_s": "s",
    "ms": "ms",
    "minutes": "minutes",
    "percent": "%",
    "fraction": "share, 0 to 1",
    "_fraction": "share, 0 to 1",
    "_share": "share, 0 to 1",
    "cap": "share, 0 to 1",
    "fallback": "share, 0 to 1",
    "bps": "basis points",
    "amount": "start currency",
    "balances": "amount by currency",
}
_KINDS = {bool: "true or false", int: "number", float: "number", str: "text", time: "HH:MM"}


@dataclass(frozen=True, slots=True)
class FieldRow:
    """A field: its dotted name, default as the file would say it, unit or choices, meaning.

    ``default`` is ``required`` where there is none. Below a mapping, a name has ``<key>`` for
    its keys.
    """

    name: str
    default: str
    unit: str
    meaning: str


def field_rows(model: type[BaseModel], prefix: str = "") -> Iterator[FieldRow]:
    """List all fields of a model and its sections, as they stand in it.

    A section of several kinds has the fields of each, its kind's once.
    """
    seen: set[str] = set()
    for name, field in model.model_fields.items():
        sections = list(_sections(field.annotation))
        kinds = _kinds([section for _, section in sections])
        yield FieldRow(
            prefix + name,
            _default(field),
            "" if sections and not _leaf(field.annotation) else _unit(name, field.annotation),
            field.description or "",
        )
        for inner, section in sections:
            for row in field_rows(section, f"{prefix}{name}.{inner}"):
                last = row.name.removeprefix(f"{prefix}{name}.{inner}")
                if row.name in seen or last not in kinds:
                    if row.name not in seen:
                        seen.add(row.name)
                        yield row
                else:
                    seen.add(row.name)
                    yield FieldRow(row.name, "required", " | ".join(kinds[last]), "Its kind.")


def given_values(model: BaseModel, prefix: str = "") -> Iterator[tuple[str, Any, bool]]:
    """List a model's values by dotted name, each with whether it was given or is a default."""
    for name in type(model).model_fields:
        value, given = getattr(model, name), name in model.model_fields_set
        if isinstance(value, BaseModel):
            for inner, of, said in given_values(value, f"{prefix}{name}."):
                yield inner, of, said and given
        else:
            yield prefix + name, value, given


def as_yaml(value: Any) -> str:
    """Write a value as a strategy's file would, on one line."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case StrEnum():
            return str(value)
        case float():
            return f"{value:.15g}"
        case tuple() | list():
            return f"[{', '.join(map(as_yaml, value))}]"
        case Mapping():
            return f"{{{', '.join(f'{of}: {as_yaml(what)}' for of, what in value.items())}}}"
        case BaseModel():
            inside = {name: getattr(value, name) for name in type(value).model_fields}
            return as_yaml(inside)
        case _:
            return str(value)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    default = field.get_default(call_default_factory=True)
    if isinstance(default, BaseModel) and list(_sections(field.annotation)) == [
        ("", type(default))
    ]:
        return ""  # a section: each of its fields says its own
    return as_yaml(default)


def _sections(annotation: Any) -> Iterator[tuple[str, type[BaseModel]]]:
    """Give the sections that a field may be, each with what leads to it in a name."""
    origin = get_origin(annotation)
    if origin in (Union, UnionType):
        for option in get_args(annotation):
            yield from _sections(option)
    elif origin is Annotated:
        yield from _sections(get_args(annotation)[0])
    elif origin is dict:
        for _, section in _sections(get_args(annotation)[1]):
            yield "<key>.", section
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield "", annotation


def _leaf(annotation: Any) -> bool:
    """Whether a field may be something other than a section, or nothing."""
    options = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else ()
    return any(option is not type(None) and not [*_sections(option)] for option in options)


def _kinds(sections: list[type[BaseModel]]) -> dict[str, list[str]]:
    """Give what chooses between several sections: its name, and its value for each."""
    found: dict[str, list[str]] = {}
    if len(sections) > 1:
        for section in sections:
            for inner, field in section.model_fields.items():
                if get_origin(field.annotation) is Literal:
                    found.setdefault(inner, []).extend(get_args(field.annotation))
    return found


def _unit(name: str, annotation: Any) -> str:
    options = _options(annotation)
    if options:
        return " | ".join(options)
    for end, unit in _UNITS.items():
        if name == end or (end.startswith("_") and name.endswith(end)):
            return unit
    return _kind(annotation)


def _options(annotation: Any) -> list[str]:
    origin = get_origin(annotation)
    if origin is Literal:
        return [str(value) for value in get_args(annotation)]
    if origin in (Union, UnionType):
        return [one for option in get_args(annotation) for one in _options(option)]
    if origin is Annotated:
        return _options(get_args(annotation)[0])
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        return [str(value) for value in annotation]
    return []


def _kind(annotation: Any) -> str:
    origin = get_origin(annotation)
    if origin is Annotated:
        return _kind(get_args(annotation)[0])
    if origin in (Union, UnionType):
        return next((kind for option in get_args(annotation) if (kind := _kind(option))), "")
    if origin is dict:
        return "amount by currency"
    if origin is tuple:
        return "list"
    return _KINDS.get(annotation, "")
