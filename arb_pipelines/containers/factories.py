"""From a component's spec to the component: import its factory, check its parameters, call it.

A factory is any callable ``factory(params, container)``: a function, a class, or a
generator function that yields the component once and tidies up after the yield.
``params`` is annotated with a dataclass or a pydantic model, which says what may be
given; from ``container`` it takes the components it works with.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, get_type_hints

from pydantic import BaseModel, TypeAdapter, ValidationError

from arb_pipelines.containers.calls import attempt
from arb_pipelines.containers.spec import ComponentSpec
from arb_pipelines.errors import ConfigError

if TYPE_CHECKING:
    from arb_pipelines.containers.container import Container


_END = object()


@dataclasses.dataclass(frozen=True, slots=True)
class NoParams:
    """Of a component that has no parameters."""


class WrongParameter(ConfigError):
    """A component's parameter cannot be used; ``name`` is its place among the parameters."""

    def __init__(self, reason: str, name: tuple[str | int, ...] = ()) -> None:
        self.name = name
        super().__init__(reason)


@dataclasses.dataclass(frozen=True, slots=True)
class Factory:
    """A callable that makes components, and what its parameters may be."""

    path: str
    call: Callable[[Any, Any], Any]
    adapter: TypeAdapter[Any]
    names: frozenset[str]

    def check(self, params: bytes) -> Any:
        """Read and check parameters; each time into new objects.

        Raises:
            WrongParameter: one is unknown, absent or out of range.
        """
        for name in json.loads(params):
            if name not in self.names:
                raise WrongParameter(
                    f"{name}: unknown parameter{nearest(name, self.names)}", (name,)
                )
        try:
            return self.adapter.validate_json(params)
        except ValidationError as error:
            first = error.errors()[0]
            where = tuple(first["loc"])
            reason = first["msg"].removeprefix("Value error, ")
            raise WrongParameter(
                f"{'.'.join(map(str, where))}: {reason}" if where else reason, where
            ) from None
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
        call = getattr(import_module(module), name)
        params = next(iter(inspect.signature(call).parameters))
        hints = get_type_hints(call.__init__ if inspect.isclass(call) else call)
        kind = hints[params]
        adapter = TypeAdapter(kind)
    except ImportError as error:
        raise ConfigError(f"{path} cannot be imported: {error}") from None
    except AttributeError:
        raise ConfigError(f"{module} has no {name}") from None
    except (KeyError, StopIteration, TypeError, NameError) as error:
        raise ConfigError(f"{path} is not a factory(params, container): {error}") from None
    if dataclasses.is_dataclass(kind):
        names = frozenset(field.name for field in dataclasses.fields(kind) if field.init)
    elif inspect.isclass(kind) and issubclass(kind, BaseModel):
        names = frozenset(field.alias or n for n, field in kind.model_fields.items())
    else:
        raise ConfigError(f"{path}: annotate {params} with a dataclass or a pydantic model")
    return Factory(path, call, adapter, names)


@contextmanager
def made(spec: ComponentSpec, container: Container, failures: list[str]) -> Iterator[Any]:
    """Make a component, and tidy up after it; what fails then is noted in ``failures``."""
    factory = load_factory(spec.factory)
    try:
        params = factory.check(spec.params)
    except WrongParameter as error:
        raise ConfigError(error.reason, source=spec.factory) from None
    product = factory.call(params, container)
    if not inspect.isgeneratorfunction(factory.call):
        yield product
        return
    component = next(product)
    try:
        yield component
    finally:
        tidied = attempt(0, lambda rest: next(rest, _END), product)
        if tidied.error is not None:
            failures.append(f"{spec.factory}: {tidied.error}")
        elif tidied.result is not _END:
            product.close()
            failures.append(f"{spec.factory} yields more than once")


def nearest(name: str, known: Collection[str] | Mapping[str, object]) -> str:
    """Say which known names resemble one, or what there is: the end of a message."""
    close = get_close_matches(name, list(known), n=3, cutoff=0.6)
    if close:
        return f"; did you mean {' or '.join(close)}?"
    return f"; there is {', '.join(sorted(known)) or 'none'}"
