"""Components by name, and containers from YAML files that use the names.

A catalogue says which components there are:

    components:
      sma_cross:
        role: strategy
        factory: arb_pipelines.backtest.components:sma_cross
        about: Long while the fast moving average is above the slow.

A container file says what one context is made of. A paper session and a backtest
differ in the components that they name for broker, clock and market data:

    name: sma_btc
    mode: backtest_single
    components:
      strategy: {component: sma_cross, params: {symbol: BTC-USDT, fast: 10, slow: 30}}
      broker: {component: my_package.brokers:my_broker}     # not in the catalogue: by import path

All that can be wrong with a file is found when it is read; nothing is made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from arb_pipelines.containers.executors import check_memory_limit, check_workers
from arb_pipelines.containers.factories import WrongParameter, load_factory, nearest
from arb_pipelines.containers.modes import Mode, ThreadModel, thread_model
from arb_pipelines.containers.spec import (
    COORDINATOR,
    ROLES,
    ComponentSpec,
    ContainerSpec,
    component,
)
from arb_pipelines.errors import ConfigError
from arb_pipelines.yaml_files import mistake_at, read_model

#: The components that come with this package.
CATALOGUE = Path(__file__).with_name("components.yaml")

Loc = tuple[str | int, ...]


def _role(name: str) -> str:
    if name not in ROLES:
        raise ValueError(f"there is no such role{nearest(name, ROLES)}")
    return name


RoleName = Annotated[str, AfterValidator(_role)]


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Entry(_File):
    """One component of a catalogue."""

    role: RoleName = Field(description="What it is to its container.")
    factory: str = Field(description="Import path of its factory, module:name.")
    about: str = Field(description="One sentence for whoever chooses.")


class _Catalogue(_File):
    components: dict[str, Entry]


class _Use(_File):
    component: str
    params: dict[str, Any] = {}


class _Context(_File):
    components: dict[RoleName, _Use] = {}
    children: dict[str, _Context] = {}


class _ContainerFile(_Context):
    name: Annotated[str, Field(min_length=1, pattern=r"^[\w.-]+$")]
    mode: Mode
    thread_model: ThreadModel | None = None
    workers: Annotated[int, Field(ge=1)] | None = None
    memory_limit_mib: Annotated[int, Field(ge=1)] | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What a container file says: one spec, and how to run it."""

    spec: ContainerSpec
    mode: Mode
    thread_model: ThreadModel
    workers: int | None
    memory_limit_mib: int | None


class ComponentRegistry:
    """Components by name, from catalogues; one named later hides one of the same name."""

    def __init__(self, entries: Mapping[str, Entry]) -> None:
        self.entries = dict(entries)

    @classmethod
    def load(cls, *catalogues: Path) -> ComponentRegistry:
        """Read the package's own catalogue and further ones.

        Raises:
            ConfigError: one is missing or wrong; names file and line.
        """
        entries: dict[str, Entry] = {}
        for path in (CATALOGUE, *catalogues):
            entries |= read_model(path, _Catalogue).components
        return cls(entries)

    def component(self, role: str, name: str, params: Mapping[str, Any]) -> ComponentSpec:
        """Describe a component by its name, or by its factory's import path.

        Raises:
            WrongParameter: a parameter is unknown, absent or out of range.
            ConfigError: there is no such component, or it has another role.
        """
        factory = name if ":" in name else self._factory(role, name)
        spec = component(factory, **params)
        load_factory(factory).check(spec.params)
        return spec

    def _factory(self, role: str, name: str) -> str:
        entry = self.entries.get(name)
        if entry is None:
            of_role = [known for known, entry in self.entries.items() if entry.role == role]
            raise ConfigError(f"there is no component {name} for {role}{nearest(name, of_role)}")
        if entry.role != role:
            raise ConfigError(f"{name} is a {entry.role}, not a {role}")
        return entry.factory

    def read_plan(self, path: Path) -> Plan:
        """Read and check a container file.

        Raises:
            ConfigError: it is missing, is not YAML, or something in it cannot be
                used; names file, line and parameter.
        """
        file = read_model(path, _ContainerFile)
        spec = self._spec(path, file.name, file, ())
        if spec.component(COORDINATOR) is None:
            raise mistake_at(path, ("components", str(COORDINATOR)), "is missing: it runs the rest")
        try:
            model = thread_model(file.mode, file.thread_model)
            check_memory_limit(model, file.memory_limit_mib)
            check_workers(model, file.workers or 1)
        except ConfigError as error:
            where = (error.source,) if error.source else ()
            raise mistake_at(path, where, error.reason) from None
        return Plan(spec, file.mode, model, file.workers, file.memory_limit_mib)

    def _spec(self, path: Path, name: str, context: _Context, at: Loc) -> ContainerSpec:
        uses = context.components
        components = tuple(
            (role, self._use(path, role, uses[role], (*at, "components", role)))
            for role in ROLES
            if role in uses
        )
        children = tuple(
            self._spec(path, child, inner, (*at, "children", child))
            for child, inner in context.children.items()
        )
        return ContainerSpec(name, components, children)

    def _use(self, path: Path, role: str, use: _Use, at: Loc) -> ComponentSpec:
        try:
            return self.component(role, use.component, use.params)
        except WrongParameter as error:
            raise mistake_at(path, (*at, "params", *error.name), error.why) from None
        except ConfigError as error:
            raise mistake_at(path, (*at, "component"), str(error)) from None
