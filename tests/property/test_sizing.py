"""The profitable size of a cycle, against a search that knows nothing of breakpoints."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arb_pipelines.market.graph import BUY, SELL
from arb_pipelines.market.sizing import UNLIMITED, Optimum, optimal_input

DEPTH = 4
sizes = st.floats(0.01, 50.0)


@dataclass(frozen=True, slots=True)
class LegDepth:
    """The side of a book that a leg takes from, best level first, and what its fee does.

    ``levels`` are (price, size): asks for a buy, bids for a sell. ``on_input``
    and ``on_output`` are those of ``fees.FeeFactors``.
    """

    side: int
    levels: Sequence[tuple[float, float]]
    on_input: float = 1.0
    on_output: float = 1.0


@st.composite
def legs(draw: st.DrawFn) -> LegDepth:
    """A leg near price 1, so that cycles of them are worth about one."""
    side = draw(st.sampled_from([BUY, SELL]))
    steps = draw(st.lists(st.floats(0.0, 0.01), min_size=1, max_size=DEPTH))
    best = draw(st.floats(0.985, 1.015))
    prices = [best * (1 + s if side == BUY else 1 - s) for s in accumulate(steps)]
    fee = draw(st.sampled_from([0.0, 0.001]))
    on_quote = draw(st.booleans())
    return LegDepth(
        side,
        [(price, draw(sizes)) for price in prices],
        on_input=1 / (1 + fee) if on_quote and side == BUY else 1.0,
        on_output=1.0 if on_quote and side == BUY else 1 - fee,
    )


cycles = st.lists(legs(), min_size=3, max_size=5)


def walk_through_levels(legs: Sequence[LegDepth], max_input: float) -> Optimum:
    """Find the optimum level by level, to be read: the kernel's meaning without its arrays."""
    ladders = [ladder_of(leg) for leg in legs]
    total_in = total_out = 0.0
    limiting = UNLIMITED
    while all(ladders) and total_in < max_input:
        product = 1.0
        reach = []  # input of the cycle that would use up each leg's level
        for ladder in ladders:
            rate, room = ladder[0]
            reach.append(room / product)
            product *= rate
        if product <= 1.0:
            break
        step = min(*reach, max_input - total_in)
        limiting = UNLIMITED if step == max_input - total_in else reach.index(step)
        along = step
        for k, ladder in enumerate(ladders):
            rate, room = ladder[0]
            ladders[k] = (
                ladder[1:] if k == limiting else [(rate, max(room - along, 0.0)), *ladder[1:]]
            )
            along *= rate
        total_in += step
        total_out += along
    empty = [k for k, ladder in enumerate(ladders) if not ladder]
    return Optimum(total_in, total_out, total_out - total_in, empty[0] if empty else limiting)


def ladder_of(leg: LegDepth) -> list[tuple[float, float]]:
    """Levels of ``leg`` as (net rate, room in the currency it gives)."""
    buys = leg.side == BUY
    return [
        (
            (1.0 / price if buys else price) * leg.on_input * leg.on_output,
            (size * price if buys else size) / leg.on_input,
        )
        for price, size in leg.levels
    ]


def run_kernel(cycle: list[LegDepth], most: float) -> tuple[Optimum, np.ndarray]:
    px, sz = np.full((2, len(cycle), DEPTH), np.nan)
    for k, leg in enumerate(cycle):
        for i, (price, size) in enumerate(leg.levels):
            px[k, i], sz[k, i] = price, size
    volume = np.empty(len(cycle))
    optimum = optimal_input(
        px,
        np.nan_to_num(sz),
        np.array([leg.side for leg in cycle], np.int8),
        np.array([leg.on_input for leg in cycle]),
        np.array([leg.on_output for leg in cycle]),
        most,
        volume,
    )
    return optimum, volume


def give(leg: LegDepth, amount: float) -> float:
    """Push ``amount`` through one leg, level by level; NaN if its depth does not suffice."""
    left, got = amount * leg.on_input, 0.0
    for price, size in leg.levels:
        taken = min(left, size * price if leg.side == BUY else size)
        got += taken / price if leg.side == BUY else taken * price
        left -= taken
    return got * leg.on_output if left <= 1e-12 * max(amount, 1.0) else math.nan


def output_of(cycle: list[LegDepth], amount: float) -> float:
    for leg in cycle:
        amount = give(leg, amount)
    return amount


@settings(max_examples=300, deadline=None)
@given(cycles, st.sampled_from([math.inf, 1.0, 7.5]))
def test_no_input_earns_more(cycle: list[LegDepth], most: float) -> None:
    """No input of a fine grid, nor any near the optimum, earns more than the optimum does."""
    best, _ = run_kernel(cycle, most)
    top = min(most, 250.0)
    grid = [*np.linspace(0.0, top, 400), *(best.input * f for f in (0.9, 0.999, 1.001, 1.1))]
    for amount in grid:
        if amount <= most:
            profit = output_of(cycle, float(amount)) - amount
            assert math.isnan(profit) or profit <= best.profit + 1e-9


@settings(max_examples=300, deadline=None)
@given(cycles, st.sampled_from([math.inf, 1.0, 7.5]))
def test_what_is_promised_comes_out(cycle: list[LegDepth], most: float) -> None:
    """Pushing the optimum through the books gives the output and the volumes it names."""
    best, volume = run_kernel(cycle, most)
    assert 0 <= best.input <= most
    assert output_of(cycle, best.input) == pytest.approx(best.output, rel=1e-9, abs=1e-9)
    amount = best.input
    for leg, base in zip(cycle, volume, strict=True):
        got = give(leg, amount)
        traded = got / leg.on_output if leg.side == BUY else amount * leg.on_input
        assert base == pytest.approx(traded, rel=1e-9, abs=1e-9)
        amount = got


@settings(max_examples=300, deadline=None)
@given(cycles, st.sampled_from([math.inf, 1.0, 7.5]))
def test_kernel_and_reference_agree(cycle: list[LegDepth], most: float) -> None:
    """The kernel and a walk written to be read find the same optimum."""
    best, _ = run_kernel(cycle, most)
    reference = walk_through_levels(cycle, most)
    assert best.input == pytest.approx(reference.input, rel=1e-9, abs=1e-9)
    assert best.output == pytest.approx(reference.output, rel=1e-9, abs=1e-9)


def test_limiting_leg_is_the_one_that_ended_the_walk() -> None:
    """The leg whose level ran out is named, and none when the greatest input did."""
    cycle = [
        LegDepth(BUY, [(1.0, 10.0), (1.5, 10.0)]),
        LegDepth(SELL, [(1.0, 5.0), (0.5, 10.0)]),
        LegDepth(SELL, [(1.01, 100.0)]),
    ]
    best, volume = run_kernel(cycle, math.inf)
    assert best == pytest.approx((5.0, 5.05, 0.05, 1))
    assert volume == pytest.approx([5.0, 5.0, 5.0])
    assert run_kernel(cycle, 2.0)[0] == pytest.approx((2.0, 2.02, 0.02, UNLIMITED))


def test_nothing_is_put_into_a_losing_cycle() -> None:
    """Where the tops alone lose, the input is 0."""
    cycle = [LegDepth(BUY, [(1.0, 1.0)]), LegDepth(SELL, [(1.0, 1.0)], on_output=0.999)]
    assert run_kernel(cycle, math.inf)[0] == (0.0, 0.0, 0.0, UNLIMITED)
