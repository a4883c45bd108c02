"""What a market's own list leaves open, filled in so that it can be traded here."""

from __future__ import annotations

from decimal import Decimal

from arb_pipelines.exchange.engine.symbols import ListedSymbol
from arb_pipelines.market.symbols import Market, Status

#: The venue's basic rate, which a symbol's coefficient scales.
_BASIC_FEE_BPS = Decimal(10)
#: Where a recording names its symbols and no more.
_SMALLEST = Decimal("0.00000001")
_LARGEST = Decimal(10_000_000_000)


def listed_symbol(market: Market) -> ListedSymbol:
    """List ``market``; a limit it does not know does not bind, an increment is 1e-8."""
    base_increment = market.base_increment or _SMALLEST
    quote_increment = market.quote_increment or _SMALLEST
    min_funds = market.min_funds or quote_increment
    return ListedSymbol(
        symbol=market.symbol,
        base=market.base,
        quote=market.quote,
        base_increment=base_increment,
        quote_increment=quote_increment,
        price_increment=market.price_increment or _SMALLEST,
        base_min_size=market.base_min_size or base_increment,
        quote_min_size=min_funds,
        base_max_size=market.base_max_size or _LARGEST,
        quote_max_size=_LARGEST,
        min_funds=min_funds,
        maker_fee_coefficient=_coefficient(market.maker_fee_bps),
        taker_fee_coefficient=_coefficient(market.taker_fee_bps),
        enabled=market.status is Status.TRADING,
    )


def _coefficient(fee_bps: float | None) -> Decimal:
    return Decimal(1) if fee_bps is None else Decimal(repr(fee_bps)) / _BASIC_FEE_BPS
