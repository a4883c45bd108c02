"""What a container is made of, as a value: components by role, and named children.

A spec is plain and immutable, so that it can be sent to any thread or process and
no container can change it. Names and files that lead to one are in ``registry``;
``factories`` turns it into objects.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from arb_pipelines.containers.protocols import (
    Broker,
    Check,
    Clock,
    OrderManager,
    Portfolio,
    Risk,
    Strategy,
)
from arb_pipelines.errors import ConfigError
from arb_pipelines.trading.events import MarketEvent

if TYPE_CHECKING:
    from arb_pipelines.containers.container import Container

T = TypeVar("T")


class Coordinator(Protocol):
    """Runs a container from beginning to end."""

    def run(self, container: Container) -> Any | Awaitable[Any]:
        """Give what the run came to; or a coroutine that does, for a session on a loop."""
        ...


@dataclass(frozen=True)  # no slots: Python 3.11 could not write down the type argument
class Role(Generic[T]):
    """What a component is to its container; the key under which it is found, with its type."""

    name: str

    def __str__(self) -> str:
        return self.name


CLOCK = Role[Clock]("clock")
CONNECTION = Role[Any]("connection")  # a session's, to its venue; on the parent of those that trade
CONTROLS = Role[Any]("controls")  # what a person may tell a session
MARKET_DATA = Role[Iterable[MarketEvent]]("market_data")
UNIVERSE = Role[Any]("universe")  # what there is to trade: for the other components to agree on
PORTFOLIO = Role[Portfolio]("portfolio")
BROKER = Role[Broker]("broker")
VALIDATOR = Role[Check]("validator")  # of orders; without one, none is checked
STRATEGY = Role[Strategy]("strategy")
RISK = Role[Risk]("risk")
ORDER_MANAGER = Role[OrderManager]("order_manager")
COORDINATOR = Role[Coordinator]("coordinator")

#: All roles by name, in the order in which a container makes its components.
ROLES: Mapping[str, Any] = {
    role.name: role
    for role in (
        *(CLOCK, CONNECTION, CONTROLS, UNIVERSE, MARKET_DATA, PORTFOLIO, VALIDATOR, BROKER),
        *(STRATEGY, RISK, ORDER_MANAGER, COORDINATOR),
    )
}


@dataclass(frozen=True, slots=True)
class ComponentSpec:
    """One component: the factory that makes it (``module:name``) and its parameters as JSON."""

    factory: str
    params: bytes = b"{}"


@dataclass(frozen=True, slots=True)
class ContainerSpec:
    """One container: its name, its components by role, and its children, each once."""

    name: str
    components: tuple[tuple[str, ComponentSpec], ...]
    children: tuple[ContainerSpec, ...] = ()

    def component(self, role: Role[Any]) -> ComponentSpec | None:
        """Give what fills a role, if anything does."""
        return dict(self.components).get(role.name)


def component(factory: str, **params: object) -> ComponentSpec:
    """Describe a component by its factory's import path and plain parameters.

    Raises:
        ConfigError: a parameter is not plain (numbers, text, dates, lists, mappings).
    """
    try:
        text = json.dumps(params, sort_keys=True, default=_plain)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"parameters must be plain values: {error}", source=factory) from None
    return ComponentSpec(factory, text.encode())


def _plain(value: object) -> str:
    if isinstance(value, date | Decimal | PurePath):
        return str(value)
    raise TypeError(f"{value!r} is none")


def container_spec(
    name: str,
    components: Mapping[Role[Any], ComponentSpec],
    children: Iterable[ContainerSpec] = (),
) -> ContainerSpec:
    """Describe a container.

    Raises:
        ConfigError: two children have one name.
    """
    children = tuple(children)
    names = [child.name for child in children]
    twice = sorted({child for child in names if names.count(child) > 1})
    if twice:
        raise ConfigError(f"two children are named {', '.join(twice)}", source=name)
    by_role = {role.name: made for role, made in components.items()}
    ordered = tuple((role, by_role[role]) for role in ROLES if role in by_role)
    return ContainerSpec(name, ordered, children)
