"""How a strategy file says what its legs' orders are, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from arb_pipelines.errors import ConfigError
from arb_pipelines.research.agreement import expect_takers
from arb_pipelines.trading.session_rules import SessionRules
from tests.fakes.backtest_worlds import strategy


@pytest.mark.parametrize(
    ("orders", "kinds"),
    [
        ("market", ["market"] * 5),
        ("ioc", ["ioc"] * 5),
        (["limit", "ioc"], ["limit", "ioc", "ioc", "ioc", "ioc"]),
        (["market", "limit", "ioc"], ["market", "limit", "ioc", "ioc", "ioc"]),
    ],
)
def test_one_kind_for_all_legs_or_a_list_by_leg(orders: Any, kinds: list[str]) -> None:
    """The last of a list is that of the legs beyond it."""
    rules = SessionRules(orders=orders)
    assert [rules.order_of(leg) for leg in range(5)] == kinds
    assert rules.rests == ("limit" in kinds)
    assert SessionRules.model_validate(rules.model_dump(mode="json")) == rules


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"orders": []}, "at least 1"),
        ({"orders": ["market"] * 6}, "at most 5"),
        ({"orders": "stop"}, "'market', 'ioc' or 'limit'"),
        ({"orders": "limit", "legs": "parallel"}, "cannot rest"),
        ({"limit_orders": {"price": "cross", "post_only": True}}, "refuses what crosses"),
        ({"limit_orders": {"reprice_ms": 0}}, "greater than 0"),
        ({"limit_orders": {"capital": {"USDT": 0}}}, "greater than 0"),
    ],
)
def test_what_makes_no_sense_is_refused(said: dict[str, Any], reason: str) -> None:
    """With a reason that says what would."""
    with pytest.raises(ValidationError, match=reason):
        SessionRules.model_validate(said)


def test_legs_that_rest_cannot_agree_with_a_backtest() -> None:
    """It fills every leg at once: the comparison is refused before anything is traded."""
    with pytest.raises(ConfigError, match="cannot agree"):
        expect_takers(strategy(session=SessionRules(orders="limit")))
    expect_takers(strategy(session=SessionRules(orders="ioc")))
