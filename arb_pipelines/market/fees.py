"""What a taker fee does to a leg, as factors for arrays.

A leg gives one currency and receives another. A fee in the given currency makes
less of the input trade; one in the received currency makes less of the output
arrive. The exact fee of an order, in ``Decimal``, is ``sizing``'s.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from arb_pipelines.errors import ConfigError
from arb_pipelines.market.symbols import FeeSide, Market

Floats = npt.NDArray[np.float64]
BPS = 1e-4


@dataclass(frozen=True, slots=True)
class FeeFactors:
    """Share of a leg's input that trades, and share of its output that arrives.

    Both have shape ``(n_symbols, 2)`` with sides ``BUY`` and ``SELL``, so that
    raveled they are indexed by ``2 * symbol + side``. Under ``FeeSide.QUOTE`` a
    buy trades ``1 / (1 + f)`` of its funds; every other leg trades all and
    keeps ``1 - f``.
    """

    on_input: Floats
    on_output: Floats

    @property
    def keep(self) -> Floats:
        """What is left of a leg's gross rate."""
        return self.on_input * self.on_output


def fee_factors(
    markets: Sequence[Market], symbols: Sequence[str], fee_bps: float | None = None
) -> FeeFactors:
    """Give the factors of ``symbols``, in their order.

    ``fee_bps`` replaces the taker fee of every market; ``None`` takes each
    market's own. Where the fee is taken is always the market's own.

    Raises:
        ConfigError: a symbol has no market, ``fee_bps`` is ``None`` and a
            market lists no taker fee, or a fee is not in [0, 10000) bps.
    """
    known = {market.symbol: market for market in markets}
    fee = np.empty(len(symbols))
    in_quote = np.empty(len(symbols), np.bool_)
    for i, symbol in enumerate(symbols):
        if symbol not in known:
            raise ConfigError(
                f"symbol {symbol} is not in the day's markets; build the universe again"
            )
        fee[i] = _taker_fee_bps(known[symbol], fee_bps) * BPS
        in_quote[i] = known[symbol].fee_side is FeeSide.QUOTE
    whole, less = np.ones_like(fee), 1.0 - fee
    on_input = np.stack([np.where(in_quote, 1.0 / (1.0 + fee), whole), whole], axis=1)
    on_output = np.stack([np.where(in_quote, whole, less), less], axis=1)
    return FeeFactors(on_input, on_output)


def _taker_fee_bps(market: Market, fee_bps: float | None) -> float:
    fee = market.taker_fee_bps if fee_bps is None else fee_bps
    if fee is None:
        raise ConfigError(
            f"the list of {market.venue} has no taker fee for {market.symbol}; give --fee-bps, "
            "or fee_bps in the strategy file"
        )
    if not 0 <= fee < 10_000 or math.isnan(fee):
        raise ConfigError(f"a taker fee of {fee:g} bps is not in [0, 10000)")
    return fee
