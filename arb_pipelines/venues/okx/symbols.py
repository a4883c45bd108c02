"""OKX's symbol list."""

from __future__ import annotations

from arb_pipelines.market.symbols import FeeSide, Market, Status
from arb_pipelines.venues.entries import Entry, entries, not_a_list

VENUE = "okx"


def parse_symbols(document: object, source: str) -> list[Market]:
    """Read the answer of ``/api/v5/public/instruments?instType=SPOT``.

    An entry, less what is not used here::

        {"instId": "BTC-USDT", "instType": "SPOT", "baseCcy": "BTC", "quoteCcy": "USDT",
         "tickSz": "0.1", "lotSz": "0.00000001", "minSz": "0.00001",
         "maxLmtSz": "9999999999", "state": "live"}

    The list holds no fees, no smallest funds and no step of funds.

    Raises:
        DataError: an error answer, or an entry that is not as above.

    Source: https://www.okx.com/docs-v5/en/#public-data-rest-api-get-instruments
    """
    if not isinstance(document, dict) or document.get("code") != "0":
        raise not_a_list(document, "OKX's list of instruments", source)
    return [_market(entry) for entry in entries(document.get("data"), "instId", source)]


def _market(entry: Entry) -> Market:
    kind = entry.text("instType")
    if kind != "SPOT":
        raise entry.error(f"is {kind}, not SPOT; ask for instType=SPOT")
    base, quote = entry.currency("baseCcy"), entry.currency("quoteCcy")
    return Market(
        venue=VENUE,
        symbol=f"{base}-{quote}",
        base=base,
        quote=quote,
        venue_symbol=entry.name,
        base_increment=entry.step("lotSz"),
        price_increment=entry.step("tickSz"),
        base_min_size=entry.number("minSz"),
        base_max_size=entry.optional("maxLmtSz"),
        fee_side=FeeSide.RECEIVED,
        status=Status.TRADING if entry.text("state") == "live" else Status.HALTED,
    )
