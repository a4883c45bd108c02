"""Metrics of a trial's periods, objectives and constraints over them, and who is best."""

from __future__ import annotations

import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from arb_pipelines.errors import DataError
from arb_pipelines.optimize.objectives import (
    Constraint,
    Objectives,
    gains_of,
    values_of,
    violations_of,
)
from arb_pipelines.optimize.ranking import best_trial, pareto_front, with_constraints
from arb_pipelines.optimize.scores import Scoring, annual_sharpe, block_sharpe, score
from arb_pipelines.optimize.targets.base import PeriodResult

PLAIN = Scoring()


def _period(day: int, *returns: float, trades: int = 0, wins: int = 0, **measures: float):
    profit = math.fsum(r * 1000.0 for r in returns)
    return PeriodResult(
        f"2026-01-{day:02d}", 1000.0, profit, trades, wins, tuple(returns), measures
    )


TWO = [
    _period(1, 0.01, -0.02, trades=3, wins=1, steals=4.0, fill_rate=0.5),
    _period(2, 0.03, 0.00, trades=2, wins=2, steals=1.0, fill_rate=1.0),
]


def test_metrics_of_two_days() -> None:
    """Each metric by hand: profits 10, -20, 30, 0 on a balance of 1,000."""
    found = score(TWO, Scoring(drawdown_penalty=2.0, composite={"trades": 3.0, "win_rate": 10.0}))
    metrics = found.metrics
    deviation = statistics.stdev([0.01, -0.02, 0.03, 0.0])
    assert found.returns == (0.01, -0.02, 0.03, 0.0)
    assert metrics["net_profit"] == pytest.approx(20.0)
    assert metrics["return_pct"] == pytest.approx(2.0)
    assert metrics["max_drawdown"] == pytest.approx(20.0)
    assert metrics["drawdown_pct"] == pytest.approx(2.0)
    assert metrics["sharpe"] == pytest.approx(0.005 / deviation * math.sqrt(2 * 365))
    assert metrics["calmar"] == pytest.approx(20.0 * 365 / 2 / 20.0)
    assert metrics["win_rate"] == pytest.approx(0.6)
    assert metrics["trades"] == 5
    assert metrics["profit_less_drawdown"] == pytest.approx(20.0 - 2 * 20.0)
    assert metrics["composite"] == pytest.approx(3 * 5 + 10 * 0.6)


def test_measures_add_up_unless_they_are_means() -> None:
    """Counts add over periods; a rate is averaged."""
    metrics = score(TWO, PLAIN).metrics
    assert metrics["measure:steals"] == 5.0
    assert metrics["measure:fill_rate"] == 0.75


def test_no_trade_has_a_sharpe_of_zero_that_is_said_to_be_none() -> None:
    """Doing nothing has no deviation: the metric is 0, the ratio is none."""
    idle = score([_period(1, 0.0, 0.0), _period(2, 0.0, 0.0)], PLAIN)
    assert idle.sharpe is None
    assert idle.metrics["sharpe"] == idle.metrics["calmar"] == idle.metrics["win_rate"] == 0.0


def test_the_same_gain_in_every_block_has_no_sharpe() -> None:
    """Deviation that is rounding alone is none."""
    assert block_sharpe([0.1] * 7) is None
    assert block_sharpe([0.1]) is None
    assert annual_sharpe([0.1, 0.1 + 1e-6], 24) is not None


def test_never_falling_is_not_infinitely_good() -> None:
    """Without drawdown Calmar counts one of a basis point, so more profit is still better."""
    little, more = score([_period(1, 0.0, 0.01)], PLAIN), score([_period(1, 0.01, 0.01)], PLAIN)
    assert little.metrics["calmar"] == pytest.approx(10.0 * 365 / (1000.0 * 1e-4))
    assert more.metrics["calmar"] > little.metrics["calmar"]


@given(
    st.lists(
        st.lists(st.floats(-0.5, 0.5).map(lambda x: round(x, 4)), min_size=3, max_size=3),
        min_size=1,
        max_size=5,
    )
)
def test_drawdown_is_the_worst_of_all_falls(days: list[list[float]]) -> None:
    """It is the greatest fall from any block's end, or the start, to any later one."""
    found = score([_period(i + 1, *day) for i, day in enumerate(days)], PLAIN)
    equity = [0.0]
    for block in (r for day in days for r in day):
        equity.append(equity[-1] + 1000.0 * block)
    falls = [a - b for i, a in enumerate(equity) for b in equity[i:]]
    assert found.metrics["max_drawdown"] == pytest.approx(max(falls), abs=1e-9)
    assert all(math.isfinite(value) for value in found.metrics.values())


