"""One execution context: its own components, bus and meter, and what they share with nobody.

    CREATED ──initialise──► INITIALISED ──run──► RUNNING ──teardown──► TORN_DOWN
       └───────────────────────┴──────teardown──────────────────────────▲

svcs keeps the components and tidies up after them; this adds the states, the
children and the report of what went wrong. What components decide is theirs.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Any, TypeVar

import svcs

from arb_pipelines.containers.bus import EventBus
from arb_pipelines.containers.calls import attempt
from arb_pipelines.containers.factories import Made
from arb_pipelines.containers.metrics import Meter
from arb_pipelines.containers.shared import SharedServices
from arb_pipelines.containers.spec import COORDINATOR, ROLES, ContainerSpec, Role
from arb_pipelines.errors import ConfigError, InvariantBroken

T = TypeVar("T")


class State(StrEnum):
    """Where a container is in its life."""

    CREATED = "created"
    INITIALISED = "initialised"
    RUNNING = "running"
    TORN_DOWN = "torn_down"


class Container:
    """Components of one context, made as its spec says; see the module for its life.

    ``bus`` and ``meter`` are its own, ``shared`` is read-only and everybody's.
    Children are containers of their own within it: made after its components and
    torn down before them.
    """

    def __init__(
        self,
        spec: ContainerSpec,
        shared: SharedServices | None = None,
        *,
        parent: Container | None = None,
    ) -> None:
        self.spec, self.parent = spec, parent
        self.shared = shared if shared is not None else SharedServices()
        self._begin()

    def _begin(self) -> None:
        """Set up all that one life has; nothing else is left of an earlier one."""
        self.state = State.CREATED
        self.bus = EventBus()
        self.meter = Meter()
        self.meter.listen(self.bus)
        self.children: dict[str, Container] = {}
        self._failures: list[str] = []
        self._making: list[Role[Any]] = []
        self._components = svcs.Container(_REGISTRY)
        self._components.register_local_value(Container, self)

    @property
    def name(self) -> str:
        """Its own name after its parents', as ``parent/child``."""
        return f"{self.parent.name}/{self.spec.name}" if self.parent else self.spec.name

    def initialise(self) -> None:
        """Make the components in the order of ``ROLES``, then the children.

        Raises:
            ConfigError: a component cannot be made as it is described.
            InvariantBroken: it is not CREATED.
        """
        self._leave(State.CREATED, "initialised")
        for role, _ in self.spec.components:
            self.get(ROLES[role])
        for child in self.spec.children:
            self._make_child(child)
        self.state = State.INITIALISED

    def get(self, role: Role[T]) -> T:
        """Give the component of a role; during ``initialise`` it is made if it is not there.

        Raises:
            ConfigError: the spec names none, or two components need each other.
            InvariantBroken: the container has been torn down.
        """
        key: Any = role  # to svcs a key is a type; any that can be hashed will do
        if key not in self._components:
            self._check_makes(role)
            self._making.append(role)
            try:
                self._components.get(key)
            finally:
                self._making.pop()
        component: T = self._components.get(key)
        return component

    def add_child(self, spec: ContainerSpec) -> Container:
        """Make and initialise a child; it is torn down before this container's components.

        Raises:
            ConfigError: there is a child of that name, or it cannot be made.
            InvariantBroken: the container is neither INITIALISED nor RUNNING.
        """
        if self.state not in (State.INITIALISED, State.RUNNING):
            raise InvariantBroken(f"{self.name} is {self.state} and takes no child")
        return self._make_child(spec)

    def remove_child(self, name: str) -> tuple[str, ...]:
        """Tear down the child of that name, which need not be all of this container's end.

        Gives what failed, one line each.
        """
        return self.children.pop(name).teardown()

    def _make_child(self, spec: ContainerSpec) -> Container:
        if spec.name in self.children:
            raise ConfigError(f"there is a child named {spec.name}", source=self.name)
        child = self.children[spec.name] = Container(spec, self.shared, parent=self)
        child.initialise()
        return child

    def run(self) -> Any:
        """Let the coordinator run; gives what it gives, a coroutine from one of a session.

        Raises:
            InvariantBroken: it is not INITIALISED: a container runs once in a life.
            Exception: whatever the coordinator or a handler on the bus raised.
        """
        self._leave(State.INITIALISED, "run")
        self.state = State.RUNNING
        return self.get(COORDINATOR).run(self)

    def health(self) -> dict[str, str | None]:
        """Ask each component that has a ``ping()`` how it is; None is well, else what is wrong.

        By name and role (``name.broker``), children included.
        """
        found: dict[str, str | None] = {}
        for role in ROLES.values():
            made_one = self._components.get(role) if role in self._components else None
            if hasattr(made_one, "ping"):
                found[f"{self.name}.{role}"] = attempt(0, lambda one: one.ping(), made_one).error
        for child in self.children.values():
            found |= child.health()
        return found

    def teardown(self) -> tuple[str, ...]:
        """End this life: children, components, bus, each the last first, whatever fails.

        Gives what failed, one line each. Again, it does nothing and gives the same.
        """
        if self.state is not State.TORN_DOWN:
            self.state = State.TORN_DOWN
            for child in reversed(self.children.values()):
                self._failures += (f"{child.spec.name}: {line}" for line in child.teardown())
            self.children.clear()
            self._components.close()
            self.bus.close()
        return tuple(self._failures)

    def reset(self) -> tuple[str, ...]:
        """Tear down and begin anew, as a container just created; gives what failed."""
        failures = self.teardown()
        self._begin()
        return failures

    def _leave(self, state: State, to: str) -> None:
        if self.state is not state:
            raise InvariantBroken(f"{self.name} is {self.state} and cannot be {to}")

    def _check_makes(self, role: Role[Any]) -> None:
        if self.state is State.TORN_DOWN:
            raise InvariantBroken(f"{self.name} has been torn down and has no {role}")
        if self.spec.component(role) is None:
            raise ConfigError(f"has no {role}: name one among its components", source=self.name)
        if role in self._making:
            chain = " needs ".join(str(made) for made in (*self._making, role))
            raise ConfigError(f"{chain}: break this circle", source=self.name)


def _factory_of(role: Role[Any]) -> Callable[[svcs.Container], Made]:
    def make(svcs_container: svcs.Container) -> Made:
        container = svcs_container.get(Container)
        spec = container.spec.component(role)
        assert spec is not None
        return Made(spec, container, container._failures)

    return make


#: How a component of each role is made, for all containers of the process; never changed.
_REGISTRY = svcs.Registry()
for _role in ROLES.values():
    _REGISTRY.register_factory(_role, _factory_of(_role))
