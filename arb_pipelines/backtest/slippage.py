"""What taking liquidity costs beyond the price that the data shows: one small class a model.

A model turns a reference price into the price paid. On bars, which show no depth,
it adds an assumption; on books ``BookWalk`` reads it off the levels. Only orders
that take (market orders, triggered stops, limits that cross on arrival) slip.

All of them are sections of a YAML file, told apart by ``model``. What a venue
charges is no slippage: that is ``commission``.
"""

from __future__ import annotations

import math
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from arb_pipelines.market.graph import BUY
from arb_pipelines.trading.events import Bar, Floats
from arb_pipelines.trading.orders import value_at

_BPS = 10_000.0
#: Parkinson's constant: the standard deviation is ``ln(high / low) / sqrt(4 ln 2)``.
PARKINSON: Final = 1.0 / math.sqrt(4.0 * math.log(2.0))


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FixedBps(_Model):
    """Each fill is worse than the reference by the same share of the price.

    Source: backtrader, Slippage, ``slip_perc``
    (https://www.backtrader.com/docu/slippage/slippage/); zipline's
    ``FixedBasisPointsSlippage``.
    """

    model: Literal["bps"] = "bps"
    bps: float = Field(0.0, ge=0, lt=10_000, description="Worse than the reference by this, bps.")

    def price(self, side: int, reference_px: float, size: float, bar: Bar) -> float:
        """Give the price paid, quote per base."""
        return worse(side, reference_px, self.rate)

    @property
    def rate(self) -> float:
        """Share of the price lost."""
        return self.bps / _BPS


class SpreadFraction(_Model):
    """The reference is a mid price; a fill pays a fraction of the spread around it.

    Half of the spread is a market order on a book as wide as that; less, one that
    is worked patiently.

    Source: zipline's ``FixedSlippage`` (half of ``spread`` per share), with the
    spread in bps of the price instead of money.
    """

    model: Literal["spread"]
    spread_bps: float = Field(ge=0, lt=10_000, description="Ask less bid, bps of the mid.")
    fraction: float = Field(0.5, ge=0, le=1, description="Share of the spread that is paid.")

    def price(self, side: int, reference_px: float, size: float, bar: Bar) -> float:
        """Give the price paid, quote per base."""
        return worse(side, reference_px, self.rate)

    @property
    def rate(self) -> float:
        """Share of the price lost."""
        return self.fraction * self.spread_bps / _BPS


class SquareRootImpact(_Model):
    """Impact grows with the square root of the size: ``coefficient * sigma * sqrt(size / volume)``.

    ``sigma`` is the volatility of the bar in which the order fills, from its range
    (Parkinson 1980, with ``ln(high/low)`` by the first term of its series, ``2 (high -
    low) / (high + low)``: within 0.1 % for ranges up to 10 %), and ``volume`` that
    bar's, so both are of the same period. ``size / volume`` counts as 1 where it is
    more: no more than the whole volume can have traded. A buy pays ``1 + impact``
    times the reference, a sell gets it divided by that, so that no price falls below
    zero.

    Source: Tóth et al., "Anomalous price impact and the critical nature of liquidity
    in financial markets", Phys. Rev. X 1, 021006 (2011), arXiv:1105.1694, where the
    coefficient is of order 1. Almgren et al., "Direct estimation of equity market
    impact", Risk (2005), find a power of 0.6 instead of 0.5.
    """

    model: Literal["square_root"]
    coefficient: float = Field(1.0, ge=0, le=10, description="Y in the law; of order 1.")

    def price(self, side: int, reference_px: float, size: float, bar: Bar) -> float:
        """Give the price paid, quote per base."""
        sigma = PARKINSON * (2.0 * (bar.high - bar.low) / (bar.high + bar.low))
        share = min(1.0, size / bar.volume) if bar.volume > 0.0 else 1.0
        impact = self.coefficient * sigma * math.sqrt(share)
        return reference_px * (1.0 + impact) if side == BUY else reference_px / (1.0 + impact)


class BookWalk(_Model):
    """An order pays level after level of the book, the best first; nothing is assumed.

    Source: the matching rule of any venue with price-time priority; hftbacktest,
    "Order Fill" (https://hftbacktest.readthedocs.io/en/latest/order_fill.html),
    fills takers in the same way with ``PartialFillExchange``.
    """

    model: Literal["book_walk"]

    def price(self, px: Floats, sz: Floats, size: float) -> float:
        """Give the average price of ``size`` from levels, best first.

        What the levels do not hold is priced at the last; whoever asks limits the
        size to what they hold.
        """
        return float(value_at(px, sz, size)) / size


def worse(side: int, px: float, rate: float) -> float:
    """Move a price against the order by a share of it."""
    return px * (1.0 + rate) if side == BUY else px * (1.0 - rate)


#: What bars can be filled with. They have no levels, so a book walk is refused there.
BarSlippage = Annotated[FixedBps | SpreadFraction | SquareRootImpact, Field(discriminator="model")]
