"""What trading a symbol costs and allows, as arrays over the symbols of a universe.

Made once from the venue's markets and the strategy, then handed to every
decision. Exact ``Decimal`` terms for the order path stay with ``Market``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from arb_pipelines.errors import DataError
from arb_pipelines.market.symbols import FeeSide, Market

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


class Terms(NamedTuple):
    """Terms of each symbol, indexed as the universe indexes symbols.

    A step of 0 means no step; a maximum of 0 means none. ``fee`` is a fraction
    of the traded value. ``fee_on_quote`` is True where a buy pays its fee on
    top in quote currency; elsewhere it is taken from what is received.
    """

    base_step: Floats
    funds_step: Floats
    price_step: Floats
    min_size: Floats
    max_size: Floats
    min_funds: Floats
    fee: Floats
    fee_on_quote: Bools


def terms_of(
    markets: Mapping[str, Market], symbols: Sequence[str], *, fee_bps: float | None
) -> Terms:
    """Gather the terms of ``symbols``; ``fee_bps`` replaces the markets' own taker fees.

    Raises:
        DataError: a market lists no fee and none was given.
    """
    chosen = [markets[symbol] for symbol in symbols]
    fees = [market.taker_fee_bps if fee_bps is None else fee_bps for market in chosen]
    if None in fees:
        market = chosen[fees.index(None)]
        raise DataError(
            f"{market.venue} lists no taker fee for {market.symbol}; set fee_bps in the strategy"
        )
    return Terms(
        base_step=_floats(market.base_increment for market in chosen),
        funds_step=_floats(market.quote_increment for market in chosen),
        price_step=_floats(market.price_increment for market in chosen),
        min_size=_floats(market.base_min_size for market in chosen),
        max_size=_floats(market.base_max_size for market in chosen),
        min_funds=_floats(market.min_funds for market in chosen),
        fee=np.array(fees, np.float64) / 10_000.0,
        fee_on_quote=np.array([market.fee_side is FeeSide.QUOTE for market in chosen], np.bool_),
    )


def _floats(values: Iterable[Decimal | None]) -> Floats:
    return np.array([0.0 if value is None else float(value) for value in values], np.float64)
