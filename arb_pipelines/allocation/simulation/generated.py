"""Generated hourly bars of stocks and coins, for whoever has no recorded ones.

Prices are geometric Brownian motions without drift. A symbol moves with its share of
its market's factor and on its own, in steps of five minutes; highs and lows are those
of the continuous path between the steps. Coins trade in every hour. Stocks trade in
the session's hours and move once, by the night's share of the variance, before each
session opens.

Nothing in such prices can be forecast: whoever trades them pays the costs. With
``reversion`` above 0 the price strays from its Brownian value by a mean-reverting
error of that size, and a limit order below the market has an edge by construction.
No parameter was chosen by what any allocation earns.

Sources: P. Glasserman, "Monte Carlo Methods in Financial Engineering" (2003), 6.4, for
the extremes between two steps; L. Summers, "Does the Stock Market Rationally Reflect
Fundamental Values?", Journal of Finance 41 (1986), for the mean-reverting error.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter

from arb_pipelines.allocation.simulation.build import Sessions
from arb_pipelines.allocation.simulation.panel import HOUR_NS, Bools, Floats, Int64, Panel

#: Steps of the Brownian motions an hour.
_STEPS = 12
_HOURS_A_YEAR = 8_760
#: Sessions a year and whole hours a session, as the generator fills them.
_SESSIONS, _SESSION_HOURS = 252, 6
#: Half-life of the mean-reverting error, in steps.
_HALF_LIFE = 12 * _STEPS
#: Prices are rounded to this many digits.
_DIGITS = 4


@dataclass(frozen=True, slots=True)
class Market:
    """How one kind of symbol moves; volatilities are a year's standard deviations of logs.

    ``beta`` and ``own_vol`` are the least and greatest a symbol may have. ``night``
    is the share of the variance that falls between sessions.
    """

    factor_vol: float
    own_vol: tuple[float, float]
    beta: tuple[float, float]
    night: float = 0.0


#: Round numbers near what large US stocks and coins have shown; assumptions, not fits.
STOCKS = Market(factor_vol=0.16, own_vol=(0.20, 0.40), beta=(0.6, 1.4), night=0.3)
COINS = Market(factor_vol=0.55, own_vol=(0.35, 0.80), beta=(0.6, 1.3))


def hours_from(first_ns: int, hours: int) -> Int64:
    """Give the openings of consecutive hours."""
    return first_ns + HOUR_NS * np.arange(hours, dtype=np.int64)


def generate_panel(
    ts_open: Int64, sessions: Sessions, *, stocks: int, coins: int, seed: int, reversion: float = 0
) -> Panel:
    """Draw the bars of ``stocks`` and ``coins`` symbols for consecutive hours.

    ``reversion`` is the standard deviation of the mean-reverting error in logs
    (0.01 is 1 %). Equal arguments give equal bars on one kind of machine.
    """
    rng = np.random.default_rng(seed)
    always = np.ones(len(ts_open), np.bool_)
    parts = [
        _bars(rng, STOCKS, stocks, sessions.session, _SESSIONS * _SESSION_HOURS, reversion),
        _bars(rng, COINS, coins, always, _HOURS_A_YEAR, reversion),
    ]
    start = rng.uniform(20.0, 400.0, stocks + coins)
    open_, high, low, close = (
        np.round(start * np.exp(np.concatenate(both, axis=1)), _DIGITS)
        for both in zip(*parts, strict=True)
    )
    names = [f"STK{i:02d}-USD" for i in range(stocks)] + [f"COIN{i:02d}-USD" for i in range(coins)]
    return Panel(
        tuple(names),
        np.arange(stocks + coins) < stocks,
        ts_open,
        open_,
        high,
        low,
        close,
        sessions.session,
        sessions.last,
        sessions.market_open,
    )


def _bars(
    rng: np.random.Generator,
    market: Market,
    symbols: int,
    trading: Bools,
    hours_a_year: int,
    reversion: float,
) -> tuple[Floats, Floats, Floats, Floats]:
    """Log prices of one market's bars, ``(hours, symbols)`` each; NaN where it does not trade."""
    hours = len(trading)
    own = rng.uniform(*market.own_vol, symbols)
    beta = rng.uniform(*market.beta, symbols)
    variance = (beta * market.factor_vol) ** 2 + own**2
    step = (1.0 - market.night) / (hours_a_year * _STEPS)
    night = market.night / _SESSIONS
    moves = np.zeros((hours, _STEPS + 1, symbols))
    opens = trading & ~np.concatenate([[True], trading[:-1]])
    for rows, share, part in ((opens, night, slice(0, 1)), (trading, step, slice(1, None))):
        shape = (int(rows.sum()), moves[:, part].shape[1])
        shocks = beta * market.factor_vol * rng.standard_normal((*shape, 1))
        shocks += own * rng.standard_normal((*shape, symbols))
        moves[rows, part] = np.sqrt(share) * shocks - share * variance / 2
    logs = np.cumsum(moves.reshape(hours * (_STEPS + 1), symbols), axis=0)
    if reversion:
        logs += _errors(rng, len(logs), symbols, reversion)
    logs = logs.reshape(hours, _STEPS + 1, symbols)
    high, low = _extremes(rng, logs, step * variance + _shock(reversion) ** 2)
    bars = (logs[:, 0], high, low, logs[:, -1])
    open_, high, low, close = (np.where(trading[:, None], bar, np.nan) for bar in bars)
    return open_, high, low, close


def _extremes(rng: np.random.Generator, logs: Floats, variance: Floats) -> tuple[Floats, Floats]:
    """Highest and lowest of each hour's continuous path, given its steps and their variance."""
    before, after = logs[:, :-1], logs[:, 1:]
    found = []
    for sign in (1.0, -1.0):
        drawn = 1.0 - rng.random(before.shape)  # above 0
        spread = np.sqrt((after - before) ** 2 - 2.0 * variance * np.log(drawn))
        found.append(sign * (sign * (before + after) / 2 + spread / 2).max(axis=1))
    return found[0], found[1]


def _errors(rng: np.random.Generator, rows: int, symbols: int, size: float) -> Floats:
    """A stationary AR(1) of standard deviation ``size``, a step a row."""
    shocks = rng.standard_normal((rows, symbols)) * _shock(size)
    shocks[:1] = rng.standard_normal((1, symbols)) * size
    errors: Floats = lfilter([1.0], [1.0, -_keep()], shocks, axis=0)
    return errors


def _keep() -> float:
    return float(0.5 ** (1.0 / _HALF_LIFE))


def _shock(size: float) -> float:
    return size * float(np.sqrt(1.0 - _keep() ** 2))
