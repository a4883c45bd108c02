"""KuCoin's symbol list."""

from __future__ import annotations

from decimal import Decimal

from arb_pipelines.market.symbols import FeeSide, Market, Status
from arb_pipelines.venues.entries import Entry, entries, not_a_list

VENUE = "kucoin"
_OK = "200000"


def parse_symbols(document: object, source: str) -> list[Market]:
    """Read the answer of ``/api/v1/symbols`` or ``/api/v2/symbols``.

    An entry of v2 (v1 lacks ``minFunds`` and what follows ``enableTrading``)::

        {"symbol": "BTC-USDT", "name": "BTC-USDT", "baseCurrency": "BTC",
         "quoteCurrency": "USDT", "feeCurrency": "USDT", "market": "USDS",
         "baseMinSize": "0.00001", "quoteMinSize": "0.1", "baseMaxSize": "10000000000",
         "quoteMaxSize": "99999999", "baseIncrement": "0.00000001",
         "quoteIncrement": "0.000001", "priceIncrement": "0.1", "priceLimitRate": "0.1",
         "minFunds": "0.1", "isMarginEnabled": true, "enableTrading": true,
         "feeCategory": 1, "makerFeeCoefficient": "1.00", "takerFeeCoefficient": "1.00",
         "st": false, "callauctionIsEnabled": false}

    ``symbol`` never changes, so after a renaming it is not base-quote
    (``BCHSV-BTC`` trades BSV): the currencies decide. An order must satisfy
    ``minFunds`` and, at market, ``quoteMinSize``; the greater counts. The list
    holds coefficients of the account's own fee rate, so fees stay unknown; but
    a coefficient of 0 is no fee at any rate.

    Raises:
        DataError: an error answer, or an entry that is not as above.

    Source: https://www.kucoin.com/docs-new/rest/spot-trading/market-data/get-all-symbols
    """
    if not isinstance(document, dict) or document.get("code") != _OK:
        raise not_a_list(document, "KuCoin's symbol list", source)
    return parse_listed(document.get("data"), source)


def parse_listed(listed: object, source: str) -> list[Market]:
    """Read the list alone, without the answer around it.

    Raises:
        DataError: an entry is not as in ``parse_symbols``.
    """
    return [_market(entry) for entry in entries(listed, "symbol", source)]


def _market(entry: Entry) -> Market:
    base, quote = entry.currency("baseCurrency"), entry.currency("quoteCurrency")
    return Market(
        venue=VENUE,
        symbol=f"{base}-{quote}",
        base=base,
        quote=quote,
        venue_symbol=entry.name,
        base_increment=entry.step("baseIncrement"),
        quote_increment=entry.step("quoteIncrement"),
        price_increment=entry.step("priceIncrement"),
        base_min_size=entry.number("baseMinSize"),
        base_max_size=entry.number("baseMaxSize"),
        min_funds=max(entry.number("quoteMinSize"), entry.optional("minFunds") or Decimal(0)),
        taker_fee_bps=_fee_bps(entry, "takerFeeCoefficient"),
        maker_fee_bps=_fee_bps(entry, "makerFeeCoefficient"),
        fee_side=FeeSide.QUOTE,
        status=Status.TRADING if entry.flag("enableTrading") else Status.HALTED,
    )


def _fee_bps(entry: Entry, coefficient: str) -> float | None:
    return 0.0 if entry.optional(coefficient) == 0 else None
