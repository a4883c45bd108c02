"""Orders, plans, unwinding and own liquidity, on books small enough to work out by hand."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest

from arb_pipelines.backtest.kernel import run_kernel
from arb_pipelines.backtest.records import LegStatus, Outcome, TradeStatus
from arb_pipelines.backtest.scenario import Books
from arb_pipelines.market.cycles import BUY, SELL
from arb_pipelines.market.symbols import FeeSide, Market
from arb_pipelines.trading.gate import Refusal
from arb_pipelines.trading.orders import fill, limit_price, order_amount, value_at
from arb_pipelines.trading.parameters import Strategy
from arb_pipelines.trading.terms import Terms, terms_of
from tests.fakes.backtest_worlds import MS, World, market, strategy

PX = np.array([100.0, 101.0, np.nan])
SZ = np.array([5.0, 3.0, 0.0])
PLAIN = [market("BTC-USDT"), market("ETH-BTC"), market("ETH-USDT")]
BTC, CROSS, ETH = range(3)


def _terms(fee_bps: float = 0.0, **limits: object) -> Terms:
    return terms_of([market("A-B", **limits)], ["A-B"], fee_bps)


def test_a_buy_spends_its_funds_over_the_levels() -> None:
    """Five at 100 and the rest of 702 at 101 make seven."""
    done = fill(_terms(), 0, BUY, 702.0, 200.0, PX, SZ)
    assert (done.size, done.funds, done.spent, done.received) == (7.0, 702.0, 702.0, 7.0)
    assert not done.short


def test_the_limit_ends_the_levels() -> None:
    """What lies beyond it is not taken, and the order counts as short."""
    done = fill(_terms(), 0, BUY, 702.0, 100.5, PX, SZ)
    assert (done.size, done.spent, done.short) == (5.0, 500.0, True)
    done = fill(_terms(), 0, SELL, 7.0, 100.5, PX[::-1], SZ[::-1])
    assert (done.size, done.short) == (0.0, True)


@pytest.mark.parametrize(
    ("side", "fee_side", "spent", "received"),
    [
        (BUY, FeeSide.RECEIVED, 500.0, 4.95),
        (BUY, FeeSide.QUOTE, 505.0, 5.0),
        (SELL, FeeSide.RECEIVED, 5.0, 495.0),
        (SELL, FeeSide.QUOTE, 5.0, 495.0),
    ],
)
def test_the_fee_is_taken_where_the_venue_takes_it(
    side: int, fee_side: FeeSide, spent: float, received: float
) -> None:
    """One per cent of five at 100, on top of what is paid or off what arrives."""
    terms = _terms(100.0, fee_side=fee_side)
    order = order_amount(
        terms, 0, side, 505.0 if fee_side is FeeSide.QUOTE else 500.0, 100.0, 100.0
    )
    done = fill(terms, 0, side, order if side == BUY else 5.0, 100.0, PX, SZ)
    assert done.spent == pytest.approx(spent)
    assert done.received == pytest.approx(received)


def test_sizes_round_down_and_small_orders_are_none() -> None:
    """0.29 of a step of 0.1 is 0.2; below a minimum the venue takes nothing."""
    terms = _terms(base_increment=Decimal("0.1"), base_min_size=Decimal("0.2"))
    assert order_amount(terms, 0, SELL, 0.29, 100.0, 100.0) == 0.2
    assert order_amount(terms, 0, SELL, 0.19, 100.0, 100.0) == 0.0
    assert fill(terms, 0, BUY, 29.0, 100.0, PX, SZ).size == 0.2
    assert order_amount(_terms(min_funds=Decimal(10)), 0, BUY, 9.99, 100.0, 100.0) == 0.0
    assert order_amount(_terms(base_max_size=Decimal(2)), 0, SELL, 3.0, 100.0, 100.0) == 2.0
    assert order_amount(_terms(base_max_size=Decimal(2)), 0, BUY, 300.0, 100.0, 100.0) == 200.0


def test_a_sale_is_worth_what_its_limit_promises() -> None:
    """A venue values an order at the price it carries: 0.1 at a limit of 99 are less than 10."""
    terms = _terms(min_funds=Decimal(10))
    assert order_amount(terms, 0, SELL, 0.1, 100.0, 100.0) == 0.1
    assert order_amount(terms, 0, SELL, 0.1, 100.0, 99.0) == 0.0


def test_limits_round_towards_safety() -> None:
    """A buy's down, a sell's up, and neither past the best price."""
    terms = _terms(price_increment=Decimal("0.1"))
    assert limit_price(terms, 0, BUY, 100.0, 0.00199) == 100.1
    assert limit_price(terms, 0, SELL, 100.0, 0.00199) == 99.9
    assert limit_price(terms, 0, BUY, 100.05, 0.0) == 100.05
    assert limit_price(terms, 0, SELL, 100.05, 0.0) == 100.05


def test_value_beyond_the_known_depth_is_at_the_last_price() -> None:
    """Ten of eight known: five at 100, five at 101."""
    assert value_at(PX, SZ, 10.0) == 1005.0


def _run(
    rows: list[tuple[float, int, float, float]],
    *,
    size: float = 1.0,
    markets: list[Market] = PLAIN,
    **changes: object,
) -> Outcome:
    """Replay (ms, symbol, bid, ask) rows of one level of ``size`` USDT's worth."""
    n = len(rows)
    one = {BTC: 100.0, CROSS: 10.0, ETH: 10.0}
    books = Books(
        np.array([row[1] for row in rows], np.int32),
        np.array([int(row[0] * MS) for row in rows]),
        *(
            np.array([[row[2]] for row in rows]),
            np.array([[size * 1000 / one[row[1]]] for row in rows]),
        ),
        *(
            np.array([[row[3]] for row in rows]),
            np.array([[size * 1000 / one[row[1]]] for row in rows]),
        ),
    )
    assert len(books.ts_recv) == n
    return run_kernel(World(strategy(**changes), markets, books).scenario, [books])


