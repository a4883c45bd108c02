"""Components for containers: a small deterministic strategy's worth of them, and hostile ones."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from arb_pipelines.backtest.bars.arrays import BarArrays
from arb_pipelines.containers.container import Container
from arb_pipelines.containers.factories import NoParams
from arb_pipelines.containers.spec import (
    BROKER,
    CLOCK,
    COORDINATOR,
    PORTFOLIO,
    RISK,
    STRATEGY,
    ComponentSpec,
    ContainerSpec,
    Role,
    component,
    container_spec,
)
from tests.fakes.backtest_worlds import DAY, random_world, strategy

HERE = "tests.fakes.components"
HOUR_NS = 3_600 * 10**9
WORLD = 11
#: What was torn down in this process, in order; tests clear it.
torn_down: list[str] = []


# -- a day's services ------------------------------------------------------------------------


def open_services() -> Mapping[str, Any]:
    """Bars of two symbols, and books and markets of a small generated day."""
    world = random_world(WORLD, updates=60, depth=3)
    return {
        "bars": {"BTC-USDT": _bars("BTC-USDT", 1), "ETH-USDT": _bars("ETH-USDT", 2)},
        "books": (world.books,),
        "markets": tuple(world.markets),
        "day": DAY,
        "settings": {"fees": [1.0, 2.0]},
    }


def fail_to_open() -> Mapping[str, Any]:
    raise ValueError("no books")


def _bars(symbol: str, seed: int, n: int = 400) -> BarArrays:
    rng = np.random.default_rng(seed)
    close = 100.0 * np.exp(np.cumsum(rng.normal(0, 0.01, n)))
    opened = np.concatenate([[100.0], close[:-1]])
    high, low = np.maximum(opened, close) * 1.002, np.minimum(opened, close) * 0.998
    ts = 1_735_689_600 * 10**9 + HOUR_NS * np.arange(n, dtype=np.int64)
    return BarArrays(symbol, HOUR_NS, ts, opened, high, low, close, np.full(n, 50.0))


def trials(n: int) -> list[ContainerSpec]:
    """Trials of mixed kinds and parameters: bars, books by both engines."""
    return [(_sma, _cycles)[number % 2](number) for number in range(n)]


def _sma(number: int) -> ContainerSpec:
    single = "arb_pipelines.backtest.components.single"
    symbol = ("BTC-USDT", "ETH-USDT")[number // 2 % 2]
    fast = 2 + number % 9
    parts = {
        "clock": component(f"{single}:event_clock"),
        "market_data": component(f"{single}:shared_bars", symbol=symbol),
        "portfolio": component(f"{single}:balances", balances={"USDT": 1_000.0 + number}),
        "broker": component(f"{single}:bar_broker", slippage={"model": "bps", "bps": 1.0}),
        "strategy": component(
            f"{single}:sma_cross", symbol=symbol, fast=fast, slow=fast + 5, fraction=0.5
        ),
        "risk": component(f"{single}:single_order_risk"),
        "order_manager": component(f"{single}:single_orders"),
        "coordinator": component(f"{single}:BacktestRun"),
    }
    return ContainerSpec(f"sma_{number}", tuple(parts.items()))


def _cycles(number: int) -> ContainerSpec:
    cycles = "arb_pipelines.backtest.components.cycles"
    params = strategy(
        name=f"cycles_{number}",
        balances={"USDT": 500.0 + number},
        min_profit_bps=float(number % 5),
        slots=1 + number % 3,
        latency={"decision_ms": 1, "leg_ms": number % 7},
    ).model_dump(mode="json", exclude_unset=True)
    parts = {
        "universe": component(f"{cycles}:cycle_universe", **params),
        "market_data": component(f"{cycles}:shared_books"),
        "portfolio": component(f"{cycles}:cycle_balances"),
        "validator": component(
            "arb_pipelines.backtest.components.single:order_validator", ticks=False
        ),
        "broker": component(f"{cycles}:book_broker"),
        "strategy": component(f"{cycles}:cycle_strategy"),
        "risk": component(f"{cycles}:cycle_risk"),
        "order_manager": component(f"{cycles}:cycle_orders"),
        "coordinator": component(f"{cycles}:CycleRun"),
    }
    if number % 4 == 3:
        parts = {name: parts[name] for name in ("universe",)}
        parts["coordinator"] = component(f"{cycles}:CycleKernel")
    return ContainerSpec(f"cycles_{number}", tuple(parts.items()))


# -- small ones -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Named:
    """What a component is called, and which others it asks for."""

    name: str = "it"
    needs: tuple[str, ...] = ()
    raises: bool = False


@dataclass(slots=True)
class Thing:
    """Any component; unwell if told so."""

    name: str
    unwell: str | None = None

    def ping(self) -> None:
        if self.unwell is not None:
            raise RuntimeError(self.unwell)


def thing(params: Named, container: Container) -> Iterator[Thing]:
    """A component that notes when it is torn down, and may fail then."""
    for role in params.needs:
        container.get(Role[Any](role))
    yield Thing(params.name)
    torn_down.append(params.name)
    if params.raises:
        raise RuntimeError(f"{params.name} hangs")


def broken(params: Named, container: Container) -> Thing:
    raise ValueError(f"{params.name} cannot be made")


def yields_twice(params: NoParams, container: Container) -> Iterator[int]:
    yield 1
    yield 2


def unannotated(params, container):  # type: ignore[no-untyped-def]
    return None


@dataclass(frozen=True, slots=True)
class Sum:
    """How many numbers to add up, and from which seed."""

    count: int = 100
    seed: int = 0


class Adder:
    """A coordinator whose value depends on its parameters alone."""

    def __init__(self, params: Sum, container: Container) -> None:
        self._params = params

    def run(self, container: Container) -> float:
        values = np.random.default_rng(self._params.seed).normal(size=self._params.count)
        for at, value in enumerate(np.cumsum(values)):
            container.meter.mark(at, 1_000.0 + float(value))
            container.bus.publish(float(value))
        return float(values.sum())


class LateAdder(Adder):
    """The same on a loop."""

    async def run(self, container: Container) -> float:  # type: ignore[override]
        await asyncio.sleep(0)
        return super().run(container)


def adder(name: str = "adder", **params: Any) -> ContainerSpec:
    return container_spec(name, {COORDINATOR: component(f"{HERE}:Adder", **params)})


def late_adder(name: str = "late", **params: Any) -> ContainerSpec:
    return container_spec(name, {COORDINATOR: component(f"{HERE}:LateAdder", **params)})


def of(coordinator: str, **params: Any) -> ContainerSpec:
    """A container of a coordinator of this module alone."""
    return container_spec(coordinator, {COORDINATOR: component(f"{HERE}:{coordinator}", **params)})


def things(*names: str, raising: tuple[str, ...] = (), **more: ComponentSpec) -> ContainerSpec:
    """A container of the named things, in the roles that there are."""
    roles = (CLOCK, PORTFOLIO, BROKER, STRATEGY, RISK)
    parts = {
        role: component(f"{HERE}:thing", name=name, raises=name in raising)
        for role, name in zip(roles, names, strict=False)
    }
    return container_spec("things", parts)


# -- hostile ones -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Size:
    """MiB to fill."""

    mib: int


class Glutton:
    """Fills memory."""

    def __init__(self, params: Size, container: Container) -> None:
        self._mib = params.mib

    def run(self, container: Container) -> int:
        return int(np.ones(self._mib << 17).nbytes)


class Counting:
    """Tells how many threads there are."""

    def __init__(self, params: NoParams, container: Container) -> None:
        pass

    def run(self, container: Container) -> int:
        return threading.active_count()


@dataclass(frozen=True, slots=True)
class Marker:
    """Where to write the process's id."""

    path: str


