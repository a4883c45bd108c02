"""An exchange's markets as ccxt tells them: as a document to keep, and as ``Market``s.

The document is ours, since every exchange's own differs and ccxt has read it already; its
numbers are text, exact. It is what a recording made through ccxt carries.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from arb_pipelines.errors import DataError
from arb_pipelines.market.symbols import FeeSide, Market, Status
from arb_pipelines.venues.ccxt_any.numbers import exact
from arb_pipelines.venues.entries import Entry, entries, not_a_list

_DECIMAL_PLACES, _SIGNIFICANT_DIGITS, _TICK_SIZE = 2, 3, 4
_MODES = {_DECIMAL_PLACES: "decimal_places", _SIGNIFICANT_DIGITS: "significant_digits"}
_STEP = "tick_size"
#: Where an exchange tells the increment of funds and ccxt's precision does not.
_FUNDS_STEP = {"kucoin": "quoteIncrement"}
#: Where ccxt's markets do not say in which currency a fee is taken, and we know.
_FEE_SIDES = {"kucoin": "quote"}
_BPS = 10_000


def describe(client: Any) -> dict[str, object]:
    """Put the spot markets that a client has loaded into a document."""
    markets = [
        _described(client.id, market)
        for _, market in sorted(client.markets.items())
        if market.get("spot") and market.get("base") and market.get("quote")
    ]
    return {
        "exchange": client.id,
        "precision_mode": _MODES.get(client.precisionMode, _STEP),
        "markets": markets,
    }


def _described(exchange: str, market: Mapping[str, Any]) -> dict[str, object]:
    precision, limits = market["precision"], market["limits"]
    funds_step = precision.get("cost") or precision.get("quote")
    if funds_step is None and exchange in _FUNDS_STEP:
        funds_step = market["info"].get(_FUNDS_STEP[exchange])
    return {
        "symbol": market["symbol"],
        "id": market["id"],
        "base": market["base"],
        "quote": market["quote"],
        "active": market.get("active") is not False,
        "base_step": _text(precision.get("amount")),
        "price_step": _text(precision.get("price")),
        "funds_step": _text(funds_step),
        "min_size": _text((limits.get("amount") or {}).get("min")),
        "max_size": _text((limits.get("amount") or {}).get("max")),
        "min_funds": _text((limits.get("cost") or {}).get("min")),
        "taker": _fee(market.get("taker")),
        "maker": _fee(market.get("maker")),
        "fee_side": market.get("feeSide") or _FEE_SIDES.get(exchange, "get"),
    }


def parse_symbols(document: object, source: str) -> list[Market]:
    """Read a document of ``describe``.

    An entry::

        {"symbol": "BTC/USDT", "id": "BTC-USDT", "base": "BTC", "quote": "USDT",
         "active": true, "base_step": "0.00000001", "price_step": "0.1",
         "funds_step": "0.000001", "min_size": "0.00001", "max_size": "10000000000",
         "min_funds": "0.1", "taker": "0.001", "maker": "0.001", "fee_side": "quote"}

    Steps are increments, numbers of decimals or significant digits, as ``precision_mode``
    says; significant digits are no increment, so those are unknown. A negative maker fee
    (a rebate) is 0. A market whose fee is taken in neither the quote nor what is received
    is left out, as is the second of two with the same currencies.

    Raises:
        DataError: it is no such document, or an entry is not as above.
    """
    if not isinstance(document, dict) or "precision_mode" not in document:
        raise not_a_list(document, "a list of ccxt's markets", source)
    venue, mode = str(document["exchange"]), str(document["precision_mode"])
    if mode not in (_STEP, *_MODES.values()):
        raise DataError(f"precision_mode {mode!r} is unknown", source=source)
    found: dict[str, Market] = {}
    for entry in entries(document.get("markets"), "symbol", source):
        if entry.text("fee_side") in ("quote", "get"):
            market = _market(entry, venue, mode)
            found.setdefault(market.symbol, market)
    return list(found.values())


def _market(entry: Entry, venue: str, mode: str) -> Market:
    base, quote = entry.currency("base"), entry.currency("quote")
    return Market(
        venue=venue,
        symbol=f"{base}-{quote}",
        base=base,
        quote=quote,
        venue_symbol=entry.text("id"),
        base_increment=_step(entry, "base_step", mode),
        quote_increment=_step(entry, "funds_step", mode),
        price_increment=_step(entry, "price_step", mode),
        base_min_size=entry.optional("min_size"),
        base_max_size=entry.optional("max_size"),
        min_funds=entry.optional("min_funds"),
        taker_fee_bps=_bps(entry.optional("taker")),
        maker_fee_bps=_bps(entry.optional("maker")),
        fee_side=FeeSide.QUOTE if entry.text("fee_side") == "quote" else FeeSide.RECEIVED,
        status=Status.TRADING if entry.flag("active") else Status.HALTED,
    )


def _step(entry: Entry, field: str, mode: str) -> Decimal | None:
    value = entry.optional(field)
    if value is None or mode == _MODES[_SIGNIFICANT_DIGITS]:
        return None
    if mode == _MODES[_DECIMAL_PLACES]:
        return Decimal(10) ** -int(value)
    return value or None


def _bps(fraction: Decimal | None) -> float | None:
    return None if fraction is None else float(fraction * _BPS)


def _text(value: Any) -> str | None:
    """A number of ccxt as exact text."""
    return None if value is None or value == "" else f"{exact(value):f}"


def _fee(value: Any) -> str | None:
    """A fee as exact text; one below zero, a rebate, as 0."""
    return None if value is None else f"{max(exact(value), Decimal(0)):f}"
