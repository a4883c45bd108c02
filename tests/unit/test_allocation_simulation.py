"""The simulated account by hand: paths, fills, exits, costs, leverage and interest."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from arb_pipelines.allocation.parameters import AllocationSettings
from arb_pipelines.allocation.simulation.build import build_world
from arb_pipelines.allocation.simulation.metrics import daily_profits, measure
from arb_pipelines.allocation.simulation.opportunities import Opportunities
from arb_pipelines.allocation.simulation.panel import (
    HOUR_NS,
    TICK_NS,
    TICKS,
    Panel,
    corners,
    price_at,
)
from arb_pipelines.allocation.simulation.readable import simulate
from arb_pipelines.allocation.simulation.terms import Terms
from arb_pipelines.allocation.simulation.world import Ending, Kind, Outcome, Policy, World

Bar = tuple[float, float, float, float]
#: No costs but those a test is about.
FREE = Terms(
    crypto_fee_bps=0,
    stock_fee_bps=0,
    crypto_slippage_bps=0,
    stock_slippage_bps=0,
    leverage_rate=0,
)


def _panel(bars: list[Bar], *, stock: bool = False, session: list[int] | None = None) -> Panel:
    """One symbol; ``session`` marks the hours of the stock market's session."""
    hours = len(bars)
    in_session = np.array(session if session is not None else [1] * hours, dtype=np.bool_)
    columns = np.array(bars)[:, :, None].transpose(1, 0, 2)
    open_, high, low, close = (
        np.where(in_session[:, None] | (not stock), each, np.nan) for each in columns
    )
    return Panel(
        ("ONE-USD",),
        np.array([stock]),
        HOUR_NS * np.arange(hours, dtype=np.int64),
        open_,
        high,
        low,
        close,
        in_session,
        in_session & ~np.append(in_session[1:], False),
        np.repeat(in_session, TICKS),
    )


def _world(
    panel: Panel,
    *,
    limit: float,
    target: float,
    stop: float,
    terms: Terms = FREE,
    hold_h: int = 100,
) -> World:
    """One opportunity from the first tick on, for as long as there is data."""
    orders = Opportunities(
        symbol=np.array([0], np.int32),
        first=np.array([0]),
        until=np.array([len(panel.ts_open) * TICKS]),
        hold=np.array([hold_h * TICKS]),
        limit=np.array([limit]),
        target=np.array([target]),
        stop=np.array([stop]),
    )
    return build_world(panel, orders, terms)


def _run(world: World, policy: Policy = Policy.FIRST_COME) -> Outcome:
    return simulate(world, AllocationSettings(), policy)


def test_the_path_visits_both_extremes_in_drawn_order() -> None:
    """From the open to one extreme, to the other, to the close; the draw says which is first."""
    prices = [np.full(2, each) for each in (10.0, 11.0, 8.0, 9.0)]
    path = corners(*prices, draws=np.array([0.01, 0.99]))
    assert path.tolist() == [[10, 8, 11, 9], [10, 11, 8, 9]]
    assert [float(price_at(path[1], tick)) for tick in (0, 4, 8, 16, 24)] == [10, 10.5, 11, 8, 9]
    assert TICK_NS * TICKS == HOUR_NS


def test_a_rising_bar_was_low_first_as_often_as_brownian_motion_is() -> None:
    """In each fifth of the probability, the share of simulated hours that were low first."""
    rng = np.random.default_rng(4)
    steps = rng.standard_normal((20_000, 500)) / np.sqrt(500)
    walk = np.concatenate([np.zeros((len(steps), 1)), np.cumsum(steps, axis=1)], axis=1)
    bars = (walk[:, 0], walk.max(axis=1), walk.min(axis=1), walk[:, -1])
    low_first = walk.argmin(axis=1) < walk.argmax(axis=1)
    for draw in (0.1, 0.3, 0.5, 0.7, 0.9):  # low first in the path: its probability is above
        path = corners(*bars, draws=np.full(len(walk), draw))
        likely = path[:, 1] < path[:, 2]
        near = corners(*bars, draws=np.full(len(walk), draw - 0.1))
        around = (near[:, 1] < near[:, 2]) & ~likely
        assert low_first[around].mean() == pytest.approx(draw - 0.05, abs=0.06)


def test_a_limit_fills_at_its_price_and_a_target_earns_the_difference() -> None:
    """$10,000 bought at 90 and sold at 99 are $11,000."""
    panel = _panel([(100, 101, 90, 95), (95, 100, 94, 98)])
    outcome = _run(_world(panel, limit=90.0, target=99.0, stop=50.0))
    fate = outcome.fates[0]
    assert (fate["entry_px"], fate["exit_px"], fate["ending"]) == (90.0, 99.0, Ending.TARGET)
    assert fate["profit"] == 100_000
    assert outcome.profits.sum() == 100_000


