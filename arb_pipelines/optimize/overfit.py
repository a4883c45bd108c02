"""How lucky a best trial is: probabilistic and deflated Sharpe ratio, backtest overfitting.

All Sharpe ratios here are those of one block, not of a year: the formulas count
observations. Kurtosis is the full one, 3 for a normal distribution.

Sources: Bailey and López de Prado, "The Sharpe Ratio Efficient Frontier", Journal
of Risk 15(2), 2012; the same, "The Deflated Sharpe Ratio", Journal of Portfolio
Management 40(5), 2014; Bailey, Borwein, López de Prado and Zhu, "The Probability of
Backtest Overfitting", Journal of Computational Finance 20(4), 2016.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, islice
from statistics import NormalDist
from typing import Literal

import numpy as np
import numpy.typing as npt

from arb_pipelines.optimize.scores import block_sharpe

Array = npt.NDArray[np.float64]
_NORMAL = NormalDist()
_EULER = 0.5772156649015329
#: Groups the blocks are put in; half of them choose, the other half judges.
GROUPS = 16
_SPLITS_AT_ONCE = 512


@dataclass(frozen=True, slots=True)
class Track:
    """What the statistics need of a sequence of block returns."""

    blocks: int
    sharpe: float
    skew: float
    kurtosis: float


def track_of(returns: Sequence[float]) -> Track | None:
    """Measure a sequence of returns; none for fewer than two or without deviation.

    Skew and kurtosis are the moments over powers of the deviation by n.
    """
    ratio = block_sharpe(returns)
    if ratio is None:
        return None
    values = np.asarray(returns, dtype=np.float64)
    standard = (values - np.mean(values)) / np.std(values)
    skew, kurtosis = float(np.mean(standard**3)), float(np.mean(standard**4))
    return Track(values.size, ratio, skew, kurtosis)


def probabilistic_sharpe(track: Track, benchmark: float) -> float:
    """Probability that the true Sharpe ratio is above ``benchmark``, given the track.

    ``Φ((SR - benchmark) √(n - 1) / √(1 - skew SR + (kurtosis - 1)/4 SR²))``.
    """
    return _NORMAL.cdf((track.sharpe - benchmark) * math.sqrt(track.blocks - 1) / _spread(track))


def luckiest_sharpe(trials: int, variance: float) -> float:
    """Sharpe ratio that the luckiest of ``trials`` worthless, independent ones is expected to show.

    ``√variance ((1 - γ) Φ⁻¹(1 - 1/N) + γ Φ⁻¹(1 - 1/(N e)))``, with ``variance`` that of
    the trials' Sharpe ratios; 0 for a single trial.
    """
    if trials < 2:
        return 0.0
    most = _NORMAL.inv_cdf(1 - 1 / trials)
    further = _NORMAL.inv_cdf(1 - 1 / (trials * math.e))
    return math.sqrt(variance) * ((1 - _EULER) * most + _EULER * further)


def deflated_sharpe(track: Track, trials: int, variance: float) -> float:
    """Probability that the true Sharpe ratio of the best of ``trials`` is above sheer luck's."""
    return probabilistic_sharpe(track, luckiest_sharpe(trials, variance))


def deflated_best(
    best: Sequence[float], returns: Sequence[Sequence[float]] | Array, tried: int
) -> float | None:
    """Deflate the Sharpe ratio of the best trial by the luck of as many as were tried.

    ``best`` has its block returns, ``returns`` a row of them for each complete trial,
    itself included; ``tried`` counts the pruned ones too, which were looked at as well. A
    trial without deviation, such as one that never trades, counts with a ratio of 0.
    The trials of a search resemble each other, so counting them all is strict.
    None if the best has no deviation.
    """
    track = track_of(best)
    if track is None:
        return None
    ratios = [block_sharpe(row) or 0.0 for row in returns]
    variance = float(np.var(ratios, ddof=1)) if len(ratios) > 1 else 0.0
    return deflated_sharpe(track, max(tried, len(ratios)), variance)


