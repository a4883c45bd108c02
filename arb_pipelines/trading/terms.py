"""What trading a symbol costs and allows, as arrays over the symbols of a universe.

Made once from the venue's markets and the strategy, then handed to every
decision. Exact ``Decimal`` terms for the order path stay with ``Market``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from arb_pipelines.market.fees import fee_factors
from arb_pipelines.market.symbols import Market

Floats = npt.NDArray[np.float64]


class Terms(NamedTuple):
    """Terms of each symbol, indexed as the universe indexes symbols.

    A step of 0 means no step; a maximum of 0 means none. ``on_input`` and
    ``on_output`` have shape ``(symbols, 2)``: by side, the share of what is given
    that trades and the share of what is traded that arrives, as in ``FeeFactors``.
    """

    base_step: Floats
    funds_step: Floats
    price_step: Floats
    min_size: Floats
    max_size: Floats
    min_funds: Floats
    on_input: Floats
    on_output: Floats


def terms_of(
    markets: Sequence[Market], symbols: Sequence[str], fee_bps: float | None = None
) -> Terms:
    """Gather the terms of ``symbols``; ``fee_bps`` replaces the markets' own taker fees.

    Raises:
        ConfigError: a market lists no fee and none was given.
    """
    by_symbol = {market.symbol: market for market in markets}
    chosen = [by_symbol[symbol] for symbol in symbols]
    fees = fee_factors(markets, symbols, fee_bps)
    return Terms(
        base_step=_floats(market.base_increment for market in chosen),
        funds_step=_floats(market.quote_increment for market in chosen),
        price_step=_floats(market.price_increment for market in chosen),
        min_size=_floats(market.base_min_size for market in chosen),
        max_size=_floats(market.base_max_size for market in chosen),
        min_funds=_floats(market.min_funds for market in chosen),
        on_input=fees.on_input,
        on_output=fees.on_output,
    )


def _floats(values: Iterable[Decimal | None]) -> Floats:
    return np.array([0.0 if value is None else float(value) for value in values], np.float64)
