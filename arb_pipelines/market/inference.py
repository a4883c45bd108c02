"""What a symbol's name alone tells: its currencies, when no symbol list is at hand.

A market inferred here has no increments and no limits. A venue's own list is
always better; its parsers live in ``venues``.
"""

from __future__ import annotations

import re

from arb_pipelines.market.symbols import FeeSide, Market

#: Quote currencies of the large venues, the most money-like first. The order
#: also decides where a cycle starts when no start currency was chosen.
KNOWN_QUOTES = (
    *("USDT", "USDC", "USD", "BTC", "XBT", "ETH", "BUSD", "FDUSD", "EUR", "BNB", "KCS", "OKB"),
    *("TUSD", "USDP", "PAX", "DAI", "UST", "USDD", "USDS", "USDK", "USD1", "EURT", "EURC"),
    *("GBP", "JPY", "CHF", "CAD", "AUD", "TRY", "BRL", "MXN", "PLN", "RON", "CZK", "AED", "ZAR"),
    *("ARS", "COP", "BIDR", "IDRT", "BKRW", "KRW", "RUB", "NGN", "UAH", "BVND", "VAI", "GYEN"),
    *("SOL", "XRP", "TRX", "DOT", "DOGE"),
)

_BY_LENGTH = sorted(KNOWN_QUOTES, key=lambda quote: (-len(quote), quote))
_SEPARATORS = re.compile(r"[-/_]")
_QUOTE_FEE_VENUES = frozenset({"kucoin"})


def infer_market(
    venue: str, venue_symbol: str, base: str | None = None, quote: str | None = None
) -> Market | None:
    """Make a market out of a recorded symbol; ``None`` if its currencies cannot be told.

    ``base`` and ``quote`` win where the recording has them. Otherwise a name
    with one separator (``BTC-USDT``, ``XBT/USD``, ``btc_usdt``) is split there,
    and one without at the longest known quote currency that it ends in:
    ``BTCTUSD`` is TUSD for BTC, not USD for BTCT.
    """
    if not (base and quote):
        base, quote = _split(venue_symbol.strip().upper())
    if not (base and quote) or base == quote:
        return None
    return Market(
        venue=venue,
        symbol=f"{base}-{quote}",
        base=base,
        quote=quote,
        venue_symbol=venue_symbol,
        fee_side=FeeSide.QUOTE if venue in _QUOTE_FEE_VENUES else FeeSide.RECEIVED,
        inferred=True,
    )


def _split(name: str) -> tuple[str | None, str | None]:
    parts = _SEPARATORS.split(name)
    if len(parts) == 2:
        return parts[0], parts[1]
    if len(parts) == 1:
        for quote in _BY_LENGTH:
            if name.endswith(quote) and len(name) > len(quote):
                return name.removesuffix(quote), quote
    return None, None
