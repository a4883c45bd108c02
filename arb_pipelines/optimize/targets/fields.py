"""Parameters as fields of a checked model: dotted names in, a model with other values out.

``capital_allocation.fraction`` is the field ``fraction`` of the section
``capital_allocation``. A parameter that chooses the kind of a section, such as
``capital_allocation.mode``, begins that section anew.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from arb_pipelines.errors import ConfigError
from arb_pipelines.optimize.targets.base import Params

M = TypeVar("M", bound=BaseModel)


class UnknownParameter(ConfigError):
    """A target has no such parameter: it never will, whatever the values of the others."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        super().__init__(f"{name}: the target has no such parameter{_nearest(name, known)}")


def with_fields(model: M, params: Params) -> M:
    """Give ``model`` with the fields that ``params`` name, checked as a whole.

    Raises:
        UnknownParameter: there is no such field; names the nearest.
        ConfigError: a value, or the whole, cannot be used.
    """
    known = dict(fields_of(type(model)))
    data = model.model_dump()
    for name in sorted(params, key=lambda name: not known.get(name)):  # kinds come first
        _set(data, name, params[name], known)
    try:
        return type(model).model_validate(data)
    except ValidationError as error:
        raise _as_config_error(error, known) from None


def fields_of(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, bool]]:
    """List the dotted names of all fields, each with whether it chooses its section's kind."""
    for name, field in model.model_fields.items():
        sections = list(_sections(field.annotation))
        for section in sections:
            yield from fields_of(section, f"{prefix}{name}.")
        if not sections:
            yield f"{prefix}{name}", get_origin(field.annotation) is Literal


def _sections(annotation: Any) -> Iterator[type[BaseModel]]:
    if get_origin(annotation) in (Union, UnionType):
        for option in get_args(annotation):
            yield from _sections(option)
    elif get_origin(annotation) is Annotated:
        yield from _sections(get_args(annotation)[0])
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation


def _set(data: dict[str, Any], name: str, value: object, known: Mapping[str, bool]) -> None:
    *sections, last = name.split(".")
    at = data
    for section in sections:
        inner = at.get(section)
        if not isinstance(inner, dict):
            at[section] = inner = {}
        at = inner
    if name not in known and last not in at:  # a key of a mapping, such as balances.USDT, is known
        raise UnknownParameter(name, known)
    if known.get(name):
        at.clear()
    at[last] = value


def _nearest(name: str, known: Iterable[str]) -> str:
    known = list(known)
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    ends = [other for other in known if other.rpartition(".")[2] == name.rpartition(".")[2]]
    names = list(dict.fromkeys([*ends, *close]))[:3]
    return f"; did you mean {' or '.join(names)}?" if names else ""


def _as_config_error(error: ValidationError, known: Mapping[str, bool]) -> ConfigError:
    first = error.errors()[0]
    parts = [str(part) for part in first["loc"]]
    # pydantic also names the kind of a section, which is no part of the name
    name = next(
        (one for one in known if one.split(".") == [p for p in parts if p in one.split(".")]),
        ".".join(parts),
    )
    reason = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        reason = "does not belong to the kind of section that was chosen"
    return ConfigError(f"{name}: {reason}" if name else reason)
