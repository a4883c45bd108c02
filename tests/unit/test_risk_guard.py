"""A strategy's guard on a real plan: what it sees and counts, what a refusal gives back."""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np
import pytest

from arb_pipelines.backtest.reference import traded_of
from arb_pipelines.clock import NS_PER_MS, NS_PER_S
from arb_pipelines.execution.controls import Controls
from arb_pipelines.execution.session_risk import SessionRisk
from arb_pipelines.trading.book_shelf import BookShelf
from arb_pipelines.trading.cycles.orders import CycleOrderManager
from arb_pipelines.trading.cycles.risk import CycleRisk
from arb_pipelines.trading.cycles.strategy import CycleStrategy
from arb_pipelines.trading.events import Approved, Book, CycleSignal, Ended, Order, Refused
from arb_pipelines.trading.portfolio import Portfolio
from arb_pipelines.trading.risk.activity import Commitments, OrdersOfAMinute
from arb_pipelines.trading.risk.checks import checks_of
from arb_pipelines.trading.risk.guard import RiskGuard
from arb_pipelines.trading.risk.parameters import RiskRules
from arb_pipelines.trading.risk.references import References
from arb_pipelines.trading.risk.views import CycleViews
from tests.fakes.backtest_worlds import World, market, strategy

SYMBOLS = ("BTC-USDT", "ETH-BTC", "ETH-USDT")
#: USDT > BTC > ETH > USDT earns 10 % at these tops.
TOPS = {"BTC-USDT": (99.0, 100.0), "ETH-BTC": (0.09, 0.1), "ETH-USDT": (11.0, 11.1)}


class Guarded:
    """One strategy's gate and guard over a shelf of books of two levels."""

    def __init__(
        self, rules: dict[str, Any], there: Commitments, name: str = "test", **changes: Any
    ) -> None:
        world = World(strategy(**changes), [market(s) for s in SYMBOLS], None)  # type: ignore[arg-type]
        traded = self.traded = traded_of(world.scenario)
        shelf, portfolio = BookShelf(3, 2), Portfolio({"USDT": 1_000.0})
        self.strategy = CycleStrategy(name, traded, shelf)
        self.orders = CycleOrderManager(traded, shelf, id_prefix="t")
        self.now, self.sent = 1, OrdersOfAMinute()
        self.views = CycleViews(
            name, traded, shelf, there, self.sent, References(5.0, 0.0), portfolio.free
        )
        checks = checks_of(RiskRules.model_validate(rules))
        guard = RiskGuard(name, checks, self.views, traded, there, lambda: self.now)
        self.risk = SessionRisk(CycleRisk(traded, shelf, portfolio), Controls(), guard=guard)

    def show(self, *, size: float = 1_000.0, second: float = 0.0) -> CycleSignal:
        """Show three books, the second level ``second`` (a fraction) off; give the signal."""
        signals: list[CycleSignal] = []
        for symbol, (bid, ask) in TOPS.items():
            sides = [np.array([bid, bid * (1 - second)]), np.array([size, 1e6])]
            sides += [np.array([ask, ask * (1 + second)]), np.array([size, 1e6])]
            signals = list(self.strategy.on_market(Book(symbol, 1, *sides)))
        return signals[0]

    def approve(self, signal: CycleSignal) -> Approved:
        verdict = self.risk.review(signal)
        assert isinstance(verdict, Approved), verdict
        return verdict


def test_a_plan_at_the_best_prices_gives_nothing_up() -> None:
    """Neither fees nor rounding are slippage."""
    for fee_bps in (0.0, 10.0):
        guarded = Guarded({}, Commitments(), fee_bps=fee_bps)
        view = guarded.views.view(guarded.show().cycle, 500.0, 1)
        assert view is not None
        assert view.slippage_bps == pytest.approx(0.0, abs=1e-9)
        assert view.asked == pytest.approx(500.0)
        assert [leg.symbol for leg in view.legs] == ["BTC-USDT", "ETH-BTC", "ETH-USDT"]
        # one USDT before the first leg is worth the gross product, one ETH what it sells for
        assert [leg.value for leg in view.legs] == pytest.approx([1.1, 110.0, 11.0])


def test_slippage_is_what_deeper_levels_cost_all_legs_together() -> None:
    """One unit at each best price, the rest 20 bps off."""
    guarded = Guarded({}, Commitments(), max_slippage_bps=100.0)
    view = guarded.views.view(guarded.show(size=1.0, second=0.002).cycle, 200.0, 1)
    assert view is not None
    bitcoin = 1.0 + (200.0 - 100.0) / 100.2
    ether = 1.0 + (bitcoin - 0.1) / 0.1002
    sold = 11.0 + (ether - 1.0) * 10.978
    assert view.asked == pytest.approx(200.0)
    assert view.slippage_bps == pytest.approx((1.0 - sold / (200.0 * 1.1)) * 1e4)


