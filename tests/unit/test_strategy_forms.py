"""The minimal form of a strategy, what it leaves out, and how what is wrong with it is named."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

import pytest

from arb_pipelines.errors import ConfigError
from arb_pipelines.execution.allotment import Allotments, funded
from arb_pipelines.lake.store import Lake
from arb_pipelines.research.strategies import find_strategy
from arb_pipelines.research.strategy_reports import understand
from arb_pipelines.settings import Settings
from arb_pipelines.trading.parameters import Strategy
from arb_pipelines.trading.portfolio import Portfolio
from arb_pipelines.trading.strategy import load_strategy

LEAST = """\
name: least
exchange: kucoin
trading_pairs: [BTC-USDT, ETH-BTC, ETH-USDT]
min_profit_bps: 5
max_slippage_bps: 10
capital_allocation: {mode: fixed_fraction, fraction: 0.1}
"""
KELLY = "{mode: kelly, fallback: 0.3, cap: 0.2}"
FEW = "{mode: kelly, min_cycles: 50, window: 40}"


def write(folder: Path, text: str) -> Path:
    """Write a strategy's file."""
    path = folder / "strategy.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("said", "start"),
    [
        ("trading_pairs: [BTC-USDT, ETH-BTC, ETH-USDT]", ("USDT",)),
        ("trading_pairs: [USDT-USD, BTC-USDT, BTC-USDC, BTC-USD]", ("USDC", "USD", "USDT")),
        ("trading_pairs_file: pairs.txt", ("USDT",)),
        ("universe: {start: [BTC]}", ("BTC",)),
    ],
)
def test_the_minimal_form_is_read(tmp_path: Path, said: str, start: tuple[str, ...]) -> None:
    """Without balances and universe, cycles begin with the stable currencies of the pairs."""
    (tmp_path / "pairs.txt").write_text("BTC-USDT\nETH-BTC\nETH-USDT\n", encoding="utf-8")
    text = LEAST.replace("trading_pairs: [BTC-USDT, ETH-BTC, ETH-USDT]", said)
    strategy = load_strategy(write(tmp_path, text))
    assert strategy.start == start
    assert strategy.balances is None


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("ETH-USDT]", "ETH-EUR]", 3, "trading_pairs: none is in USDC, USD, USDT"),
        ("{mode: fixed_fraction, fraction: 0.1}", KELLY, 6, "fallback: is greater than cap"),
        ("{mode: fixed_fraction, fraction: 0.1}", FEW, 6, "min_cycles: is greater than window"),
        ("fraction: 0.1}", "fraction: 0.1}\nbalances: {}", 7, "balances: "),
        ("fraction: 0.1}", "fraction: 0.1}\nbalances: 100", 7, "balances: should be a mapping"),
        ("capital_allocation", "capital", 6, "capital: unknown parameter"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(
    tmp_path: Path, old: str, new: str, line: int, words: str
) -> None:
    """File, line, parameter and reason."""
    text = LEAST.replace("BTC-USDT, ETH-BTC", "BTC-EUR, ETH-BTC") if "EUR" in new else LEAST
    path = write(tmp_path, text.replace(old, new))
    with pytest.raises(ConfigError, match=re.escape(words)) as caught:
        load_strategy(path)
    assert (caught.value.source, caught.value.line) == (str(path), line)


def test_a_backtest_says_what_to_write(tmp_path: Path) -> None:
    """Without balances there is nothing to begin a day with; by file and by name."""
    path = write(tmp_path, LEAST)
    words = r"strategy.yaml:1: balances: .*such as balances: \{USDT: 1000\}"
    with pytest.raises(ConfigError, match=words):
        load_strategy(path, for_backtest=True)
    with pytest.raises(ConfigError, match=words):
        find_strategy(tmp_path, "least", for_backtest=True)
    write(tmp_path, LEAST + "balances: {USDT: 1000}\n")
    assert find_strategy(tmp_path, "least", for_backtest=True).in_hand == {"USDT": 1000.0}


def test_the_digest_of_old_files_is_what_it_was(tmp_path: Path) -> None:
    """What a file without the new sections decides has not changed, nor has its digest."""
    strategies = Path(__file__).resolve().parents[2] / "strategies"
    digest = load_strategy(strategies / "demo.yaml").digest
    assert digest == DEMO_DIGEST


DEMO_DIGEST = "0a2b22e9a85735dd9f9ca79c8e9f72e4be5e9ead495bce4e02c765930c1880f8"


def least(name: str, **changes: object) -> Strategy:
    """A strategy without balances, unless given."""
    said = {
        "name": name,
        "exchange": "kucoin",
        "universe": {"start": ["USDT", "BTC"]},
        "min_profit_bps": 5,
        "capital_allocation": {"mode": "fixed_fraction", "fraction": 0.1},
    }
    return Strategy.model_validate(said | changes)


def test_strategies_without_balances_share_what_the_others_leave() -> None:
    """Even shares of each start currency, rounded down; nothing is given twice."""
    free = {"USDT": Decimal("1000.000000000000000001"), "BTC": Decimal(1), "ETH": Decimal(7)}
    money = Allotments(free)
    first = least("first", balances={"USDT": 400, "BTC": 0.25})
    money.take("first", first)
    waiting = [least("one"), least("two", universe={"start": ["USDT"]})]
    one = funded(waiting[0], money.free, waiting)
    money.take("one", one)
    two = funded(waiting[1], money.free, waiting[1:])
    money.take("two", two)
    assert one.balances == {"BTC": 0.75, "USDT": 300.0}
    assert two.balances == {"USDT": 300.0}
    assert money.free["USDT"] < Decimal("1e-12")
    assert funded(first, {}, []) is first
    with pytest.raises(ConfigError, match=r"nothing free of USDT or BTC .*pay in"):
        funded(least("three"), {"ETH": Decimal(7)}, [least("three")])


def test_a_start_currency_without_money_begins_no_cycle() -> None:
    """The universe keeps those that have some."""
    strategy = least("one")
    given = funded(strategy, {"USDT": Decimal(5)}, [strategy])
    assert given.start == ("USDT",)
    assert given.universe is not None
    assert given.universe.start == ("USDT",)


def test_money_is_handed_over_once() -> None:
    """The new one has what is free at once, and what was in flight when the old one ends."""
    money = Allotments({"USDT": Decimal(1000)})
    strategy = least("s", universe={"start": ["USDT"]}, balances={"USDT": 800})
    money.take("s", strategy)
    old, new = Portfolio({"USDT": 800.0}), Portfolio({"USDT": 900.0})
    old.deposit("USDT", -300.0)  # a cycle has it, and two of profit are to come
    bigger = strategy.model_copy(update={"balances": {"USDT": 900.0}})
    money.check("s", bigger, strategy, old)
    with pytest.raises(ConfigError, match=r"trade with 1001\.0 USDT, .* has 1000"):
        money.check("s", bigger.model_copy(update={"balances": {"USDT": 1001.0}}), strategy, old)
    money.take_free(old)
    money.owe(new)
    assert (old.free("USDT"), new.free("USDT")) == (0.0, 700.0)
    assert money.free["USDT"] == 0
    old.deposit("USDT", 302.0)
    money.give_back(old)
    assert new.free("USDT") == 900.0
    assert money.free["USDT"] == 102
    money.give_back(new)
    assert money.free["USDT"] == 1002


def test_a_file_is_understood_without_asking_a_venue(home: Settings, tmp_path: Path) -> None:
    """No lake, no cycles; which values are defaults is known."""
    found = understand(Lake(home, read_only=True), write(tmp_path, LEAST))
    assert found.cycles is None
    assert found.values["min_profit_bps"] == (5.0, True)
    assert found.values["session.orders"] == ("market", False)