class Endless:
    """Says that it runs, and never ends, busy all the while."""

    def __init__(self, params: Marker, container: Container) -> None:
        self._path = Path(params.path)

    def run(self, container: Container) -> None:
        self._path.write_text(str(os.getpid()))
        while True:
            pass


class EndlessOnLoop(Endless):
    """The same, waiting all the while."""

    async def run(self, container: Container) -> None:  # type: ignore[override]
        self._path.write_text(str(os.getpid()))
        await asyncio.Event().wait()


@dataclass(frozen=True, slots=True)
class Phase:
    """When to raise."""

    at: str


def raising(params: Phase, container: Container) -> Iterator[Any]:
    """A coordinator that raises what nobody expects when it is told to."""
    if params.at == "make":
        raise Evil("in make")
    if params.at == "nothing":
        return
    yield Raising(params.at)
    if params.at == "teardown":
        raise Evil("in teardown")
    if params.at == "twice":
        yield None


@dataclass(slots=True)
class Raising:
    """Raises in one phase of its life."""

    at: str

    def ping(self) -> None:
        if self.at == "ping":
            raise Evil("in ping")

    def run(self, container: Container) -> Any:
        if self.at == "run":
            raise Evil("in run")
        if self.at == "interrupt":
            raise KeyboardInterrupt
        container.health()
        return self._later() if self.at == "await" else self.at

    async def _later(self) -> None:
        raise Evil("in await")


class Dying:
    """Takes its process with it."""

    def __init__(self, params: NoParams, container: Container) -> None:
        pass

    def run(self, container: Container) -> None:
        os._exit(3)


class Evil(BaseException):
    """What nobody expects to catch."""


@dataclass(frozen=True, slots=True)
class Deeds:
    """Which harm to try; all of it must fail or stay its own."""

    deed: str


DEEDS = ("write", "flag", "replace", "leak", "raise", "handler", "spec", "params", "late")


def hostile(params: Deeds, container: Container) -> Iterator[Any]:
    """A coordinator that raises in teardown, whatever else it does."""
    yield Hostile(params, container)
    raise Evil("in teardown")


class Hostile:
    """Does harm by ordinary means: changing what it is given, leaking, raising."""

    def __init__(self, params: Deeds, container: Container) -> None:
        self._params = params

    def run(self, container: Container) -> Any:
        shared, deed = container.shared, self._params.deed
        _leaks.append(container.bus.subscribe(object, lambda event: _leaks.append(event)))
        match deed:
            case "write":
                shared.books[0].bid_px[:] = 0.0
            case "flag":
                shared.books[0].bid_px.flags.writeable = True
            case "replace":
                shared.books = ()
            case "raise":
                raise Evil("in run")
            case "handler":
                container.bus.subscribe(object, _evil)
                container.bus.publish("now")
            case "spec":
                container.spec.components[0][1].params = b"{}"  # type: ignore[misc]
            case "params":
                shared.settings["fees"].append(3.0)
            case "late":
                container.bus.close()
                container.bus.publish("on a closed bus")
        for number in range(100):
            container.bus.subscribe(object, _leaks.append)
            container.bus.publish(number)
        return "leaked"


#: What hostile components keep alive beyond their container.
_leaks: list[Any] = []


def _evil(event: object) -> None:
    raise Evil("in a handler")


def hostile_specs() -> list[ContainerSpec]:
    """One container for each deed."""
    return [
        container_spec(f"hostile_{deed}", {COORDINATOR: component(f"{HERE}:hostile", deed=deed)})
        for deed in DEEDS
    ]


def forget_leaks() -> None:
    """Let go of what hostile components kept in this module."""
    _leaks.clear()
    torn_down.clear()