def test_what_is_reviewed_is_what_leaves() -> None:
    """The order manager plans the same a moment later."""
    guarded = Guarded({"max_cycle": {"USDT": 1_000.0}}, Commitments())
    signal = guarded.show(size=2.0)
    approved = guarded.approve(signal)
    view = guarded.views.view(signal.cycle, approved.budget, 1)
    (order,) = guarded.orders.begin(approved)
    assert isinstance(order, Order)
    assert view is not None
    assert order.funds == pytest.approx(view.asked)


def test_a_refusal_is_a_value_and_takes_no_place() -> None:
    """The same symbols may be traded at once by a signal that passes."""
    guarded = Guarded({"max_book_age_ms": 50.0}, Commitments(), cool_down_ms=60_000.0)
    signal = guarded.show()
    guarded.now = 1 + 51 * NS_PER_MS
    verdict = guarded.risk.review(signal)
    assert isinstance(verdict, Refused)
    assert verdict.reason == "stale_book"
    assert "51 ms old" in str(verdict.detail)
    assert guarded.risk.last_refused == {"stale_book": verdict.detail}
    assert guarded.risk.in_flight == 0
    guarded.now = 1 + 50 * NS_PER_MS
    guarded.approve(signal)


def test_exposure_is_of_all_strategies_on_the_connection() -> None:
    """Until a cycle has ended; the strategy's own is its own."""
    there = Commitments()
    bounds = {"exposure": {"USDT": {"venue": 1_500.0}}, "max_in_flight": {"USDT": 1_000.0}}
    apart = {"isolation": {"triangle": False, "symbol": False}, "slots": 4}
    one, two = Guarded(bounds, there, "one", **apart), Guarded(bounds, there, "two", **apart)
    first = one.approve(one.show())
    refused = two.risk.review(two.show())
    assert isinstance(refused, Refused)
    assert refused.reason == "exposure_venue"
    assert (there.open_cycles("one"), there.open_cycles("two")) == (1, 0)
    one.risk.on_ended(Ended(first, 2))
    two.approve(two.show())
    assert there.by_symbol("USDT") == pytest.approx(dict.fromkeys(SYMBOLS, 1_000.0))
    assert there.at_venue("BTC") == 0.0


def test_orders_that_nobody_counts_are_forgotten() -> None:
    """A strategy without a check of their rate sends them for weeks."""
    sent = OrdersOfAMinute()
    for second in range(200_000):
        sent.add(second * NS_PER_S)
    assert sys.getsizeof(sent._sent_ns) < 4_096
    assert sent.count(199_999 * NS_PER_S) == 60


def test_orders_count_for_a_minute() -> None:
    """Those of a minute ago no more."""
    guarded = Guarded({"max_orders_per_minute": 4}, Commitments())
    guarded.sent.add(1)
    signal = guarded.show()
    guarded.risk.on_ended(Ended(guarded.approve(signal), 1))
    guarded.sent.add(2)
    verdict = guarded.risk.review(signal)
    assert isinstance(verdict, Refused)
    assert verdict.reason == "order_rate"
    guarded.now = 60 * NS_PER_S + 1
    assert guarded.sent.count(guarded.now) == 1


def test_a_signal_without_a_plan_is_left_to_who_says_why() -> None:
    """The order manager declines it by its own reason, as without a guard."""
    guarded = Guarded({"max_cycle": {"USDT": 1e-9}}, Commitments())
    signal, nothing = guarded.show(), np.full(2, np.nan)
    guarded.strategy.on_market(Book("ETH-USDT", 1, nothing, nothing, nothing, nothing))
    (ended,) = guarded.orders.begin(guarded.approve(signal))
    assert isinstance(ended, Ended)
    assert ended.declined == "depth"


def test_a_price_is_not_its_own_reference() -> None:
    """A mid counts by how long it stood; a spike of a second moves five minutes' average little."""
    known = References(minutes=5.0, warm_up_s=10.0)
    known.on_mid("BTC-USDT", 100.0, 0)
    assert math.isnan(known.reference("BTC-USDT", 10 * NS_PER_S - 1))
    assert known.reference("BTC-USDT", 10 * NS_PER_S) == 100.0
    known.on_mid("BTC-USDT", 200.0, 300 * NS_PER_S)
    assert known.reference("BTC-USDT", 300 * NS_PER_S) == 100.0
    after_a_second = known.reference("BTC-USDT", 301 * NS_PER_S)
    assert after_a_second == pytest.approx(100.0 + 100.0 * (1 - math.exp(-1 / 300)))
    assert known.reference("BTC-USDT", 600 * NS_PER_S) == pytest.approx(200 - 100 / math.e)
    assert math.isnan(known.reference("ETH-USDT", 0))


def test_a_book_of_one_side_moves_no_reference() -> None:
    """Nor does time that runs back."""
    known = References(minutes=1.0, warm_up_s=0.0)
    one, none = np.array([1.0]), np.array([np.nan])
    known.on_book(Book("BTC-USDT", 5, np.array([99.0]), one, np.array([101.0]), one))
    known.on_book(Book("BTC-USDT", 9, np.array([500.0]), one, none, one))
    known.on_mid("BTC-USDT", 100.0, 3)
    assert known.reference("BTC-USDT", NS_PER_S) == 100.0