def test_a_bar_that_opens_beyond_limit_and_stop_trades_at_its_open() -> None:
    """What gapped is not traded at a price that never was."""
    panel = _panel([(100, 101, 99, 100), (80, 81, 79, 80), (60, 61, 59, 60)])
    outcome = _run(_world(panel, limit=90.0, target=200.0, stop=70.0))
    fate = outcome.fates[0]
    assert (fate["entry_px"], fate["exit_px"], fate["ending"]) == (80.0, 60.0, Ending.STOP)
    assert fate["profit"] == -250_000


def test_who_enters_past_its_limit_waits_for_the_next_open() -> None:
    """Within the bar nobody buys below the limit; at the open it takes, with slippage."""
    panel = _panel([(80, 95, 79, 80), (82, 83, 81, 82), (82, 83, 81, 82)])
    terms = FREE.model_copy(update={"crypto_slippage_bps": 100.0})
    outcome = _run(_world(panel, limit=90.0, target=200.0, stop=70.0, terms=terms))
    fate = outcome.fates[0]
    assert fate["filled"] == TICKS
    assert fate["entry_px"] == pytest.approx(82.82)
    assert fate["slippage"] == round(1_000_000 / 82.82 * 0.82) + round(1_000_000 / 82.82 * 0.82)


def test_the_line_to_the_close_fills_nothing_before_the_next_open() -> None:
    """After both extremes the path only goes to its close: who enters then waits for the open."""
    bars = [(100.0, 110.0, 99.0, 100.0), (100.0, 101.0, 99.9, 100.0)]
    world = _world(_panel(bars), limit=104.0, target=200.0, stop=70.0)
    low_first = world._replace(path=np.array([[[100.0, 99, 110, 100]], [[100, 99.9, 101, 100]]]))
    fate = _run(low_first).fates[0]
    # at the first open the limit is passed; within the hour the price is above it, then below
    assert (fate["filled"], fate["entry_px"]) == (TICKS, 100.0)


def test_an_order_above_the_market_at_an_open_fills_on_the_way_down() -> None:
    """A bar that opens above the limit and visits its low last fills on the way there."""
    bars = [(100.0, 101.0, 99.5, 100.0), (100.0, 104.0, 96.0, 99.0)]
    world = _world(_panel(bars), limit=98.0, target=200.0, stop=70.0)
    high_first = world._replace(path=np.array([[[100, 101, 99.5, 100.0]], [[100, 104, 96, 99.0]]]))
    fate = _run(high_first).fates[0]
    assert fate["entry_px"] == 98.0
    assert TICKS + 8 < fate["filled"] <= TICKS + 16


def test_fees_are_of_each_fill_and_slippage_of_stops_only() -> None:
    """10 bps of what is bought and of what is sold, and a stop 5 bps below."""
    panel = _panel([(100, 101, 90, 91), (91, 92, 70, 71)])
    terms = FREE.model_copy(update={"crypto_fee_bps": 10.0, "crypto_slippage_bps": 5.0})
    outcome = _run(_world(panel, limit=99.0, target=200.0, stop=80.0, terms=terms))
    fate = outcome.fates[0]
    gross = round(1_000_000 / 99.0 * 80 * 0.9995)
    assert (fate["entry_px"], fate["exit_px"]) == (99.0, pytest.approx(80 * 0.9995))
    assert fate["fees"] == 1_000 + round(gross * 0.001)
    assert fate["profit"] == gross - round(gross * 0.001) - 1_001_000


def test_time_closes_a_position_at_the_price_of_the_moment() -> None:
    """Held two hours, a position is sold at the tick two hours after its fill."""
    panel = _panel([(100, 101, 90, 95)] + [(95, 96, 94, 95)] * 4)
    outcome = _run(_world(panel, limit=90.0, target=200.0, stop=50.0, hold_h=2))
    fate = outcome.fates[0]
    assert fate["ending"] == Ending.TIME
    assert fate["closed"] == fate["filled"] + 2 * TICKS