#: ETH-USDT bids 1 % more than ETH costs by way of BTC.
START = [(0, BTC, 99.9, 100.0), (0, CROSS, 0.0999, 0.1), (1, ETH, 10.1, 10.11)]


def test_a_cycle_at_once_earns_its_edge() -> None:
    """1 % of the 1,000 that the balance holds, without delay or fee."""
    outcome = _run(START)
    (trade,) = outcome.trades
    assert trade["status"] == TradeStatus.COMPLETED
    assert trade["spent"] == pytest.approx(1000.0)
    assert trade["profit"] == pytest.approx(10.0)
    assert trade["gross"] == pytest.approx(0.01)
    assert outcome.legs["side"].tolist() == [BUY, BUY, SELL]


def test_what_moved_before_arrival_is_latency() -> None:
    """The bid falls by half a per cent while the first two legs are on their way."""
    outcome = _run(
        [*START, (12, ETH, 10.05, 10.06)],
        latency={"decision_ms": 0, "leg_ms": 5},
        max_slippage_bps=100,
    )
    (trade,) = outcome.trades
    assert trade["profit"] == pytest.approx(5.0)
    assert trade["latency"] == pytest.approx(5.0)
    assert (trade["fee"], trade["slippage"], trade["residual"], trade["unwind"]) == (0, 0, 0, 0)


def test_a_book_received_at_arrival_is_met_and_a_later_one_is_not() -> None:
    """At the same nanosecond books come before orders."""
    late = {"latency": {"decision_ms": 0, "leg_ms": 5}, "max_slippage_bps": 100}
    at_once = _run([*START, (16, ETH, 10.05, 10.06)], **late)
    too_late = _run([*START, (16.000001, ETH, 10.05, 10.06)], **late)
    assert at_once.trades[0]["profit"] == pytest.approx(5.0)
    assert too_late.trades[0]["profit"] == pytest.approx(10.0)


def test_a_leg_beyond_its_limit_is_unwound_at_a_booked_cost() -> None:
    """ETH bought by way of BTC is sold at what its own book then bids."""
    outcome = _run(
        [*START, (12, ETH, 9.9, 9.91)], latency={"decision_ms": 0, "leg_ms": 5}, max_slippage_bps=10
    )
    (trade,) = outcome.trades
    assert trade["status"] == TradeStatus.UNWOUND
    filled, missed = LegStatus.FILLED, LegStatus.MISSED
    assert outcome.legs["status"].tolist() == [filled, filled, missed, filled, filled]
    # ETH-USDT bids 9.9; by way of BTC an ETH brings 0.0999 times 99.9, which is 9.98
    assert outcome.legs["symbol"][-2:].tolist() == [CROSS, BTC]
    assert trade["profit"] == pytest.approx(998.001 - 1000.0)
    assert trade["unwind"] == pytest.approx(1010.0 - 998.001)


def test_what_cannot_be_unwound_is_reported_as_residual() -> None:
    """Without unwind orders the ETH stays, counts nothing, and is valued by its book."""
    outcome = _run(
        [*START, (12, ETH, 9.9, 9.91)],
        latency={"decision_ms": 0, "leg_ms": 5},
        unwind={"max_orders": 0},
    )
    (trade,) = outcome.trades
    assert trade["status"] == TradeStatus.RESIDUAL
    assert trade["profit"] == -1000.0
    assert trade["residual"] == pytest.approx(1010.0)
    assert trade["residual_value"] == pytest.approx(998.0, abs=0.1)


