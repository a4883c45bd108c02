"""Generated bars keep market hours and OHLC order, and nobody can forecast them unless told to."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from arb_pipelines.allocation.hours import market_hours
from arb_pipelines.allocation.simulation.build import Sessions, sessions_of
from arb_pipelines.allocation.simulation.generated import generate_panel, hours_from
from arb_pipelines.allocation.simulation.opportunities import Rule, propose
from arb_pipelines.allocation.simulation.panel import TICKS, Int64, Panel
from arb_pipelines.clock import day_start_ns

FIRST = date(2023, 11, 20)  # the week of Thanksgiving: a holiday, an early close
DAYS = 60


@pytest.fixture(scope="module")
def rows() -> tuple[Int64, Sessions]:
    """Hours of sixty days, and the sessions in them."""
    ts_open = hours_from(day_start_ns(FIRST), 24 * DAYS)
    hours = market_hours("XNYS", date(2023, 1, 1), date(2024, 12, 31))
    return ts_open, sessions_of(ts_open, hours)


def _panel(rows: tuple[Int64, Sessions], seed: int = 3, reversion: float = 0.0) -> Panel:
    return generate_panel(*rows, stocks=6, coins=5, seed=seed, reversion=reversion)


def test_stocks_have_bars_in_whole_hours_of_sessions_only(rows: tuple[Int64, Sessions]) -> None:
    """15:00 to 21:00 UTC in winter, three hours on an early close, none on a holiday."""
    panel = _panel(rows)
    there = np.isfinite(panel.open).reshape(DAYS, 24, -1)
    assert there[:, :, 6:].all()
    assert [there[day, :, 0].sum() for day in range(7)] == [6, 6, 6, 0, 3, 0, 0]
    assert np.flatnonzero(there[0, :, 0]).tolist() == [15, 16, 17, 18, 19, 20]
    assert (np.isfinite(panel.open[:, 0]) == panel.session).all()
    assert np.flatnonzero(panel.last[:120]).tolist() == [20, 44, 68, 113]
    assert panel.market_open.reshape(-1, TICKS)[14].tolist() == [False] * 13 + [True] * 12


def test_bars_are_bars(rows: tuple[Int64, Sessions]) -> None:
    """High and low bound open and close; a coin opens where it closed."""
    panel = _panel(rows)
    for column in (panel.open, panel.close):
        assert (np.isnan(column) | ((panel.low <= column) & (column <= panel.high))).all()
    assert (panel.open[1:, 6:] == panel.close[:-1, 6:]).all()
    nights = np.flatnonzero(panel.session & ~np.append(False, panel.session[:-1]))[1:]
    before = [np.flatnonzero(panel.last[:night])[-1] for night in nights]
    assert (panel.open[nights, 0] != panel.close[before, 0]).all()


def test_equal_seeds_give_equal_bars(rows: tuple[Int64, Sessions]) -> None:
    """The seed decides, and another gives others."""
    one, again, other = (_panel(rows, seed) for seed in (3, 3, 4))
    assert one.close.tobytes() == again.close.tobytes()
    assert (one.close[:, 6:] != other.close[:, 6:]).any()


def test_symbols_of_a_market_move_together(rows: tuple[Int64, Sessions]) -> None:
    """The factor makes hourly returns of two coins correlate; stocks with coins they do not."""
    panel = _panel(rows)
    returns = np.diff(np.log(panel.close[:, 6:]), axis=0)
    coins = np.corrcoef(returns.T)[np.triu_indices(5, 1)]
    assert 0.2 < coins.mean() < 0.9


def test_only_reversion_makes_returns_correlate_with_the_last() -> None:
    """Without it autocorrelation is noise; with it a day's move is in part taken back."""
    ts_open = hours_from(0, 24 * 400)
    closed = np.zeros(len(ts_open), np.bool_)
    sessions = Sessions(closed, closed, np.repeat(closed, TICKS))
    found = []
    for reversion in (0.0, 0.03):
        panel = generate_panel(ts_open, sessions, stocks=0, coins=20, seed=1, reversion=reversion)
        days = np.diff(np.log(panel.close[::24]), axis=0)
        found.append(np.mean([np.corrcoef(d[:-1], d[1:])[0, 1] for d in days.T]))
    assert abs(found[0]) < 0.06
    assert found[1] < found[0] - 0.1


def test_extremes_are_those_of_a_continuous_path() -> None:
    """The mean range of an hour of Brownian motion is sqrt(8 / pi) of its deviation (Feller)."""
    ts_open = hours_from(0, 24 * 300)
    closed = np.zeros(len(ts_open), np.bool_)
    sessions = Sessions(closed, closed, np.repeat(closed, TICKS))
    panel = generate_panel(ts_open, sessions, stocks=0, coins=10, seed=5)
    ranges = np.log(panel.high / panel.low).mean(axis=0)
    deviation = np.log(panel.close / panel.open).std(axis=0)
    assert ranges / deviation == pytest.approx(np.sqrt(8 / np.pi), rel=0.03)


def test_proposals_know_only_past_bars_and_their_session(rows: tuple[Int64, Sessions]) -> None:
    """Limits lie below the last close by the rule, stocks' orders end with their session."""
    panel, rule = _panel(rows), Rule(near=0.5, far=2.0, target=1.5, stop=1.0, lookback=5)
    orders = propose(panel, rule)
    assert (np.diff(orders.first) >= 0).all()
    assert len(orders.first) > 1_000
    for i in np.random.default_rng(0).integers(0, len(orders.first), 50):
        symbol, hour = orders.symbol[i], orders.first[i] // TICKS
        past = np.flatnonzero(np.isfinite(panel.close[:hour, symbol]))[-5:]
        size = np.log(panel.high[past, symbol] / panel.low[past, symbol]).mean()
        away = np.log(panel.close[past[-1], symbol] / orders.limit[i]) / size
        assert 0.5 <= away <= 2.0
        assert np.log(orders.target[i] / orders.limit[i]) == pytest.approx(1.5 * size)
        assert np.log(orders.limit[i] / orders.stop[i]) == pytest.approx(size)
        until = orders.until[i] // TICKS
        if panel.is_stock[symbol]:
            assert panel.session[hour:until].all()
            assert until - hour <= 6
        else:
            assert until - hour == rule.valid_h
