"""What the exchange lists: symbols with their limits, and what trading them costs."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class ListedSymbol:
    """One symbol of the exchange, e.g. ``BTC-USDT``.

    Sizes are in base, funds in quote. Bounds named ``base`` hold for orders by
    size, ``quote`` for orders by funds; ``min_funds`` for what either is worth.
    ``price_limit_rate`` is how far, as a share of the best price, a market order
    may reach. The fee coefficients scale the rates of the ``FeeSchedule``.
    """

    symbol: str
    base: str
    quote: str
    base_increment: Decimal
    quote_increment: Decimal
    price_increment: Decimal
    base_min_size: Decimal
    quote_min_size: Decimal
    base_max_size: Decimal
    quote_max_size: Decimal
    min_funds: Decimal
    price_limit_rate: Decimal = Decimal("0.1")
    maker_fee_coefficient: Decimal = Decimal(1)
    taker_fee_coefficient: Decimal = Decimal(1)
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class FeeSchedule:
    """Fee rates as fractions of the traded value: ``Decimal("0.001")`` is 10 bps.

    ``in_kcs`` has takers pay in KCS where they can; see ``discount``.
    """

    taker: Decimal = Decimal("0.001")
    maker: Decimal = Decimal("0.001")
    in_kcs: bool = False

    def taker_rate(self, symbol: ListedSymbol) -> Decimal:
        """Give the taker's rate on ``symbol``."""
        return self.taker * symbol.taker_fee_coefficient

    def maker_rate(self, symbol: ListedSymbol) -> Decimal:
        """Give the maker's rate on ``symbol``."""
        return self.maker * symbol.maker_fee_coefficient