def test_stocks_are_brought_to_overnight_leverage_and_pay_interest_by_time() -> None:
    """4x in the session, 2x after it; 6.5 % a year on the loan for as long as it was owed."""
    day = [(100.0, 101.0, 99.0, 100.0)] * 2
    night = [(100.0, 100.0, 100.0, 100.0)] * 22
    panel = _panel(day + night + day, stock=True, session=[1, 1] + [0] * 22 + [1, 1])
    panel = replace(panel, last=np.arange(26) == 1)  # the second session goes on
    terms = FREE.model_copy(update={"leverage_rate": 0.065})
    outcome = _run(_world(panel, limit=99.5, target=200.0, stop=50.0, terms=terms))
    (sold,) = outcome.decisions[outcome.decisions["kind"] == Kind.DELEVER]
    fate = outcome.fates[0]
    units = 4_000_000 / 99.5
    value, seconds = units * 100.0, (2 * TICKS - 1 - fate["filled"]) * 144
    first = round(3_000_000 * 0.065 * seconds / (365 * 86_400))
    equity = round(value) - 3_000_000 - first
    assert sold["value"] == pytest.approx(value - 2 * equity, abs=2)
    loan = 3_000_000 + first - round(sold["value"])
    second = round(loan * 0.065 * (26 * TICKS - (2 * TICKS - 1)) * 144 / (365 * 86_400))
    assert fate["interest"] == pytest.approx(first + second, abs=1)
    assert fate["profit"] == pytest.approx(value - 4_000_000 - first - second, abs=3)


def test_a_position_without_equity_is_closed_at_the_end_of_its_session() -> None:
    """At 4x a fall by a third leaves a debt, which free cash pays."""
    panel = _panel([(100.0, 101.0, 65.0, 66.0), (66.0, 67.0, 65.0, 66.0)], stock=True)
    outcome = _run(_world(panel, limit=99.0, target=200.0, stop=10.0))
    fate = outcome.fates[0]
    assert fate["ending"] == Ending.MARGIN
    assert fate["profit"] == round(4_000_000 / 99 * 66) - 4_000_000
    assert fate["profit"] < -1_000_000
    assert outcome.free - outcome.paid_in == FREE.capital_cents + fate["profit"]


def test_the_account_is_brought_back_to_its_capital_each_day() -> None:
    """A realised profit is paid out at the end of its day, and profits still add up."""
    panel = _panel([(100, 101, 90, 95), (95, 100, 94, 98)] + [(98, 99, 97, 98)] * 46)
    outcome = _run(_world(panel, limit=90.0, target=99.0, stop=50.0))
    assert outcome.paid_in == -100_000
    assert outcome.free == FREE.capital_cents
    world = _world(panel, limit=90.0, target=99.0, stop=50.0)
    assert daily_profits(world, outcome).tolist() == [100_000, 0]


def test_metrics_are_those_of_the_fates() -> None:
    """One winning trade of 1 % of the capital, held for two thirds of an hour of two."""
    panel = _panel([(100, 101, 90, 95), (95, 100, 94, 98)])
    world = _world(panel, limit=90.0, target=99.0, stop=50.0)
    outcome = _run(world)
    found = measure(world, outcome)
    held = int(outcome.fates[0]["closed"] - outcome.fates[0]["filled"])
    assert (found.net_profit, found.trades, found.win_rate) == (100_000, 1, 1.0)
    assert found.held == pytest.approx(held / (2 * TICKS) * 0.1)
    assert found.used == pytest.approx(int(outcome.fates[0]["closed"]) / (2 * TICKS) * 0.1)
    assert found.score == pytest.approx(found.return_pct - found.drawdown_pct + 1.0)


def test_a_symbol_without_a_bar_neither_fills_nor_closes() -> None:
    """A hole in the data passes; the position is judged by the next bar there is."""
    bars = [(100.0, 101.0, 90.0, 95.0), (95.0, 96.0, 94.0, 95.0), (99.5, 100.0, 99.0, 99.5)]
    panel = _panel(bars)
    hole = np.where(np.arange(3)[:, None] == 1, np.nan, 1.0)
    panel = replace(panel, open=panel.open * hole, high=panel.high * hole, low=panel.low * hole)
    panel = replace(panel, close=panel.close * hole)
    outcome = _run(_world(panel, limit=90.0, target=99.0, stop=50.0))
    fate = outcome.fates[0]
    assert (fate["exit_px"], fate["closed"]) == (99.5, 2 * TICKS)


def test_leverage_is_brought_down_with_the_sale_paid() -> None:
    """What is left is twice its equity after fee and slippage, to the cent and not above."""
    day = [(100.0, 101.0, 99.0, 100.0)] * 2
    panel = _panel(day * 2, stock=True)
    panel = replace(panel, last=np.arange(4) == 1)
    terms = FREE.model_copy(update={"stock_fee_bps": 30.0, "stock_slippage_bps": 50.0})
    world = _world(panel, limit=99.5, target=200.0, stop=50.0, terms=terms)
    outcome = _run(world)
    (sold,) = outcome.decisions[outcome.decisions["kind"] == Kind.DELEVER]
    units = 4_000_000 / 99.5 - sold["value"] / 100.0
    loan = 3_000_000 - sold["value"] * 0.995 * 0.997
    assert units * 100.0 == pytest.approx(2 * (units * 100.0 - loan), abs=3)
