"""Components by name and container files: what they make, and how mistakes are told."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from arb_pipelines.containers.container import Container
from arb_pipelines.containers.factories import load_factory
from arb_pipelines.containers.modes import Mode, ThreadModel
from arb_pipelines.containers.registry import ComponentRegistry
from arb_pipelines.containers.runner import run_container, run_containers
from arb_pipelines.containers.shared import SharedServices
from arb_pipelines.containers.spec import BROKER, CLOCK, ROLES, component
from arb_pipelines.errors import ConfigError
from arb_pipelines.trading.lifecycle import OrderStatus
from tests.fakes.backtest_worlds import market
from tests.fakes.components import HERE, open_services

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


@pytest.fixture(scope="module")
def registry() -> ComponentRegistry:
    return ComponentRegistry.load()


def test_every_component_of_the_catalogue_can_be_imported(registry: ComponentRegistry) -> None:
    """Each has a factory with checked parameters and a role that there is."""
    for entry in registry.entries.values():
        assert load_factory(entry.factory).adapter is not None
        assert entry.role in ROLES
        assert entry.about.endswith(".")


@pytest.mark.parametrize("name", ["sma_cross_container", "triangles_container"])
def test_the_examples_run(name: str, registry: ComponentRegistry) -> None:
    """What the documentation shows is read, made and run to a result with trades."""
    plan = registry.read_plan(EXAMPLES / f"{name}.yaml")
    (report,) = run_containers(
        [plan.spec],
        plan.mode,
        model=ThreadModel.SINGLE_THREADED,
        memory_limit_mib=plan.memory_limit_mib,
        open_shared=open_services,
    )
    assert report.error is None
    assert report.metrics is not None
    assert report.metrics.fills > 0
    assert report.metrics.final_value is not None


def test_a_validator_holds_a_strategy_to_the_venue_s_rules(
    registry: ComponentRegistry, tmp_path: Path
) -> None:
    """Named in the file, it rejects every order that the market would not take; unnamed, none."""
    text = (EXAMPLES / "sma_cross_container.yaml").read_text()
    file = tmp_path / "container.yaml"
    file.write_text(text + "  validator: {component: order_validator}\n")
    small, large = (market("BTC-USDT", min_funds=Decimal(least)) for least in (1, 10**6))
    ended = {}
    for name, listed in (("small", small), ("large", large)):
        shared = SharedServices({"bars": open_services()["bars"], "markets": (listed,)})
        report = run_container(registry.read_plan(file).spec, shared)
        assert report.error is None, report
        ended[name] = report.value.orders
    assert ended["small"].keys() == {OrderStatus.FILLED}
    assert ended["large"].keys() == {OrderStatus.REJECTED}


def test_a_plan_says_how_to_run(registry: ComponentRegistry) -> None:
    """Mode, thread model and limits are the file's, defaults the mode's."""
    plan = registry.read_plan(EXAMPLES / "triangles_container.yaml")
    assert (plan.mode, plan.thread_model, plan.workers, plan.memory_limit_mib) == (
        Mode.BACKTEST_PARALLEL,
        ThreadModel.PROCESS_PARALLEL,
        2,
        None,
    )
    backtests = [role for role in ROLES if role not in ("clock", "connection", "controls")]
    assert [role for role, _ in plan.spec.components] == backtests
    single = registry.read_plan(EXAMPLES / "sma_cross_container.yaml")
    assert single.thread_model is ThreadModel.SINGLE_THREADED


def test_a_live_broker_takes_the_simulated_ones_place_by_name_alone(
    registry: ComponentRegistry, tmp_path: Path
) -> None:
    """Another clock and broker, by import path and from a catalogue; nothing else changes."""
    catalogue = tmp_path / "mine.yaml"
    catalogue.write_text(
        f"components:\n  my_broker: {{role: broker, factory: '{HERE}:thing', about: Mine.}}\n"
    )
    text = (EXAMPLES / "sma_cross_container.yaml").read_text()
    start, end = text.index("  broker:"), text.index("  strategy:")
    mine = "  broker: {component: my_broker, params: {name: venue}}\n"
    text = (text[:start] + mine + text[end:]).replace("event_clock", f"'{HERE}:thing'")
    file = tmp_path / "container.yaml"
    file.write_text(text)
    plan = ComponentRegistry.load(catalogue).read_plan(file)
    container = Container(plan.spec, SharedServices(open_services()))
    container.initialise()
    assert container.get(BROKER).name == "venue"  # type: ignore[attr-defined]
    assert container.get(CLOCK).name == "it"  # type: ignore[attr-defined]
    container.teardown()


def test_children_are_named_in_the_file(registry: ComponentRegistry, tmp_path: Path) -> None:
    """A child has components and children of its own."""
    file = tmp_path / "container.yaml"
    inner = "children: {deep: {components: {clock: {component: event_clock}}}}"
    own = "components: {coordinator: {component: backtest}}"
    file.write_text(f"name: it\nmode: replay\n{own}\nchildren:\n  inner: {{{inner}}}\n")
    (inner_spec,) = registry.read_plan(file).spec.children
    assert inner_spec.name == "inner"
    assert inner_spec.children[0].component(CLOCK) is not None


MISTAKES = {
    "mode: backtest_single\n": ("", r":4: mode: Field required"),
    "mode: backtest_single": ("mode: backtest_singel", r":5: mode: Input should be 'backtest_"),
    "memory_limit_mib: 512": ("memory_limit_mib: 0", r":6: memory_limit_mib: .*greater than or"),
    "  clock: {": ("  clok: {", r":8: components.clok: there is no such role; did you mean clock"),
    "component: sma_cross": (
        "component: sma_cros",
        r":22: components.strategy.component: .*no component sma_cros for strategy; did",
    ),
    "component: balances": (
        "component: bar_broker",
        r":13: .*: bar_broker is a broker, not a portfolio",
    ),
    "fast: 10, ": (
        "fats: 10, ",
        r":23: components.strategy.params.fats: unknown parameter; did you mean fast",
    ),
    "fast: 10": (
        "fast: 40",
        r":23: components.strategy.params: fast 40, slow 30: give windows of 1 <= fast < slow",
    ),
    "{model: bps, bps: 10}": (
        "{model: bps, bsp: 10}",
        r":20: components.broker.params.commission.bsp: unknown parameter",
    ),
    "{component: backtest}": (
        "{component: 'no.such:it'}",
        r":26: .*: no.such cannot be imported",
    ),
    "{symbol: BTC-USDT, fast": (
        "{fast",
        r":23: components.strategy.params.symbol: ",
    ),
    "{USDT: 10000}": (
        "{USDT: .nan}",
        r":14: components.portfolio.params: nan USDT: give a finite amount of at least 0",
    ),
    "  coordinator: {component: backtest}": (
        "",
        r":7: components.coordinator: is missing: it runs the rest",
    ),
    "{component: single_orders}": (f"{{component: '{HERE}:no'}}", r":25: .*: tests.*has no no"),
}


@pytest.mark.parametrize("right", MISTAKES)
def test_a_mistake_is_told_with_its_line(
    right: str, registry: ComponentRegistry, tmp_path: Path
) -> None:
    """File, line, parameter, and the nearest names that there are."""
    wrong, message = MISTAKES[right]
    text = (EXAMPLES / "sma_cross_container.yaml").read_text()
    assert right in text
    file = tmp_path / "container.yaml"
    file.write_text(text.replace(right, wrong, 1))
    with pytest.raises(ConfigError, match=rf"container\.yaml{message}") as error:
        registry.read_plan(file)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("thread_model", "line", "message"),
    [
        ("async_single", 3, "backtest_parallel cannot run async_single"),
        ("multi_threaded", 5, "cannot be told apart; use process_parallel"),
        ("single_threaded", 6, "runs one call at a time; use process_parallel"),
    ],
)
def test_a_thread_model_that_cannot_be_is_told_with_its_line(
    thread_model: str, line: int, message: str, registry: ComponentRegistry, tmp_path: Path
) -> None:
    """Of the mode, of a memory limit, and of several workers."""
    file = tmp_path / "container.yaml"
    file.write_text(
        f"name: it\nmode: backtest_parallel\nthread_model: {thread_model}\n"
        "components: {coordinator: {component: backtest}}\n"
        "memory_limit_mib: 9\nworkers: 3\n"
    )
    with pytest.raises(ConfigError, match=rf"container.yaml:{line}: .*{message}"):
        registry.read_plan(file)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("nothing", "is not a factory: write module:name"),
        (f"{HERE}:HOUR_NS", "is not a factory"),
        (f"{HERE}:unannotated", "is not a factory"),
        (f"{HERE}:forget_leaks", "is not a factory"),
        (f"{HERE}:adder", "annotate name with a dataclass or a pydantic model"),
    ],
)
def test_what_is_no_factory_is_refused(path: str, message: str) -> None:
    """By what is wrong with it."""
    with pytest.raises(ConfigError, match=message):
        load_factory(path)


def test_a_module_that_raises_when_imported_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever it raises is told in one line, with its place."""
    (tmp_path / "of_mine.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError, match=r"of_mine cannot be imported: ZeroDivisionError.*py:1"):
        load_factory("of_mine:it")


def test_parameters_must_be_plain() -> None:
    """A spec can be sent anywhere and says all there is to say."""
    with pytest.raises(ConfigError, match="parameters must be plain values"):
        component(f"{HERE}:thing", name=object())
