"""One container: its life, its components, children, health, metrics and reports."""

from __future__ import annotations

import pytest

from arb_pipelines.clock import NS_PER_DAY
from arb_pipelines.containers.bus import EventBus
from arb_pipelines.containers.container import Container, State
from arb_pipelines.containers.metrics import Meter
from arb_pipelines.containers.pool import ContainerPool
from arb_pipelines.containers.runner import run_container
from arb_pipelines.containers.spec import (
    BROKER,
    CLOCK,
    COORDINATOR,
    PORTFOLIO,
    STRATEGY,
    component,
    container_spec,
)
from arb_pipelines.errors import ConfigError, InvariantBroken
from arb_pipelines.trading.performance import sharpe
from tests.fakes import components
from tests.fakes.components import HERE, adder, things, torn_down


@pytest.fixture(autouse=True)
def _nothing_torn_down() -> None:
    torn_down.clear()


def test_components_are_made_once_and_torn_down_last_first() -> None:
    """Each role has one component; a component that another needs outlives it."""
    spec = container_spec(
        "it",
        {
            CLOCK: component(f"{HERE}:thing", name="clock", needs=["broker"]),
            PORTFOLIO: component(f"{HERE}:thing", name="portfolio"),
            BROKER: component(f"{HERE}:thing", name="broker"),
        },
    )
    container = Container(spec)
    assert container.state is State.CREATED
    container.initialise()
    assert container.get(BROKER) is container.get(BROKER)
    assert container.teardown() == ()
    assert torn_down == ["portfolio", "clock", "broker"]
    assert container.teardown() == ()
    assert torn_down == ["portfolio", "clock", "broker"]


def test_every_component_is_torn_down_whatever_the_others_do() -> None:
    """Each failure is reported, in the order it happened, and stops nobody."""
    container = Container(things("a", "b", "c", raising=("a", "b")))
    container.initialise()
    failures = container.teardown()
    assert torn_down == ["c", "b", "a"]
    assert [failure.partition(" (at")[0] for failure in failures] == [
        f"{HERE}:thing: RuntimeError: b hangs",
        f"{HERE}:thing: RuntimeError: a hangs",
    ]


def test_a_component_that_cannot_be_made_ends_those_that_were() -> None:
    """What was made before is torn down; the report says what could not be made."""
    spec = container_spec(
        "it",
        {
            CLOCK: component(f"{HERE}:thing", name="clock"),
            BROKER: component(f"{HERE}:broken", name="broker"),
            STRATEGY: component(f"{HERE}:thing", name="strategy"),
        },
    )
    report = run_container(spec)
    assert str(report.error).startswith("ValueError: broker cannot be made")
    assert torn_down == ["clock"]


def test_a_component_has_one_life() -> None:
    """A factory that yields again is reported, and ended."""
    container = Container(container_spec("it", {CLOCK: component(f"{HERE}:yields_twice")}))
    container.initialise()
    assert container.teardown() == (f"{HERE}:yields_twice yields more than once",)


def test_children_live_within_their_parent() -> None:
    """They have their own bus and components, and end first, the last first."""
    inner = container_spec("inner", {CLOCK: component(f"{HERE}:thing", name="inner")})
    other = container_spec("other", {CLOCK: component(f"{HERE}:thing", name="o", raises=True)})
    spec = container_spec("it", {CLOCK: component(f"{HERE}:thing", name="outer")}, [inner, other])
    container = Container(spec)
    container.initialise()
    child = container.children["inner"]
    assert child.name == "it/inner"
    assert child.bus is not container.bus
    assert child.get(CLOCK) is not container.get(CLOCK)
    with pytest.raises(ConfigError, match="it: there is a child named inner"):
        container.add_child(inner)
    (failure,) = container.teardown()
    assert failure.startswith("other: ")
    assert torn_down == ["o", "inner", "outer"]
    assert child.state is State.TORN_DOWN
    with pytest.raises(InvariantBroken, match="takes no child"):
        container.add_child(inner)
    with pytest.raises(ConfigError, match="two children are named inner"):
        container_spec("it", {}, [inner, inner])


