"""Each check of one signal: it refuses past its bound and lets pass what keeps it."""

from __future__ import annotations

import ast
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

import arb_pipelines
from arb_pipelines.market.graph import BUY, SELL
from arb_pipelines.trading.risk.checks import Check, checks_of
from arb_pipelines.trading.risk.parameters import RiskRules
from arb_pipelines.trading.risk.view import LegView, RiskView
from tests.fakes.backtest_worlds import strategy

#: A buy that meets 10 at 100 and 20 at 100.1; a sell that meets 5 at 99 and 5 at 98.901 (10 bps).
ASKS = LegView("BTC-USDT", BUY, 100.0, 1.0, np.array([100.0, 100.1, np.nan]),
               np.array([10.0, 20.0, 0.0]), 50.0, 100.0)  # fmt: skip
BIDS = LegView("ETH-USDT", SELL, 99.0, 99.0, np.array([99.0, 98.901]), np.array([5.0, 5.0]), 20.0,
               99.0)  # fmt: skip
VIEW = RiskView(
    start="USDT", asked=100.0, slippage_bps=3.0, legs=(ASKS, BIDS), open_cycles=2, in_flight=150.0,
    at_venue=400.0, by_symbol={"BTC-USDT": 300.0}, free=1_000.0, orders=7,
)  # fmt: skip


def the_check(**rules: Any) -> Check:
    """The one check that is set."""
    (check,) = checks_of(RiskRules.model_validate(rules))
    return check


@pytest.mark.parametrize(
    ("name", "keeps", "breaks", "said"),
    [
        ("open_cycles", {"max_open_cycles": 3}, {"max_open_cycles": 2}, "2 cycles are in flight"),
        (
            "order_rate",
            {"max_orders_per_minute": 9},
            {"max_orders_per_minute": 8},
            "7 orders in the last minute and 2 legs, of at most 8",
        ),
        (
            "cycle_size",
            {"max_cycle": {"USDT": 100.0}},
            {"max_cycle": {"USDT": 99.99}},
            "asks for 100 USDT, of at most 99.99 a cycle",
        ),
        (
            "in_flight",
            {"max_in_flight": {"USDT": 250.0}},
            {"max_in_flight": {"USDT": 249.9}},
            "150 USDT in flight and 100 more, of at most 249.9",
        ),
        (
            "capital",
            {"keep_free": {"USDT": 900.0}},
            {"keep_free": {"USDT": 900.1}},
            "asks for 100 of 1000 USDT free, 900.1 of which stay",
        ),
        (
            "stale_book",
            {"max_book_age_ms": 50.0},
            {"max_book_age_ms": 49.0},
            "BTC-USDT's book is 50 ms old, of at most 49",
        ),
        (
            "slippage",
            {"max_slippage_bps": 3.0},
            {"max_slippage_bps": 2.9},
            "the plan gives up 3 bps, of at most 2.9",
        ),
    ],
)
def test_a_check_refuses_past_its_bound_alone(
    name: str, keeps: dict[str, Any], breaks: dict[str, Any], said: str
) -> None:
    """And says what it found, and the bound."""
    assert the_check(**keeps).review(VIEW) is None
    check = the_check(**breaks)
    assert check.name == name
    assert said in str(check.review(VIEW))


@pytest.mark.parametrize(
    ("name", "keeps", "breaks", "said"),
    [
        ("exposure_venue", {"venue": 500.0}, {"venue": 499.0}, "400 USDT at venue and 100 more"),
        (
            "exposure_symbol",
            {"each_symbol": 400.0},
            {"each_symbol": 399.0},
            "300 USDT on BTC-USDT and 100 more, of at most 399",
        ),
        (
            "exposure_symbol",
            {"each_symbol": 50.0, "symbols": {"BTC-USDT": 400.0, "ETH-USDT": 100.0}},
            {"symbols": {"ETH-USDT": 99.0}},
            "0 USDT on ETH-USDT and 100 more, of at most 99",
        ),
    ],
)
def test_exposure_counts_what_is_in_flight_and_what_is_asked(
    name: str, keeps: dict[str, Any], breaks: dict[str, Any], said: str
) -> None:
    """Of the venue, of each symbol, and of a symbol that is named instead."""
    for check in checks_of(RiskRules.model_validate({"exposure": {"USDT": keeps}})):
        assert check.review(VIEW) is None
    checks = checks_of(RiskRules.model_validate({"exposure": {"USDT": breaks}}))
    told = {check.name: reason for check in checks if (reason := check.review(VIEW)) is not None}
    assert list(told) == [name]
    assert said in told[name]


