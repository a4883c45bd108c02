"""Statistics of a lucky trial: the papers' examples, simulations, and a naive double."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from arb_pipelines.optimize.overfit import (
    Track,
    backtest_overfitting,
    deflated_best,
    deflated_sharpe,
    least_track_blocks,
    luckiest_sharpe,
    probabilistic_sharpe,
    track_of,
)

#: Five years of days with a Sharpe ratio of 2.5 a year of 250 days.
DAILY = 2.5 / math.sqrt(250)
#: Variance of the trials' daily ratios where that of the yearly ones is 1/2.
VARIANCE = 0.5 / 250


def test_deflated_sharpe_of_the_papers_example() -> None:
    """Bailey and López de Prado (2014), "A numerical example": 0.1132 and 0.9004."""
    track = Track(blocks=1250, sharpe=DAILY, skew=-3.0, kurtosis=10.0)
    assert luckiest_sharpe(100, VARIANCE) == pytest.approx(0.1132, abs=5e-5)
    assert deflated_sharpe(track, 100, VARIANCE) == pytest.approx(0.9004, abs=5e-5)


def test_as_many_trials_as_would_have_been_allowed() -> None:
    """The same example: 0.9505 after 46 trials, or after 88 had returns been normal."""
    skewed = Track(blocks=1250, sharpe=DAILY, skew=-3.0, kurtosis=10.0)
    normal = Track(blocks=1250, sharpe=DAILY, skew=0.0, kurtosis=3.0)
    assert deflated_sharpe(skewed, 46, VARIANCE) == pytest.approx(0.9505, abs=5e-5)
    assert deflated_sharpe(normal, 88, VARIANCE) == pytest.approx(0.9505, abs=1e-4)


def test_probabilistic_sharpe_of_the_papers_example() -> None:
    """Bailey and López de Prado (2012): 24 months, 0.982 if normal and 0.913 as they were."""
    assert probabilistic_sharpe(Track(24, 0.458, 0.0, 3.0), 0.0) == pytest.approx(0.982, abs=5e-4)
    skewed = Track(24, 0.458, -2.448, 10.164)
    assert probabilistic_sharpe(skewed, 0.0) == pytest.approx(0.913, abs=5e-4)


@pytest.mark.parametrize(
    ("a_year", "skew", "kurtosis", "years"),
    [(252, 0.0, 3.0, 2.73), (52, 0.0, 3.0, 2.83), (12, 0.0, 3.0, 3.24), (12, -0.72, 5.78, 4.99)],
)
def test_least_track_of_the_papers_table(
    a_year: int, skew: float, kurtosis: float, years: float
) -> None:
    """The same: years to show that a yearly ratio of 2 is above 1, at 95 %."""
    track = Track(1, 2 / math.sqrt(a_year), skew, kurtosis)
    blocks = least_track_blocks(track, 1 / math.sqrt(a_year))
    assert blocks is not None
    assert blocks / a_year == pytest.approx(years, abs=5e-3)


def test_no_length_shows_what_is_not_there() -> None:
    """A ratio at or below the benchmark never gets there."""
    assert least_track_blocks(Track(100, 0.1, 0.0, 3.0), 0.1) is None


@given(
    st.floats(0.02, 0.4),
    st.floats(-2, 2),
    st.floats(0, 8),
    st.floats(0.0, 0.9),
    st.floats(0.6, 0.99),
)
def test_a_track_of_the_least_length_is_as_sure_as_asked(
    sharpe: float, skew: float, more: float, share: float, confidence: float
) -> None:
    """Least length and probability are each other's inverse."""
    track = Track(1, sharpe, skew, 1 + skew**2 + more)
    benchmark = sharpe * share
    blocks = least_track_blocks(track, benchmark, confidence)
    assert blocks is not None
    longer = Track(blocks, sharpe, skew, track.kurtosis)  # type: ignore[arg-type]
    assert probabilistic_sharpe(longer, benchmark) == pytest.approx(confidence, abs=1e-9)


def test_moments_are_those_of_the_returns() -> None:
    """By hand: of 0, 0, 0, 1 the ratio is 1/2, the skew 2/√3, the kurtosis 7/3."""
    track = track_of([0.0, 0.0, 0.0, 1.0])
    assert track is not None
    assert (track.blocks, track.sharpe) == (4, pytest.approx(0.5))
    assert (track.skew, track.kurtosis) == (pytest.approx(2 / math.sqrt(3)), pytest.approx(7 / 3))
    assert track_of([0.0] * 9) is None


def test_the_luckiest_is_what_simulation_finds() -> None:
    """The mean of the greatest of 50 normal draws; the formula is known to be 1 % above it."""
    greatest = np.random.default_rng(1).normal(size=(20_000, 50)).max(axis=1)
    assert luckiest_sharpe(50, 1.0) == pytest.approx(greatest.mean(), rel=0.02)
    assert luckiest_sharpe(1, 1.0) == 0.0


def test_noise_is_deflated() -> None:
    """The best of 40 worthless trials looks sure by itself, and rarely after deflation."""
    noise = np.random.default_rng(2).normal(size=(100, 40, 200))
    sure, deflated = 0, 0
    for trials in noise:
        best = int(np.argmax(trials.mean(axis=1) / trials.std(axis=1)))
        track = track_of(trials[best])
        assert track is not None
        sure += probabilistic_sharpe(track, 0.0) > 0.95
        deflated += (deflated_best(trials[best], trials, len(trials)) or 0.0) > 0.95
    assert sure > 85
    assert deflated < 10


