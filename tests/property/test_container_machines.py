"""State machines: a container's life, the circuit breaker, and pools, against plain models."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from arb_pipelines.containers.breaker import BreakerState, CircuitBreaker
from arb_pipelines.containers.container import Container, State
from arb_pipelines.containers.pool import ContainerPool
from arb_pipelines.containers.runner import run_container
from arb_pipelines.containers.spec import CLOCK, COORDINATOR, component, container_spec
from arb_pipelines.errors import ConfigError, InvariantBroken
from tests.fakes.components import HERE, torn_down

SPEC = container_spec(
    "it",
    {CLOCK: component(f"{HERE}:thing", name="own"), COORDINATOR: component(f"{HERE}:Adder")},
    [container_spec("child", {CLOCK: component(f"{HERE}:thing", name="child")})],
)


class Life(RuleBasedStateMachine):
    """Any sequence of calls leaves a container in the state its picture says."""

    @initialize()
    def create(self) -> None:
        torn_down.clear()
        self.container = Container(SPEC)
        self.state = State.CREATED
        self.added: list[str] = []
        self.torn: list[str] = []

    @rule()
    def initialise(self) -> None:
        if self.state is State.CREATED:
            self.container.initialise()
            self.state, self.added = State.INITIALISED, ["child"]
        else:
            with pytest.raises(InvariantBroken, match=f"it is {self.state} and cannot be init"):
                self.container.initialise()

    @rule()
    def run(self) -> None:
        if self.state is State.INITIALISED:
            assert isinstance(self.container.run(), float)
            self.state = State.RUNNING
        else:
            with pytest.raises(InvariantBroken, match=f"it is {self.state} and cannot be run"):
                self.container.run()

    @rule(name=st.sampled_from(["a", "b"]))
    def add_child(self, name: str) -> None:
        spec = container_spec(name, {CLOCK: component(f"{HERE}:thing", name=name)})
        if self.state in (State.CREATED, State.TORN_DOWN):
            with pytest.raises(InvariantBroken, match=f"it is {self.state} and takes no child"):
                self.container.add_child(spec)
        elif name in self.added:
            with pytest.raises(ConfigError, match=f"there is a child named {name}"):
                self.container.add_child(spec)
        else:
            assert self.container.add_child(spec).state is State.INITIALISED
            self.added.append(name)

    @rule()
    def subscribe(self) -> None:
        if self.state is State.TORN_DOWN:
            with pytest.raises(InvariantBroken):
                self.container.bus.subscribe(object, print)
        else:
            self.container.bus.subscribe(object, lambda event: None)

    @rule()
    def tear_down(self) -> None:
        assert self.container.teardown() == ()
        self._end()

    @rule()
    def reset(self) -> None:
        assert self.container.reset() == ()
        self._end()
        self.state, self.added = State.CREATED, []

    def _end(self) -> None:
        if self.state is not State.TORN_DOWN:
            own = ["own"] if self.state in (State.INITIALISED, State.RUNNING) else []
            self.torn += [*reversed(self.added), *own]
            self.state, self.added = State.TORN_DOWN, []

    @invariant()
    def is_as_it_should_be(self) -> None:
        if not hasattr(self, "container"):
            return
        assert self.container.state is self.state
        assert list(self.container.children) == self.added
        assert torn_down == self.torn
        if self.state is State.TORN_DOWN:
            assert len(self.container.bus) == 0

    def teardown(self) -> None:
        if hasattr(self, "container"):
            self.container.teardown()


class Breaker(RuleBasedStateMachine):
    """The breaker does what a plain account of its rules says, at any time and order of ends."""

    @initialize(failures=st.integers(1, 3), cool_down=st.integers(0, 5))
    def create(self, failures: int, cool_down: int) -> None:
        self.now = 0
        self.failures, self.cool_down = failures, cool_down
        self.breaker = CircuitBreaker(failures, cool_down, lambda: self.now)
        self.number = 0
        self.running: list[int] = []
        # the model: when it opened, who probes, and how the last ones ended while it was closed
        self.opened: int | None = None
        self.probe: int | None = None
        self.ends: list[bool] = []

    @rule(by=st.integers(0, 6))
    def pass_time(self, by: int) -> None:
        self.now += by

    @rule()
    def begin(self) -> None:
        self.number += 1
        cooled = self.opened is not None and self.now >= self.opened + self.cool_down
        may = self.opened is None or (cooled and self.probe is None)
        assert self.breaker.allows(self.number) == may
        if may:
            self.running.append(self.number)
            if self.opened is not None:
                self.probe = self.number

    @precondition(lambda self: getattr(self, "running", None))
    @rule(data=st.data(), failed=st.booleans())
    def end(self, data: Any, failed: bool) -> None:
        number = data.draw(st.sampled_from(self.running))
        self.running.remove(number)
        self.breaker.record(number, failed=failed)
        if self.opened is None:
            self.ends.append(failed)
            if all(self.ends[-self.failures :]) and len(self.ends) >= self.failures:
                self.opened = self.now
        elif number == self.probe:
            self.probe, self.ends = None, []
            self.opened = self.now if failed else None

    @invariant()
    def stands_where_it_should(self) -> None:
        if not hasattr(self, "breaker"):
            return
        cooled = self.opened is not None and self.now >= self.opened + self.cool_down
        if self.opened is None:
            expected = BreakerState.CLOSED
        else:
            half = self.probe is not None or cooled
            expected = BreakerState.HALF_OPEN if half else BreakerState.OPEN
        assert self.breaker.state is expected
        assert self.breaker.probing == (self.probe is not None)


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=60, stateful_step_count=20, deadline=None)
TestBreaker = Breaker.TestCase
TestBreaker.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)


USES = ("run", "subscribe", "child", "count", "mark", "teardown", "reset", "attribute", "nothing")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.sampled_from(USES), max_size=5), max_size=4), st.integers(0, 10))
def test_a_reset_container_equals_a_fresh_one(lives: list[list[str]], seed: int) -> None:
    """Whatever was done to it before, it looks and runs like one just made."""
    spec = container_spec("it", {COORDINATOR: component(f"{HERE}:Adder", seed=seed)})
    fresh = run_container(spec)
    assert fresh.metrics is not None
    pool = ContainerPool(spec, 1)
    for life in lives:
        with pool.lease() as container:
            for use in life:
                misuse(container, use)
    with pool.lease() as container:
        new = Container(spec)
        new.initialise()
        assert vars(container).keys() == vars(new).keys()
        assert (container.state, len(container.bus), container.children, container.health()) == (
            new.state,
            len(new.bus),
            new.children,
            new.health(),
        )
        new.teardown()
        assert container.run() == fresh.value
        read = container.meter.read()
        for figure in ("events", "orders", "fills", "final_value", "max_drawdown", "sharpe"):
            assert getattr(read, figure) == getattr(fresh.metrics, figure)
    pool.close()


def misuse(container: Container, use: str) -> None:
    """Leave something behind in a container, if its state lets us."""
    match use:
        case "run" if container.state is State.INITIALISED:
            container.run()
        case "subscribe" if container.state is not State.TORN_DOWN:
            container.bus.subscribe(object, lambda event: None)
        case "child" if container.state is State.INITIALISED and not container.children:
            container.add_child(container_spec("child", {CLOCK: component(f"{HERE}:thing")}))
        case "count":
            container.meter.count(events=3, orders=2, fills=1)
        case "mark":
            container.meter.mark(0, 5.0)
        case "teardown":
            container.teardown()
        case "reset":
            container.reset()
        case "attribute" if container.state is State.INITIALISED:
            container.get(COORDINATOR).leftover = True  # type: ignore[attr-defined]