def test_liquidity_is_the_value_near_the_best_price_of_each_leg() -> None:
    """Asks in quote, bids in base, both valued in the start currency; 10 bps off still counts."""
    near = {"within_bps": 10.0, "value": {"USDT": 990.0}}
    assert the_check(min_liquidity=near).review(VIEW) is None  # 10 * 100 + 20 * 100.1; 10 * 99
    more = {"within_bps": 10.0, "value": {"USDT": 990.1}}
    assert "ETH-USDT shows 990 USDT within 10 bps" in str(
        the_check(min_liquidity=more).review(VIEW)
    )
    nearer = {"within_bps": 9.0, "value": {"USDT": 990.0}}
    assert "ETH-USDT shows 495" in str(the_check(min_liquidity=nearer).review(VIEW))
    most = {"within_bps": 9.0, "value": {"USDT": 1_001.0}}
    assert "BTC-USDT shows 1000" in str(the_check(min_liquidity=most).review(VIEW))


def test_a_price_is_held_to_what_the_symbol_has_been_worth() -> None:
    """Either way; a symbol without a reference is not traded."""
    check = the_check(price_band={"bps": 100.0})
    for price, passes in ((100.99, True), (101.01, False), (99.01, True), (98.99, False)):
        view = replace(VIEW, legs=(replace(ASKS, best_px=price), BIDS))
        assert (check.review(view) is None) is passes, price
    unknown = replace(VIEW, legs=(ASKS, replace(BIDS, reference_px=math.nan)))
    assert "ETH-USDT is not watched for long enough" in str(check.review(unknown))


def test_a_start_currency_that_is_not_named_has_no_limit() -> None:
    """Nothing is converted."""
    rules = RiskRules.model_validate(
        {
            "max_cycle": {"BTC": 1},
            "max_in_flight": {"BTC": 1},
            "exposure": {"BTC": {"venue": 1, "each_symbol": 1}},
            "keep_free": {"BTC": 10_000},
            "min_liquidity": {"within_bps": 1, "value": {"BTC": 10_000}},
        }
    )
    assert [check.name for check in checks_of(rules) if check.review(VIEW)] == []
    bitcoin = replace(VIEW, start="BTC")
    assert len([check.name for check in checks_of(rules) if check.review(bitcoin)]) == 6


def test_nothing_is_checked_that_is_not_set() -> None:
    """A strategy without the section trades as before."""
    assert checks_of(RiskRules()) == ()


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ({"max_open_cycle": 3}, "Extra inputs"),
        ({"max_open_cycles": 0}, "greater than or equal to 1"),
        ({"zone": "Berlin"}, "no time zone is named 'Berlin'"),
        ({"drawdown": {}}, "give most, percent or both"),
        ({"daily_loss": {"most": {}}}, "at least 1 item"),
        ({"losses": {"in_a_row": 3, "clears": "tomorrow"}}, "person"),
        ({"losses": {"in_a_row": 3, "clears": {"after": {"minutes": 0}}}}, "greater than 0"),
        ({"max_cycle": {"EUR": 1.0}}, "risk.max_cycle: EUR is no start currency"),
        ({"daily_loss": {"most": {"EUR": 1.0}}}, "risk.daily_loss.most: EUR"),
    ],
)
def test_a_mistake_in_the_section_is_told(rules: dict[str, Any], said: str) -> None:
    """Unknown keys, values out of range, currencies in which nothing could bind."""
    with pytest.raises(ValidationError, match=said):
        strategy(risk=rules)


def test_only_risk_makes_an_approval() -> None:
    """Executors demand one, so what no gate has reviewed cannot be sent."""
    root = Path(arb_pipelines.__file__).parent
    makers = {
        str(file.relative_to(root))
        for file in root.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and getattr(node.func, "id", getattr(node.func, "attr", None)) == "Approved"
    }
    assert makers == {
        "trading/cycles/risk.py",
        "trading/single_orders.py",
        "backtest/allocated_run.py",
        "execution/records/journal_replay.py",  # reads approvals of the past, for the lake
    }
