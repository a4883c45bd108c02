"""A venue's symbol and the limits it sets on orders."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum


class FeeSide(StrEnum):
    """Currency in which a taker fee is taken.

    ``QUOTE``: a buy costs ``funds × (1 + f)`` and delivers the whole base, a
    sell delivers ``proceeds × (1 − f)`` (KuCoin). ``RECEIVED``: whatever is
    bought arrives ``× (1 − f)`` (Binance, OKX, Kraken by default).
    """

    QUOTE = "quote"
    RECEIVED = "received"


class Status(StrEnum):
    """Whether the venue accepts orders on the symbol."""

    TRADING = "trading"
    HALTED = "halted"


@dataclass(frozen=True, slots=True)
class Market:
    """One symbol of one venue: ``base`` is traded, ``quote`` pays for it.

    Increments and limits are exact; ``None`` means that the venue's list is
    silent or that the symbol was inferred from a recording. Sizes are in base
    currency, funds in quote currency, fees in basis points of the traded value.
    """

    venue: str
    symbol: str
    base: str
    quote: str
    venue_symbol: str
    base_increment: Decimal | None = None
    quote_increment: Decimal | None = None
    price_increment: Decimal | None = None
    base_min_size: Decimal | None = None
    base_max_size: Decimal | None = None
    min_funds: Decimal | None = None
    taker_fee_bps: float | None = None
    maker_fee_bps: float | None = None
    fee_side: FeeSide = FeeSide.RECEIVED
    status: Status = Status.TRADING
    inferred: bool = False