def test_no_period_is_no_score() -> None:
    """An empty trial is our own mistake."""
    with pytest.raises(ValueError, match="no period"):
        score([], PLAIN)


def test_objectives_are_maximised_by_their_sign() -> None:
    """Values keep their unit; gains turn the ones to be minimised."""
    objectives = TypeAdapter(Objectives).validate_python(
        ["net_profit", {"metric": "measure:steals", "direction": "minimise"}]
    )
    values = values_of(objectives, score(TWO, PLAIN).metrics)
    assert values == pytest.approx((20.0, 5.0))
    assert gains_of(objectives, values) == pytest.approx((20.0, -5.0))


def test_a_value_that_cannot_be_compared_says_why() -> None:
    """A measure the target lacks, or that is not finite, fails the trial by name."""
    objectives = TypeAdapter(Objectives).validate_python(["measure:steals"])
    with pytest.raises(DataError, match="reports no measure:steals; it reports"):
        values_of(objectives, score([_period(1, 0.1)], PLAIN).metrics)
    broken = score([_period(1, 0.1, steals=math.nan)], PLAIN)
    with pytest.raises(DataError, match="measure:steals is nan"):
        values_of(objectives, broken.metrics)


def test_a_constraint_says_by_how_much_it_is_broken() -> None:
    """Above 0 outside, in the metric's unit; 0 at the bound, which is allowed."""
    between = Constraint(metric="trades", at_least=4, at_most=10)
    assert [between.violation(v) for v in (1, 4, 7, 10, 12.5)] == [3, 0, -3, 0, 2.5]
    assert violations_of([between], {"trades": 1.0}) == (3,)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"metric": "profit"}, "'profit' is none of calmar"),
        ({"metric": "measure:"}, "'measure:' is none of"),
        ({"metric": "trades"}, "give at_least, at_most or both"),
        ({"metric": "trades", "at_least": 2, "at_most": 1}, "at_least is greater"),
        ({"metric": "trades", "at_least": math.nan}, "finite"),
    ],
)
def test_refuses_a_constraint_that_bounds_nothing(content: dict, words: str) -> None:
    """Each mistake is named."""
    with pytest.raises(ValidationError, match=words):
        Constraint.model_validate(content | ({"at_most": 1} if "measure" in str(content) else {}))


def test_refuses_weights_of_no_metric() -> None:
    """A composite of itself, of nothing, or of an infinite weight is none."""
    for weights in ({"composite": 1.0}, {}, {"sharpe": math.inf}):
        with pytest.raises(ValidationError):
            Scoring(composite=weights)


_gain = st.one_of(st.none(), st.tuples(st.integers(-3, 3), st.integers(-3, 3)))
_trials = st.lists(st.tuples(_gain, st.lists(st.integers(-2, 2), max_size=2)), max_size=12)


@given(_trials)
def test_the_best_is_feasible_greatest_and_earliest(trials: list) -> None:
    """No feasible complete trial has more, and none before it as much."""
    gains, violations = [gain for gain, _ in trials], [broken for _, broken in trials]
    able = [i for i, (gain, v) in enumerate(trials) if gain is not None and all(x <= 0 for x in v)]
    expected = min(able, key=lambda i: (-gains[i][0], i), default=None)
    assert best_trial(gains, violations) == expected


@given(_trials)
def test_the_front_is_what_nothing_dominates(trials: list) -> None:
    """Each trial off the front is beaten by one on it; none on it is beaten by any."""
    gains, violations = [gain for gain, _ in trials], [broken for _, broken in trials]
    able = [i for i, (gain, v) in enumerate(trials) if gain is not None and all(x <= 0 for x in v)]

    def beats(a: tuple[int, int], b: tuple[int, int]) -> bool:
        return a[0] >= b[0] and a[1] >= b[1] and (a[0] > b[0] or a[1] > b[1])

    front = pareto_front(gains, violations)
    assert front == [i for i in able if not any(beats(gains[j], gains[i]) for j in able)]


@given(
    st.tuples(st.floats(-1e9, 1e9), st.floats(-1, 5)),
    st.tuples(st.floats(-1e9, 1e9), st.floats(-1, 5)),
)
def test_folded_constraints_keep_the_order(
    left: tuple[float, float], right: tuple[float, float]
) -> None:
    """Allowed before forbidden; among allowed by gain; among forbidden by how much is broken."""
    one, other = (with_constraints(gain, [broken]) for gain, broken in (left, right))
    if left[1] <= 0 and right[1] <= 0:
        assert (one > other) == (left[0] > right[0])
    elif left[1] <= 0 < right[1]:
        assert one > other
    elif left[1] > right[1] + 1e-9 > 0:
        assert one < other
