"""The Kelly fraction: what it is the best of, and what bounds it."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arb_pipelines.trading.kelly import committed_share, no_returns, note_return
from arb_pipelines.trading.parameters import Strategy
from arb_pipelines.trading.rules import Rules, rules_of

returns = st.lists(st.integers(-300, 300).map(lambda bps: bps / 10_000), min_size=2, max_size=40)


def rules(**changes: float) -> Rules:
    """The rules of a strategy that commits by Kelly."""
    capital = {"mode": "kelly", "cap": 1, "fallback": 0.02, "window": 20, "min_cycles": 5}
    said = {
        "name": "k",
        "exchange": "demo",
        "universe": {"start": ["USDT"]},
        "min_profit_bps": 1,
        "capital_allocation": capital | changes,
    }
    return rules_of(Strategy.model_validate(said))


def share(of: Rules, ended: list[float]) -> float:
    """What is committed after cycles with such returns."""
    known = no_returns(of)
    for one in ended:
        note_return(known, 100.0, 100.0 * one)
    return committed_share(of, known)


@settings(deadline=None)
@given(ended=returns, kelly=st.sampled_from([0.25, 0.5, 1.0]), cap=st.sampled_from([0.05, 1.0]))
def test_it_is_mean_over_mean_square_of_the_last_ones(
    ended: list[float], kelly: float, cap: float
) -> None:
    """By fractions: the share of it, never above the cap, never below nothing."""
    last = [Fraction(one) for one in ended[-20:]]
    if len(ended) < 5:
        expected = Fraction(0.02)
    elif sum(last) <= 0:
        expected = Fraction(0)
    else:
        full = sum(last) / sum(one * one for one in last)
        expected = min(Fraction(cap), Fraction(kelly) * full)
    found = share(rules(kelly_fraction=kelly, cap=cap), ended)
    assert found == pytest.approx(float(expected), rel=1e-9, abs=1e-12)
    assert found <= cap


@settings(deadline=None)
@given(ended=returns)
def test_no_other_share_grows_faster_to_the_second_order(ended: list[float]) -> None:
    """Of all shares up to the cap, it has the greatest ``f E[r] - f^2 E[r^2] / 2``."""
    sample = np.array((ended * 5)[:20])
    best = share(rules(kelly_fraction=1.0), sample.tolist())
    mean, square = sample.mean(), np.square(sample).mean()
    shares = np.append(np.linspace(0, 1, 101), best)
    growth = shares * mean - shares**2 * square / 2
    assert growth[-1] >= growth.max() - 1e-15


def test_a_cycle_that_spent_nothing_tells_nothing() -> None:
    """A missed first leg is no return of zero."""
    of = rules(min_cycles=2)
    known = no_returns(of)
    for _ in range(5):
        note_return(known, 0.0, 0.0)
    assert committed_share(of, known) == 0.02


def test_the_other_modes_keep_their_share() -> None:
    """No window: whatever is noted, the fixed share stands."""
    of = rules()._replace(kelly_window=0, fraction=0.3)
    assert share(of, [0.01] * 10) == 0.3
