"""Generated hourly bars of stocks and coins, for whoever has no recorded ones.

Log prices are Brownian: each symbol's is its share of its market's factor and a
motion of its own, drawn every five minutes, so that a bar's high and low are those
of a path. Coins trade in every hour. Stocks trade in the session's hours and move
once, by the night's share of the day's variance, before each session opens.

Nothing in such prices can be forecast: whoever trades them pays the costs. With
``reversion`` above 0 the price strays from its Brownian value by a mean-reverting
error of that size (Summers 1986), and a limit order below the market has an edge
by construction. No parameter was chosen by what any allocation earns.

Source: L. Summers, "Does the Stock Market Rationally Reflect Fundamental Values?",
Journal of Finance 41 (1986), for the mean-reverting error.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter

from arb_pipelines.allocation.simulation.panel import HOUR_NS, Bools, Floats, Int64, Panel

#: Steps of the Brownian motions an hour.
_STEPS = 12
_HOURS_A_YEAR = 8_760
#: Sessions a year and whole hours a session, as the generator fills them.
_SESSIONS, _SESSION_HOURS = 252, 6
#: Half-life of the mean-reverting error.
_HALF_LIFE_H = 12.0


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


def generate_panel(
    ts_open: Int64,
    session: Bools,
    last: Bools,
    market_open: Bools,
    *,
    stocks: int,
    coins: int,
    seed: int,
    reversion: float = 0.0,
) -> Panel:
    """Draw the bars of ``stocks`` and ``coins`` symbols for the given hours.

    ``reversion`` is the standard deviation of the mean-reverting error in logs
    (0.01 is 1 %). Equal arguments give equal bars on one kind of machine.
    """
    rng = np.random.default_rng(seed)
    hours = len(ts_open)
    always = np.ones(hours, np.bool_)
    parts = [
        _walk(rng, STOCKS, stocks, session, _SESSIONS * _SESSION_HOURS),
        _walk(rng, COINS, coins, always, _HOURS_A_YEAR),
    ]
    logs = np.concatenate(parts, axis=1)
    if reversion:
        logs = logs + _errors(rng, len(logs), logs.shape[1], reversion)
    start = rng.uniform(20.0, 400.0, stocks + coins)
    is_stock = np.arange(stocks + coins) < stocks
    prices = np.round(start * np.exp(logs), 4).reshape(hours, _STEPS + 1, -1)
    traded = np.where(is_stock[None, :], session[:, None], True)
    names = [f"STK{i:02d}-USD" for i in range(stocks)] + [f"COIN{i:02d}-USD" for i in range(coins)]
    bars = (prices[:, 0], prices.max(axis=1), prices.min(axis=1), prices[:, -1])
    open_, high, low, close = (np.where(traded, column, np.nan) for column in bars)
    return Panel(
        tuple(names), is_stock, ts_open, open_, high, low, close, session, last, market_open
    )


def hours_from(first_ns: int, hours: int) -> Int64:
    """Give the openings of consecutive hours."""
    return first_ns + HOUR_NS * np.arange(hours, dtype=np.int64)


def _walk(
    rng: np.random.Generator, market: Market, symbols: int, trading: Bools, hours_a_year: int
) -> Floats:
    """Log prices at the hour's start and after each of its steps: ``(hours * 13, symbols)``."""
    hours = len(trading)
    own = rng.uniform(*market.own_vol, symbols)
    beta = rng.uniform(*market.beta, symbols)
    day = (1.0 - market.night) / (hours_a_year * _STEPS)
    moves = np.zeros((hours, _STEPS + 1, symbols))
    moves[:, 1:] = np.sqrt(day) * (
        beta * market.factor_vol * rng.standard_normal((hours, _STEPS, 1))
        + own * rng.standard_normal((hours, _STEPS, symbols))
    )
    moves *= trading[:, None, None]
    opens = trading & ~np.concatenate([[True], trading[:-1]])
    nights = np.sqrt(market.night / _SESSIONS) * (
        beta * market.factor_vol * rng.standard_normal((hours, 1))
        + own * rng.standard_normal((hours, symbols))
    )
    moves[:, 0] = nights * opens[:, None]
    logs: Floats = np.cumsum(moves.reshape(hours * (_STEPS + 1), symbols), axis=0)
    return logs


def _errors(rng: np.random.Generator, rows: int, symbols: int, size: float) -> Floats:
    """A stationary AR(1) of standard deviation ``size``, a step a row."""
    keep = 0.5 ** (1.0 / (_HALF_LIFE_H * (_STEPS + 1)))
    shocks = rng.standard_normal((rows, symbols)) * np.sqrt(1.0 - keep**2)
    shocks[0] = rng.standard_normal(symbols)
    errors: Floats = size * lfilter([1.0], [1.0, -keep], shocks, axis=0)
    return errors