def test_what_we_took_is_gone_until_the_level_is_refreshed() -> None:
    """The same bid shown again is still empty for us, and no signal; another brings it back."""
    again = [*START, (2, ETH, 10.1, 10.11)]
    outcome = _run(again, balances={"USDT": 5000})
    assert len(outcome.trades) == outcome.signals.sum() == 1
    assert outcome.refused.sum() == 0
    gone = [*again, (3, ETH, 10.0, 10.11), (4, ETH, 10.1, 10.11), (4, BTC, 99.9, 100.0)]
    outcome = _run(gone, balances={"USDT": 5000})
    assert len(outcome.trades) == 1  # the bid is back, but the asks we emptied are not
    fresh = [*gone, (5, BTC, 99.8, 99.9), (5, CROSS, 0.0998, 0.0999)]
    outcome = _run(fresh, balances={"USDT": 5000})
    assert len(outcome.trades) == 2


SLOW = {"latency": {"decision_ms": 0, "leg_ms": 50}}
TOGETHER = {"triangle": False, "symbol": False}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (SLOW, Refusal.SLOTS),
        (SLOW | {"slots": 2}, Refusal.TRIANGLE),
        (SLOW | {"slots": 2, "isolation": {"triangle": False}}, Refusal.SYMBOL),
        (
            SLOW | {"slots": 2, "isolation": TOGETHER | {"start_currency": True}},
            Refusal.START_CURRENCY,
        ),
        (SLOW | {"slots": 2, "isolation": TOGETHER}, Refusal.FUNDS),
    ],
)
def test_the_gate_refuses_with_its_reason(changes: dict[str, object], reason: Refusal) -> None:
    """Each limit of the strategy, where it alone stops the second signal."""
    outcome = _run([*START, (2, ETH, 10.1, 10.12)], **changes)
    assert len(outcome.trades) == 1
    assert outcome.refused.sum(axis=0)[reason] == outcome.refused.sum() == 1


def test_symbols_rest_after_a_cycle() -> None:
    """Fresh levels on all legs are no signal to trade while they rest, and are afterwards."""
    fresh = [(2, BTC, 99.8, 99.9), (2, CROSS, 0.0998, 0.0999), (2, ETH, 10.2, 10.21)]
    outcome = _run([*START, *fresh], cool_down_ms=5)
    assert len(outcome.trades) == 1
    assert outcome.refused.sum(axis=0)[Refusal.COOL_DOWN] == outcome.refused.sum() == 1
    assert len(_run([*START, *fresh], cool_down_ms=0.5).trades) == 2


def test_a_stale_leg_refuses_the_signal() -> None:
    """The books of the first two legs are older than five milliseconds."""
    outcome = _run([*START[:2], (10, ETH, 10.1, 10.11)], max_age_ms=5)
    assert outcome.refused.sum(axis=0)[Refusal.STALE] == outcome.signals.sum() == 1


def test_increments_that_are_too_coarse_refuse_the_signal() -> None:
    """A coarse step on the second leg takes the edge, a high minimum the order."""
    coarse = [PLAIN[BTC], market("ETH-BTC", base_increment=Decimal(70)), PLAIN[ETH]]
    outcome = _run(START, markets=coarse)
    assert outcome.refused.sum(axis=0)[Refusal.EDGE] == 1
    dear = [market("BTC-USDT", min_funds=Decimal(5_000)), *PLAIN[1:]]
    outcome = _run(START, markets=dear)
    assert outcome.refused.sum(axis=0)[Refusal.MINIMUM] == 1


def test_crossed_and_one_sided_books_never_signal() -> None:
    """An edge that hangs on such a book is not even a signal."""
    for bid, ask in ((10.1, 10.05), (10.1, np.nan), (10.1, np.inf)):
        outcome = _run([*START[:2], (1, ETH, bid, ask)])
        assert outcome.signals.sum() == 0
        assert len(outcome.trades) == 0


def test_rules_are_the_strategy_in_other_units() -> None:
    """Fractions for basis points, nanoseconds for milliseconds."""
    from arb_pipelines.trading.rules import rules_of

    chosen: Strategy = strategy(min_profit_bps=2.5, cool_down_ms=0.5, max_age_ms=3)
    rules = rules_of(chosen)
    assert rules.min_profit == 0.00025
    assert (rules.cool_down_ns, rules.max_age_ns) == (500_000, 3_000_000)
    assert (rules.fraction, rules.amount) == (1.0, float("inf"))