def test_roles_that_are_missing_or_need_each_other_are_said_to() -> None:
    """The message names the container and the role, or the circle."""
    container = Container(adder())
    container.initialise()
    with pytest.raises(ConfigError, match="adder: has no broker: name one among its components"):
        container.get(BROKER)
    container.teardown()
    with pytest.raises(InvariantBroken, match="adder has been torn down and has no coordinator"):
        container.get(COORDINATOR)
    circle = container_spec(
        "it",
        {
            CLOCK: component(f"{HERE}:thing", needs=["broker"]),
            BROKER: component(f"{HERE}:thing", needs=["clock"]),
        },
    )
    assert "clock needs broker needs clock: break this circle" in str(run_container(circle).error)


def test_health_asks_every_component_that_can_tell() -> None:
    """None is well, else what is wrong; those of children too, none after teardown."""
    inner = container_spec("inner", {CLOCK: component(f"{HERE}:thing")})
    spec = container_spec(
        "it",
        {CLOCK: component(f"{HERE}:thing"), COORDINATOR: component(f"{HERE}:Adder")},
        [inner],
    )
    container = Container(spec)
    assert container.health() == {}
    container.initialise()
    container.children["inner"].get(CLOCK).unwell = "no feed"  # type: ignore[attr-defined]
    health = container.health()
    assert health.pop("it/inner.clock", "").startswith("RuntimeError: no feed")  # type: ignore[union-attr]
    assert health == {"it.clock": None}
    container.teardown()
    assert container.health() == {}


def test_a_report_has_the_value_and_the_metrics() -> None:
    """A run that ends well says what it came to, and what was counted on the way."""
    report = run_container(adder(count=50, seed=4))
    assert report.error is None
    assert report.teardown == ()
    assert report.metrics is not None
    assert report.metrics.events == 50
    assert report.metrics.final_value == pytest.approx(1_000.0 + report.value)
    assert report.metrics.peak_memory_bytes is None


def test_metrics_are_none_where_nobody_told() -> None:
    """Without marks there is no value, drawdown or Sharpe ratio; counts are what was counted."""
    meter = Meter()
    meter.listen(EventBus())
    meter.count(events=5, orders=3, fills=2)
    read = meter.read()
    assert (read.events, read.orders, read.fills) == (5, 3, 2)
    assert (read.final_value, read.max_drawdown, read.sharpe) == (None, None, None)
    with pytest.raises(InvariantBroken, match="is worth nan"):
        meter.mark(0, float("nan"))


def test_marks_give_drawdown_and_daily_sharpe() -> None:
    """Drawdown counts every mark, the Sharpe ratio the last of each day."""
    meter = Meter()
    for day, values in enumerate([(100.0, 80.0, 110.0), (121.0,), (130.0, 108.9)]):
        for at, value in enumerate(values):
            meter.mark(day * NS_PER_DAY + at, value)
    read = meter.read()
    assert read.final_value == 108.9
    assert read.max_drawdown == pytest.approx(130.0 - 108.9)
    assert read.sharpe == pytest.approx(sharpe([0.1, 0.1, -0.1]))


def test_a_pool_gives_initialised_containers_and_takes_back_new_ones() -> None:
    """They are ready in advance, reset after use, and one more is made when all are out."""
    pool = ContainerPool(adder(seed=1), 2)
    assert len(pool) == 2
    with pool.lease() as first, pool.lease() as second, pool.lease() as third:
        assert len(pool) == 0
        assert {first.state, second.state, third.state} == {State.INITIALISED}
        value = first.run()
        second.bus.subscribe(object, print)
        third.teardown()
    assert len(pool) == 2
    with pool.lease() as again:
        assert again.state is State.INITIALISED
        assert again.run() == value
    pool.close()
    assert len(pool) == 0


def test_a_pool_whose_container_cannot_be_made_leaves_none() -> None:
    """The error is the component's; whatever was made is torn down."""
    spec = container_spec(
        "it",
        {
            CLOCK: component(f"{HERE}:thing", name="clock"),
            BROKER: component(f"{HERE}:broken", name="broker"),
        },
    )
    with pytest.raises(ValueError, match="broker cannot be made"):
        ContainerPool(spec, 2)
    assert torn_down == ["clock"]


def test_a_session_needs_no_other_code_than_a_backtest() -> None:
    """A coordinator's coroutine runs where there is no loop, too, on one of its own."""
    assert run_container(components.late_adder(seed=3)).value == run_container(adder(seed=3)).value
