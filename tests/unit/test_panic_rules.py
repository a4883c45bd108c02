"""The section ``panic_sell`` of a strategy file: defaults, refusals, and who does not care."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from arb_pipelines.errors import ConfigError
from arb_pipelines.trading.panic.routes import targets_of
from arb_pipelines.trading.panic_rules import PanicRules
from arb_pipelines.trading.strategy import load_strategy

STRATEGY = """name: demo
exchange: kucoin
universe: {start: [USDT]}
min_profit_bps: 5
capital_allocation: {mode: fixed_fraction, fraction: 0.1}
balances: {USDT: 1000}
"""


def test_a_file_without_the_section_has_the_documented_defaults(tmp_path: Path) -> None:
    """On, to a stable currency, within 1 %; a backtest of it is the same as of one with it."""
    plain, told = tmp_path / "plain.yaml", tmp_path / "told.yaml"
    plain.write_text(STRATEGY, encoding="utf-8")
    told.write_text(STRATEGY + "panic_sell: {base_currencies: [USDT], max_hops: 2}\n", "utf-8")
    strategy = load_strategy(plain)
    rules = strategy.panic_sell
    assert rules.enabled
    assert rules.base_currencies == ("USDC", "USD", "USDT")
    assert rules.major_currencies == ("BTC", "ETH")
    assert (rules.max_hops, rules.max_slippage_bps) == (4, 100.0)
    assert load_strategy(told).panic_sell.base_currencies == ("USDT",)
    assert load_strategy(told).digest == strategy.digest


@pytest.mark.parametrize(
    "said",
    [
        "base_currencies: []",
        "base_currencies: [usdt]",
        "base_currencies: [USDT, USDT]",
        "slice_share: 0",
        "max_hops: 9",
        "retry_every_s: 0",
        "give_up_after: 3",
    ],
)
def test_what_makes_no_sense_is_refused_with_its_line(tmp_path: Path, said: str) -> None:
    """File, line and key are named."""
    file = tmp_path / "demo.yaml"
    file.write_text(f"{STRATEGY}panic_sell:\n  {said}\n", encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        load_strategy(file)
    assert refused.value.line in (7, 8)
    assert said.partition(":")[0] in str(refused.value)


def test_home_comes_first_if_it_is_stable_and_last_if_it_is_not() -> None:
    """A start currency among the base currencies is home; another is the last resort."""
    rules = PanicRules()
    assert targets_of(rules, "USDT") == (("USDT", "USDC", "USD"),)
    assert targets_of(rules, "BTC") == (("USDC", "USD", "USDT"), ("BTC",))


def test_rules_do_not_change() -> None:
    """They are shared by sales under way."""
    with pytest.raises(ValidationError):
        PanicRules().enabled = False  # type: ignore[misc]