def test_skill_survives_deflation() -> None:
    """One trial that earns a third of its deviation a block is told from 39 that do not."""
    trials = np.random.default_rng(3).normal(size=(40, 400))
    trials[11] += 0.33
    assert (deflated_best(trials[11], trials, 40) or 0.0) > 0.95
    found = backtest_overfitting(trials)
    assert found is not None
    assert found.probability < 0.01


def test_pruned_trials_were_tried_too() -> None:
    """The more were looked at, the less the best is worth; a best without deviation has none."""
    trials = np.random.default_rng(4).normal(size=(10, 100)) + 0.1
    few, many = (deflated_best(trials[0], trials, tried) for tried in (10, 500))
    assert few is not None
    assert many is not None
    assert many < few
    assert deflated_best([0.0, 0.0], [[0.0, 0.0], [0.1, 0.2]], 2) is None


def test_choosing_among_noise_is_a_coin_toss() -> None:
    """Over many studies of worthless trials the winner is below the median half of the time."""
    noise = np.random.default_rng(5).normal(size=(120, 15, 64))
    found = [backtest_overfitting(trials, groups=8) for trials in noise]
    assert np.mean([each.probability for each in found if each]) == pytest.approx(0.5, abs=0.07)


def test_gains_that_must_be_paid_back_are_all_overfitting() -> None:
    """Where every trial comes to zero in all, the best half's winner is the other's loser."""
    trials = np.random.default_rng(6).normal(size=(20, 64))
    trials -= trials.mean(axis=1, keepdims=True)
    found = backtest_overfitting(trials, by="mean", groups=8)
    assert found is not None
    assert found.probability == 1.0


def _naive(values: np.ndarray, by: str, groups: int) -> list[float]:
    """Logits by the paper's words: one split, one trial at a time."""
    parts = np.array_split(np.arange(values.shape[1]), groups)

    def measure(row: np.ndarray) -> float:
        if by == "mean":
            return float(np.mean(row))
        return 0.0 if np.ptp(row) == 0 else float(np.mean(row) / np.std(row, ddof=1))

    logits = []
    for chosen in combinations(range(groups), groups // 2):
        inside = np.concatenate([parts[g] for g in chosen])
        outside = np.concatenate([parts[g] for g in range(groups) if g not in chosen])
        ins = [measure(row[inside]) for row in values]
        outs = [measure(row[outside]) for row in values]
        winner = outs[ins.index(max(ins))]
        rank = 0.5 + sum(1.0 if o < winner else 0.5 if o == winner else 0.0 for o in outs)
        omega = rank / (len(outs) + 1)
        logits.append(math.log(omega / (1 - omega)))
    return logits


@hypothesis_settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 10_000),
    st.integers(2, 7),
    st.integers(12, 25),
    st.sampled_from(["sharpe", "mean"]),
    st.sampled_from([4, 6]),
    st.booleans(),
    st.booleans(),
)
def test_agrees_with_a_naive_count(
    seed: int, trials: int, blocks: int, by: str, groups: int, idle: bool, twins: bool
) -> None:
    """Also with trials that do nothing, do the same, or trade in a few blocks only."""
    values = np.random.default_rng(seed).normal(0.0, 0.01, size=(trials, blocks))
    values[0, 5:] = 0.0
    if idle:
        values[-1] = 0.0
    if twins:
        values[1] = values[0]
    found = backtest_overfitting(values, by=by, groups=groups)  # type: ignore[arg-type]
    busy = values[:, [any(column) for column in values.T]]
    groups = min(groups, 2 * (busy.shape[1] // 4))
    if (values == values[0]).all() or groups < 4:
        assert found is None
        return
    assert found is not None
    naive = _naive(busy, by, groups)
    assert found.logits == pytest.approx(naive)
    assert found.probability == np.mean([logit <= 1e-12 for logit in naive])


@pytest.mark.parametrize(("trials", "blocks"), [(1, 100), (0, 100), (5, 7), (5, 0)])
def test_too_little_says_nothing(trials: int, blocks: int) -> None:
    """One trial, or fewer than eight blocks, cannot be split and compared."""
    values = np.random.default_rng(0).normal(size=(trials, blocks))
    assert backtest_overfitting(values) is None


def test_few_blocks_make_fewer_groups() -> None:
    """Eight blocks are four groups of two: six ways to halve them."""
    found = backtest_overfitting(np.random.default_rng(0).normal(size=(5, 8)))
    assert found is not None
    assert len(found.logits) == 6


def test_hours_without_data_say_nothing() -> None:
    """Blocks in which no trial does anything change neither groups nor ranks."""
    values = np.random.default_rng(7).normal(size=(6, 40))
    gaps = np.zeros((6, 300))
    gaps[:, 130:170] = values
    plain, gappy = backtest_overfitting(values), backtest_overfitting(gaps)
    assert plain is not None
    assert gappy is not None
    assert gappy.logits.tolist() == plain.logits.tolist()


def test_refuses_groups_that_cannot_be_halved() -> None:
    """An odd number, or one without choice, and returns that are not numbers."""
    for groups in (3, 2, 0):
        with pytest.raises(ValueError, match="cannot be halved"):
            backtest_overfitting([[0.0] * 8] * 2, groups=groups)
    with pytest.raises(ValueError, match="not finite"):
        backtest_overfitting([[0.0, math.nan] * 8] * 2)
