"""What containers share (books, metadata, settings), handed out so that nobody changes it.

Values are frozen once, when they are shared; then all containers of a process see
the same ones. This keeps code from changing them by mistake or by ordinary means.
Code that sets out to break in (``ctypes``, ``object.__setattr__``) is kept out by a
process of its own, not by this.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping, Sequence, Set
from datetime import date, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from types import MappingProxyType
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, SecretBytes, SecretStr

from arb_pipelines.errors import ConfigError, InvariantBroken

_PLAIN = (
    *(bool, int, float, complex, str, bytes, type(None)),
    *(np.generic, date, timedelta, Decimal, Enum, PurePath, SecretStr, SecretBytes),
)


class SharedServices:
    """Services by name, as attributes: ``shared.books``. Reads only."""

    __slots__ = ("_services",)
    _services: Mapping[str, Any]

    def __init__(self, services: Mapping[str, object] | None = None) -> None:
        """Freeze the services.

        Raises:
            ConfigError: one of them has something that cannot be kept from changing.
        """
        frozen = {name: freeze(value, name) for name, value in (services or {}).items()}
        object.__setattr__(self, "_services", MappingProxyType(frozen))

    def __getattr__(self, name: str) -> Any:
        try:
            return self._services[name]
        except KeyError:
            known = ", ".join(sorted(self._services)) or "nothing"
            raise AttributeError(f"{name} is not shared; shared is {known}") from None

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise InvariantBroken(f"shared.{name} cannot be set: containers share it, and only read")

    def __delattr__(self, name: str) -> NoReturn:
        raise InvariantBroken(f"shared.{name} cannot be deleted: containers share it")

    def __dir__(self) -> list[str]:
        return sorted(self._services)


def freeze(value: Any, where: str = "value") -> Any:
    """Give a value that reads the same and cannot be changed; what cannot change is itself.

    Arrays are not copied unless they lie scattered in memory: the one who shares an
    array must not write to it any more either.

    Raises:
        ConfigError: it is, or holds, something that cannot be kept from changing.
    """
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, np.ndarray):
        return _read_only(value, where)
    if isinstance(value, Mapping):
        return MappingProxyType({k: freeze(v, f"{where}[{k!r}]") for k, v in value.items()})
    if isinstance(value, tuple | list):
        items = [freeze(item, f"{where}[{i}]") for i, item in enumerate(value)]
        named = isinstance(value, tuple) and hasattr(value, "_fields")
        return type(value)(*items) if named else tuple(items)
    if isinstance(value, Set):
        return frozenset(freeze(item, where) for item in value)
    if isinstance(value, BaseModel) and value.model_config.get("frozen"):
        return _with(value, type(value).model_fields, where)
    if _is_frozen_dataclass(value):
        return _with(value, [field.name for field in dataclasses.fields(value)], where)
    raise ConfigError(
        f"a {type(value).__name__} can be changed by whoever gets it; share arrays, mappings, "
        "tuples, plain values, frozen dataclasses and frozen models",
        source=where,
    )


def _is_frozen_dataclass(value: Any) -> bool:
    params = getattr(type(value), "__dataclass_params__", None)
    return params is not None and params.frozen


def _read_only(array: npt.NDArray[Any], where: str) -> npt.NDArray[Any]:
    """View an array through a read-only buffer, so that its flag cannot be turned back."""
    if array.dtype.hasobject:
        raise ConfigError("an array of objects can be changed by whoever gets it", source=where)
    flat: Any = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    buffer = memoryview(flat).toreadonly()
    return np.frombuffer(buffer, array.dtype).reshape(array.shape)


def _with(value: Any, names: Sequence[str] | Mapping[str, Any], where: str) -> Any:
    """Copy a frozen value with its fields frozen too; the value itself if they all are."""
    fields = {name: getattr(value, name) for name in names}
    frozen = {name: freeze(field, f"{where}.{name}") for name, field in fields.items()}
    if all(frozen[name] is field for name, field in fields.items()):
        return value
    twin = copy.copy(value)
    for name, field in frozen.items():
        object.__setattr__(twin, name, field)
    return twin
