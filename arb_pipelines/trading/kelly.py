"""How much to commit by what cycles have brought so far: the Kelly fraction, capped.

With ``r`` the return of a cycle (profit over what it spent) and ``f`` the share of the
balance that each commits, money grows by ``E[log(1 + f r)]`` a cycle. To the second order
that is ``f E[r] - f^2 E[r^2] / 2``, which is greatest at::

    f* = E[r] / E[r^2] = mean / (variance + mean^2)

Of edges of some basis points ``mean^2`` is nothing beside the variance, and f* is the
``mean / variance`` of a continuous game. Mean and variance are those of the last cycles,
and uncertain: hence a share of f*, and a cap.

Source: E. O. Thorp, The Kelly Criterion in Blackjack, Sports Betting, and the Stock Market
(1997), on the securities markets; J. L. Kelly, A New Interpretation of Information Rate (1956).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from arb_pipelines.trading.rules import Rules


class Returns(NamedTuple):
    """What the last cycles brought over what they spent; changed by ``note_return`` alone.

    ``last`` is a ring of as many as count, ``ended`` has one element: how many there were.
    """

    last: npt.NDArray[np.float64]
    ended: npt.NDArray[np.int64]


def no_returns(rules: Rules) -> Returns:
    """Make the memory of a strategy of which no cycle has ended."""
    return Returns(np.zeros(rules.kelly_window), np.zeros(1, np.int64))


@njit(cache=True)
def note_return(returns: Returns, spent: float, profit: float) -> None:
    """Remember what a cycle that has ended brought; one that spent nothing tells nothing."""
    room = returns.last.shape[0]
    if room == 0 or not spent > 0.0:
        return
    returns.last[returns.ended[0] % room] = profit / spent
    returns.ended[0] += 1


@njit(cache=True)
def committed_share(rules: Rules, returns: Returns) -> float:
    """Give the share of the free balance that a cycle may use, from 0 to the cap.

    Until enough cycles have ended, and where Kelly is not asked for, it is the fixed one. A mean
    that is not above zero commits nothing.
    """
    ended = returns.ended[0]
    if rules.kelly_window == 0 or ended < rules.kelly_least:
        return rules.fraction
    known = min(ended, returns.last.shape[0])
    total, squares = 0.0, 0.0
    for i in range(known):
        total += returns.last[i]
        squares += returns.last[i] * returns.last[i]
    if not total > 0.0:
        return 0.0
    return min(rules.kelly_cap, rules.kelly_fraction * (total / squares))