def least_track_blocks(track: Track, benchmark: float, confidence: float = 0.95) -> float | None:
    """Blocks it takes for the Sharpe ratio to be above ``benchmark`` at ``confidence``.

    None if it is not above the benchmark: no length would do.
    """
    if track.sharpe <= benchmark:
        return None
    quantile = _NORMAL.inv_cdf(confidence) / (track.sharpe - benchmark)
    return 1 + (_spread(track) * quantile) ** 2


@dataclass(frozen=True, slots=True)
class Overfitting:
    """Splits of the blocks in two halves, and where the winner of one comes in the other.

    ``logits`` are ``ln(ω / (1 - ω))`` of its relative rank ω, one a split; 0 is the
    median, and ``probability`` the share of splits at or below it.
    """

    probability: float
    logits: Array


def backtest_overfitting(
    returns: Sequence[Sequence[float]] | Array,
    *,
    by: Literal["sharpe", "mean"] = "sharpe",
    groups: int = GROUPS,
) -> Overfitting | None:
    """Measure by symmetric cross-validation how often choosing the best trial is choosing luck.

    ``returns`` has a row a trial and a column a block of time, all complete. The blocks
    are put into ``groups`` consecutive groups, as equal as can be; each half of them
    chooses the best trial, and the other half ranks it. Blocks in which no trial gained or
    lost anything, such as hours without data, tell none from another and are left out.

    ``by`` should be what the study chooses by: the mean for profits, else the Sharpe
    ratio (0 without deviation). Equal trials share their mean rank; the earliest
    of equal winners is taken.

    With too few blocks there are fewer groups, two blocks in each at least. None for
    fewer than four groups, fewer than two trials, or trials that are all the same.

    Raises:
        ValueError: ``groups`` is not even and above 2, or a value is not finite.
    """
    if groups < 4 or groups % 2:
        raise ValueError(f"{groups} groups cannot be halved in several ways; give 4, 6, 8, …")
    values = np.asarray(returns, dtype=np.float64)
    if not np.isfinite(values).all():
        raise ValueError("a return is not finite")
    if values.ndim != 2 or len(values) < 2 or (values == values[0]).all():
        return None
    values = values[:, (values != 0).any(axis=0)]
    groups = min(groups, values.shape[1] // 4 * 2)
    if groups < 4:
        return None
    parts = np.array_split(values, groups, axis=1)
    counts = np.array([part.shape[1] for part in parts], dtype=np.float64)
    sums = np.stack([part.sum(axis=1) for part in parts])
    squares = np.stack([(part**2).sum(axis=1) for part in parts])

    def measure(halves: Array) -> Array:
        n = (halves @ counts)[:, None]
        mean = _add_up(halves, sums) / n
        if by == "mean":
            return mean
        variance = (_add_up(halves, squares) - n * mean**2) / (n - 1)
        flat = variance <= 1e-12 * mean**2
        return np.where(flat, 0.0, mean / np.sqrt(np.where(flat, 1.0, variance)))

    logits = [_logits(measure(halves), measure(1.0 - halves)) for halves in _halves(groups)]
    found = np.concatenate(logits)
    return Overfitting(float(np.mean(found <= 0)), found)


def _halves(groups: int) -> Iterator[Array]:
    chosen = combinations(range(groups), groups // 2)
    while some := list(islice(chosen, _SPLITS_AT_ONCE)):
        halves = np.zeros((len(some), groups))
        np.put_along_axis(halves, np.array(some), 1.0, axis=1)
        yield halves


def _add_up(halves: Array, parts: Array) -> Array:
    # part by part, not as a matrix product: that one rounds equal trials differently
    total = np.zeros((len(halves), parts.shape[1]))
    for taken, part in zip(halves.T, parts, strict=True):
        total += taken[:, None] * part
    return total


def _logits(inside: Array, outside: Array) -> Array:
    winner = np.take_along_axis(outside, inside.argmax(axis=1)[:, None], axis=1)
    below, equal = (outside < winner).sum(axis=1), (outside == winner).sum(axis=1)
    rank = (below + (equal + 1) / 2) / (outside.shape[1] + 1)
    logits: Array = np.log(rank / (1 - rank))
    return logits


def _spread(track: Track) -> float:
    inner = 1 - track.skew * track.sharpe + (track.kurtosis - 1) / 4 * track.sharpe**2
    return math.sqrt(max(inner, np.finfo(float).tiny))
