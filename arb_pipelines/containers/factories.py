"""From a component's spec to the component: import its factory, check its parameters, call it.

A factory is any callable ``factory(params, container)``: a function, a class, or a
generator function that yields the component once and tidies up after the yield.
``params`` is annotated with a dataclass or a pydantic model, which says what may be
given; from ``container`` it takes the components it works with.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Collection, Mapping
from difflib import get_close_matches
from functools import lru_cache
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any, get_type_hints

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import from_json

from arb_pipelines.containers.calls import attempt, one_line
from arb_pipelines.containers.spec import ComponentSpec
from arb_pipelines.errors import ConfigError

if TYPE_CHECKING:
    from arb_pipelines.containers.container import Container


_END = object()


@dataclasses.dataclass(frozen=True, slots=True)
class NoParams:
    """Of a component that has no parameters."""


class WrongParameter(ConfigError):
    """A component's parameter cannot be used: which one (its place among them), and why."""

    def __init__(self, why: str, name: tuple[str | int, ...] = ()) -> None:
        self.why, self.name = why, name
        super().__init__(f"{'.'.join(map(str, name))}: {why}" if name else why)


@dataclasses.dataclass(frozen=True, slots=True)
class Factory:
    """A callable that makes components, or ``yields`` one, and what its parameters may be."""

    path: str
    yields: bool
    call: Callable[[Any, Any], Any]
    adapter: TypeAdapter[Any]
    names: frozenset[str]

    def check(self, params: bytes) -> Any:
        """Read and check parameters; each time into new objects.

        Raises:
            WrongParameter: one is unknown, absent or out of range.
        """
        for name in from_json(params):
            if name not in self.names:
                raise WrongParameter(f"unknown parameter{nearest(name, self.names)}", (name,))
        try:
            return self.adapter.validate_json(params)
        except ValidationError as error:
            first = error.errors()[0]
            unknown = first["type"] == "extra_forbidden"
            why = "unknown parameter" if unknown else first["msg"].removeprefix("Value error, ")
            raise WrongParameter(why, tuple(first["loc"])) from None
        except ConfigError as error:  # of a dataclass's own checks
            raise WrongParameter(str(error)) from None


@lru_cache(maxsize=1024)
def load_factory(path: str) -> Factory:
    """Import a factory by its path, ``module:name``.

    Raises:
        ConfigError: there is no such thing, or it is not a factory.
    """
    module, colon, name = path.partition(":")
    if not (module and colon and name):
        raise ConfigError(f"{path!r} is not a factory: write module:name")
    try:
        call = getattr(_imported(module), name)
        params = next(iter(inspect.signature(call).parameters))
        hints = get_type_hints(call.__init__ if inspect.isclass(call) else call)
        kind = hints[params]
        adapter = TypeAdapter(kind)
    except AttributeError:
        raise ConfigError(f"{module} has no {name}") from None
    except (KeyError, StopIteration, TypeError, NameError) as error:
        reason = f"{path} is not a factory(params, container): {one_line(error)}"
        raise ConfigError(reason) from None
    if dataclasses.is_dataclass(kind):
        names = frozenset(field.name for field in dataclasses.fields(kind) if field.init)
    elif inspect.isclass(kind) and issubclass(kind, BaseModel):
        names = frozenset(field.alias or n for n, field in kind.model_fields.items())
    else:
        raise ConfigError(f"{path}: annotate {params} with a dataclass or a pydantic model")
    return Factory(path, inspect.isgeneratorfunction(call), call, adapter, names)


def _imported(module: str) -> ModuleType:
    try:
        return import_module(module)
    except Exception as error:  # noqa: BLE001 - importing runs whatever code is there
        raise ConfigError(f"{module} cannot be imported: {one_line(error)}") from None


class Made:
    """A component, and what tidies up after it, as a context manager.

    It is made at once, not when it is entered: what it asks for while it is made
    is then entered before it and outlives it. What fails at the end is noted in
    ``failures``.
    """

    def __init__(self, spec: ComponentSpec, container: Container, failures: list[str]) -> None:
        factory = load_factory(spec.factory)
        try:
            params = factory.check(spec.params)
        except WrongParameter as error:
            raise ConfigError(error.reason, source=spec.factory) from None
        product = factory.call(params, container)
        self._component, self._rest = product, iter(())
        if factory.yields:
            self._component, self._rest = next(product, _END), product
        if self._component is _END:
            raise ConfigError("yields no component", source=spec.factory)
        self._name, self._failures = spec.factory, failures

    def __enter__(self) -> Any:
        return self._component

    def __exit__(self, *_: object) -> None:
        tidied = attempt(0, lambda rest: next(rest, _END), self._rest)
        if tidied.error is not None:
            self._failures.append(f"{self._name}: {tidied.error}")
        elif tidied.result is not _END:
            self._failures.append(f"{self._name} yields more than once")


def nearest(name: str, known: Collection[str] | Mapping[str, object]) -> str:
    """Say which known names resemble one, or what there is: the end of a message."""
    close = get_close_matches(name, list(known), n=3, cutoff=0.6)
    if close:
        return f"; did you mean {' or '.join(close)}?"
    return f"; there is {', '.join(sorted(known)) or 'none'}"
