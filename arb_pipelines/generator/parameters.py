"""How each currency and each symbol's quoting behaves: the calibration.

The numbers were chosen so that spreads and cycle edges resemble the recordings
named in ``docs/generator.md``; none was chosen for a strategy's profit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from arb_pipelines.generator.arithmetic import POWERS_OF_TEN, exponential
from arb_pipelines.generator.symbols import Listing

Floats = npt.NDArray[np.float64]

_SECONDS_PER_YEAR = 365.0 * 86_400.0
_BPS = 1e-4
#: Half spread of a USDT symbol by rank: 2 bps at the top, tenfold every 240 ranks.
_HALF_SPREAD_TOP_BPS, _RANK_SCALE, _RANK_MAX = 1.6, 105.0, 330
#: Spread relative to the coin's USDT symbol.
_QUOTE_SPREAD = {"USDT": 1.0, "USDC": 1.2, "BTC": 2.6, "ETH": 2.8, "KCS": 1.8}
_QUOTE_ACTIVITY = {"USDT": 1.0, "USDC": 0.35, "BTC": 0.45, "ETH": 0.35, "KCS": 0.25}
_HUB_HALF_SPREAD_BPS = {"BTC-USDT": 0.01, "ETH-USDT": 0.02, "ETH-BTC": 0.3, "USDC-USDT": 0.4}


@dataclass(frozen=True, slots=True)
class Currencies:
    """Log-value of a currency: ``market_share × market + own``, both Brownian, plus rare jumps.

    Shapes ``(n_currencies,)``; volatilities a square root of a second, jumps a second.
    """

    market_share: Floats
    own_volatility: Floats
    jump_rate: Floats


#: Volatility of the market factor: 50 % a year.
MARKET_VOLATILITY = 0.5 / np.sqrt(_SECONDS_PER_YEAR)
#: A jump moves a value by 5 to 15 bps either way.
JUMP_LEAST, JUMP_SPAN = 5 * _BPS, 10 * _BPS


class Quoting(NamedTuple):
    """How a symbol's quotes follow its fair price. Shapes ``(n_symbols,)``.

    The quoted mid follows the fair log-price with time constant ``lag_s``, off
    by a mean-reverting error of deviation ``error`` and memory ``error_s``; at
    an update it is requoted with probability ``requote``, else only sizes
    change. A requoted side never lies through the fair price by more than
    ``slack``: beyond that somebody has taken it. ``half_spread``, ``error`` and
    ``slack`` are relative. ``activity`` is the share of all updates; sums to 1.
    ``top_lots`` is the middle size of the best level.
    """

    half_spread: Floats
    lag_s: Floats
    error: Floats
    error_s: Floats
    slack: Floats
    requote: Floats
    activity: Floats
    top_lots: Floats


def currency_parameters(listing: Listing, rng: np.random.Generator) -> Currencies:
    """Draw the currencies' parameters; dollars are nearly still."""
    drawn = rng.random((len(listing.currencies), 2))
    dollar = np.isin(listing.currencies, ("USDT", "USDC"))
    bitcoin = np.isin(listing.currencies, ("BTC",))
    own = (0.3 + 0.7 * drawn[:, 0]) / np.sqrt(_SECONDS_PER_YEAR)
    return Currencies(
        market_share=np.where(dollar, 0.0, np.where(bitcoin, 1.0, 0.8 + 0.6 * drawn[:, 1])),
        own_volatility=np.where(dollar, 0.002 * own, np.where(bitcoin, 0.2 * own, own)),
        jump_rate=np.where(dollar | bitcoin, 0.0, 1.0 / 3600.0),
    )


def quoting_parameters(listing: Listing, rng: np.random.Generator) -> Quoting:
    """Draw the symbols' parameters by rank and quote currency."""
    n = len(listing.symbols)
    drawn = rng.random((n, 3))
    hub = listing.rank == 0
    quotes = [listing.currencies[quote] for quote in listing.quote]
    rank = np.minimum(listing.rank, _RANK_MAX)
    widening = np.array([exponential(r / _RANK_SCALE) for r in rank])
    half_spread_bps = (
        _HALF_SPREAD_TOP_BPS * widening
        * np.array([_QUOTE_SPREAD[quote] for quote in quotes])
        * (0.5 + 1.3 * drawn[:, 0])
    )  # fmt: skip
    for i in np.flatnonzero(hub):
        half_spread_bps[i] = _HUB_HALF_SPREAD_BPS.get(listing.symbols[i], 1.5)
    error_bps = np.where(hub, 0.2, 0.7 * half_spread_bps)
    error_bps[[symbol == "ETH-BTC" for symbol in listing.symbols]] = 2.2
    activity = np.array([_QUOTE_ACTIVITY[quote] for quote in quotes]) / (1 + listing.rank / 15)
    activity = activity * np.where(hub, 3.0, 0.5 + drawn[:, 1])
    top_usd = np.where(hub, 20_000.0, 300.0 + 4_000.0 / (1 + listing.rank / 40))
    lots = top_usd / listing.value[listing.base] * POWERS_OF_TEN[listing.size_decimals]
    return Quoting(
        half_spread=half_spread_bps * _BPS,
        lag_s=np.where(hub, 0.05, 0.2 + rank / 150.0),
        error=error_bps * _BPS,
        error_s=np.full(n, 30.0),
        slack=np.where(hub, 0.5, 0.5 + 2.5 * drawn[:, 2]) * _BPS
        + np.where([symbol == "ETH-BTC" for symbol in listing.symbols], 2.0, 0.0) * _BPS,
        requote=np.where(hub, 0.4, 0.35),
        activity=activity / np.cumsum(activity)[-1],
        top_lots=np.maximum(lots * (0.5 + drawn[:, 1]), listing.min_lots),
    )
