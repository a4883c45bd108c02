"""What a venue charges for a fill: one small class a model.

A fee is in quote currency, on top of what a buy pays and out of what a sell gets.
``of_fill`` is the fee of one fill; ``minimum`` what an order that fills at all pays
at least, over all its fills together (``charge``).

All of them are sections of a YAML file, told apart by ``model``. The fees of a
venue's markets, which the triangles trade with, are ``market.fees``.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from arb_pipelines.clock import NS_PER_DAY

_BPS = 10_000.0
#: Traded value counts for the tier this long.
TIER_WINDOW_NS: Final = 30 * NS_PER_DAY
Share = Annotated[float, Field(ge=0, lt=10_000, allow_inf_nan=False)]
Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class BpsCommission(_Model):
    """A share of the value traded.

    Source: backtrader, Commissions, ``commission`` with ``percabs=True``
    (https://www.backtrader.com/docu/commission-schemes/commission-schemes/);
    vectorbt's ``fees``.
    """

    model: Literal["bps"] = "bps"
    bps: Share = Field(0.0, description="Share of the value, bps.")

    @property
    def minimum(self) -> float:
        """Least fee of an order, quote."""
        return 0.0

    def of_fill(self, size: float, funds: float, *, maker: bool, traded_30d: float) -> float:
        """Give the fee of a fill of ``size`` base worth ``funds``, quote."""
        return funds * (self.bps / _BPS)


class PerUnitCommission(_Model):
    """An amount for each unit of base (share, contract).

    Source: Interactive Brokers, Commissions Stocks, fixed pricing: USD 0.005 a share
    with a minimum of USD 1.00 an order
    (https://www.interactivebrokers.com/en/pricing/commissions-stocks.php); the
    minimum is ``MinimumCommission``, and its cap of 1 % of the value is left out.
    """

    model: Literal["per_unit"]
    per_unit: Amount = Field(description="Fee of one unit of base, quote.")

    @property
    def minimum(self) -> float:
        """Least fee of an order, quote."""
        return 0.0

    def of_fill(self, size: float, funds: float, *, maker: bool, traded_30d: float) -> float:
        """Give the fee of a fill of ``size`` base worth ``funds``, quote."""
        return size * self.per_unit


class Tier(_Model):
    """Rates from a traded value on."""

    from_quote: Amount = Field(description="Value traded in the last 30 days, quote.")
    maker_bps: Share
    taker_bps: Share


class TieredCommission(_Model):
    """Shares of the value for makers and takers, which fall with the value of one's own fills.

    The tier is that of the value traded in the 30 days before the fill, in this
    container and quote currency; venues set it once a day.

    Source: Kraken, Fee Schedule, spot, Kraken Pro
    (https://www.kraken.com/features/fee-schedule); Binance, KuCoin and Coinbase
    have the same form.
    """

    model: Literal["tiered"]
    tiers: tuple[Tier, ...] = Field(min_length=1, description="By rising value, from 0 on.")

    @model_validator(mode="after")
    def _rising(self) -> Self:
        if self.tiers[0].from_quote != 0:
            raise ValueError("the first tier is not from_quote: 0")
        if any(a.from_quote >= b.from_quote for a, b in pairwise(self.tiers)):
            raise ValueError("tiers are not in order of rising from_quote")
        return self

    @property
    def minimum(self) -> float:
        """Least fee of an order, quote."""
        return 0.0

    def of_fill(self, size: float, funds: float, *, maker: bool, traded_30d: float) -> float:
        """Give the fee of a fill of ``size`` base worth ``funds``, quote."""
        tier = [tier for tier in self.tiers if tier.from_quote <= traded_30d][-1]
        return funds * ((tier.maker_bps if maker else tier.taker_bps) / _BPS)


class MinimumCommission(_Model):
    """Another commission, with a least amount for each order that fills at all.

    Source: as for ``PerUnitCommission``; zipline's ``PerShare(min_trade_cost=…)``
    charges it over all fills of an order in the same way.
    """

    model: Literal["minimum"]
    minimum: Amount = Field(description="Least fee of an order, quote.")
    of: Annotated[
        BpsCommission | PerUnitCommission | TieredCommission, Field(discriminator="model")
    ]

    def of_fill(self, size: float, funds: float, *, maker: bool, traded_30d: float) -> float:
        """Give the fee of a fill without regard to the minimum, quote."""
        return self.of.of_fill(size, funds, maker=maker, traded_30d=traded_30d)


Commission = Annotated[
    BpsCommission | PerUnitCommission | TieredCommission | MinimumCommission,
    Field(discriminator="model"),
]


def charge(plain: float, charged: float, minimum: float) -> float:
    """Give what a fill is charged, quote.

    ``plain`` is the sum of ``of_fill`` over the order's fills, this one included,
    and ``charged`` what those before it were charged.
    """
    return max(plain, minimum) - charged
