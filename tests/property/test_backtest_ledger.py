"""The ledger adds up: leg by leg to the last bit, trade by trade to the last places."""

from __future__ import annotations

import math
from collections import defaultdict
from fractions import Fraction

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from arb_pipelines.backtest.kernel import run_kernel
from arb_pipelines.backtest.records import LegStatus, TradeStatus
from arb_pipelines.market.cycles import BUY
from tests.fakes.backtest_worlds import World, random_world

worlds = st.integers(0, 2**32 - 1).map(random_world)
PARTS = ("fee", "slippage", "latency")


@settings(max_examples=60, deadline=None)
@given(world=worlds)
def test_parts_of_a_leg_are_the_whole_difference(world: World) -> None:
    """Expected less filled is fee, slippage and latency, exactly, in rational numbers."""
    for leg in run_kernel(world.scenario, [world.books]).legs:
        parts = sum((Fraction(float(leg[part])) for part in PARTS), Fraction(0))
        assert Fraction(float(leg["expected"])) - Fraction(float(leg["filled"])) == parts


@settings(max_examples=60, deadline=None)
@given(world=worlds)
def test_parts_of_a_trade_are_the_whole_difference(world: World) -> None:
    """Expected less realised profit is the five parts, to a few last places of the input."""
    outcome = run_kernel(world.scenario, [world.books])
    for trade in outcome.trades:
        parts = math.fsum(trade[part] for part in (*PARTS, "residual", "unwind"))
        whole = trade["expected_profit"] - trade["profit"]
        assert abs(whole - parts) <= 32 * math.ulp(max(trade["spent"], trade["returned"]))
        assert trade["profit"] == trade["returned"] - trade["spent"]
        own = outcome.legs[(outcome.legs["trade_no"] == trade["trade_no"])]
        cycle = own[own["unwinds"] == 0]
        for part in PARTS:
            assert trade[part] == sum(cycle[part].tolist())


@settings(max_examples=60, deadline=None)
@given(world=worlds)
def test_nothing_appears_or_vanishes(world: World) -> None:
    """A trade spends no more of any currency than it got, and returns what its legs returned."""
    scenario = world.scenario
    setting = scenario.setting
    outcome = run_kernel(scenario, [world.books])
    for trade in outcome.trades:
        start = int(setting.start[trade["cycle"]])
        flow: dict[int, Fraction] = defaultdict(Fraction)
        for leg in outcome.legs[outcome.legs["trade_no"] == trade["trade_no"]]:
            base, quote = int(setting.base[leg["symbol"]]), int(setting.quote[leg["symbol"]])
            given_, got = (quote, base) if leg["side"] == BUY else (base, quote)
            flow[given_] -= Fraction(float(leg["spent"]))
            flow[got] += Fraction(float(leg["received"]))
        left = {currency: float(amount) for currency, amount in flow.items() if currency != start}
        scale = max(trade["spent"], trade["returned"])
        assert abs(float(flow[start]) - trade["profit"]) <= 8 * math.ulp(scale)
        largest = max((abs(float(leg["received"])) for leg in outcome.legs), default=0.0)
        assert all(amount >= -8 * math.ulp(largest) for amount in left.values())


@settings(max_examples=40, deadline=None)
@given(world=worlds)
def test_what_did_not_happen_is_exactly_zero(world: World) -> None:
    """A fee-free market has no fee, a market that never moves no latency."""
    free = World(world.strategy.model_copy(update={"fee_bps": 0.0}), world.markets, world.books)
    outcome = run_kernel(free.scenario, [world.books])
    assert not outcome.trades["fee"].any()
    at_once = world.strategy.model_copy(
        update={"latency": type(world.strategy.latency)(decision_ms=0, leg_ms=0), "slots": 1}
    )
    outcome = run_kernel(World(at_once, world.markets, world.books).scenario, [world.books])
    alone = np.diff(world.books.ts_recv, append=np.iinfo(np.int64).max) > 0
    moments = set(world.books.ts_recv[alone & np.roll(alone, 1)].tolist())
    for leg in outcome.legs:
        if leg["ts_sent"] in moments and not leg["unwinds"]:
            assert leg["latency"] == 0.0


def test_statuses_tell_what_the_legs_did() -> None:
    """Completed means each later leg filled whole; missed means the first found nothing."""
    seen = set()
    for seed in range(60):
        world = random_world(seed)
        outcome = run_kernel(world.scenario, [world.books])
        for trade in outcome.trades:
            legs = outcome.legs[outcome.legs["trade_no"] == trade["trade_no"]]
            cycle = legs[legs["unwinds"] == 0]
            length = world.scenario.setting.length[trade["cycle"]]
            whole = len(cycle) == length and all(cycle["status"][1:] == LegStatus.FILLED)
            if trade["status"] == TradeStatus.MISSED:
                assert cycle["status"].tolist() == [LegStatus.MISSED]
            elif trade["status"] == TradeStatus.COMPLETED:
                assert whole
            else:
                assert not whole
            seen.add(int(trade["status"]))
    assert seen == {int(status) for status in TradeStatus}
