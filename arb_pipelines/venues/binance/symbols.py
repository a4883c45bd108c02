"""Binance's symbol list."""

from __future__ import annotations

from arb_pipelines.market.symbols import FeeSide, Market, Status
from arb_pipelines.venues.entries import Entry, entries, not_a_list

VENUE = "binance"


def parse_symbols(document: object, source: str) -> list[Market]:
    """Read the answer of ``/api/v3/exchangeInfo``.

    An entry of its ``symbols``, less what is not used here::

        {"symbol": "ETHBTC", "status": "TRADING", "baseAsset": "ETH", "quoteAsset": "BTC",
         "quoteAssetPrecision": 8, "filters": [
           {"filterType": "PRICE_FILTER", "minPrice": "0.00000100",
            "maxPrice": "922327.00000000", "tickSize": "0.00000100"},
           {"filterType": "LOT_SIZE", "minQty": "0.00010000",
            "maxQty": "100000.00000000", "stepSize": "0.00010000"},
           {"filterType": "MIN_NOTIONAL", "minNotional": "0.00010000",
            "applyToMarket": true, "avgPriceMins": 5}]}

    Today's lists say ``NOTIONAL`` for ``MIN_NOTIONAL``. A tick or step of 0
    switches its rule off and is unknown here. Leveraged tokens count as
    trading: they are, for accounts that have signed for them. The list holds
    no fees.

    Raises:
        DataError: an error answer, or an entry that is not as above.

    Source: https://developers.binance.com/docs/binance-spot-api-docs/filters
    """
    if not isinstance(document, dict) or "symbols" not in document:
        raise not_a_list(document, "Binance's exchangeInfo", source)
    return [_market(entry) for entry in entries(document["symbols"], "symbol", source)]


def _market(entry: Entry) -> Market:
    base, quote = entry.currency("baseAsset"), entry.currency("quoteAsset")
    filters = _filters(entry)
    price, lot = _required(entry, filters, "PRICE_FILTER"), _required(entry, filters, "LOT_SIZE")
    notional = filters.get("NOTIONAL") or filters.get("MIN_NOTIONAL")
    return Market(
        venue=VENUE,
        symbol=f"{base}-{quote}",
        base=base,
        quote=quote,
        venue_symbol=entry.name,
        base_increment=lot.number("stepSize") or None,
        quote_increment=entry.decimals("quoteAssetPrecision"),
        price_increment=price.number("tickSize") or None,
        base_min_size=lot.number("minQty"),
        base_max_size=lot.number("maxQty"),
        min_funds=notional.number("minNotional") if notional else None,
        fee_side=FeeSide.RECEIVED,
        status=Status.TRADING if entry.text("status") == "TRADING" else Status.HALTED,
    )


def _filters(entry: Entry) -> dict[str, Entry]:
    listed = entry.fields.get("filters")
    if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
        raise entry.error("has no list of filters")
    return {
        str(one.get("filterType")): entry.within(one, str(one.get("filterType"))) for one in listed
    }


def _required(entry: Entry, filters: dict[str, Entry], kind: str) -> Entry:
    if kind not in filters:
        raise entry.error(f"has no filter {kind}")
    return filters[kind]
