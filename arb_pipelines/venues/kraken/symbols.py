"""Kraken's symbol list."""

from __future__ import annotations

from arb_pipelines.errors import DataError
from arb_pipelines.market.symbols import FeeSide, Market, Status
from arb_pipelines.venues.entries import Entry, not_a_list

VENUE = "kraken"
_DARK = ".d"


def parse_symbols(document: object, source: str) -> list[Market]:
    """Read the answer of ``/0/public/AssetPairs``.

    An entry of its ``result``, less what is not used here::

        "XXBTZUSD": {"altname": "XBTUSD", "wsname": "XBT/USD", "base": "XXBT", "quote": "ZUSD",
         "pair_decimals": 1, "lot_decimals": 8, "fees": [[0, 0.26], [50000, 0.24]],
         "fees_maker": [[0, 0.16], [50000, 0.14]], "ordermin": "0.0002"}

    Today's lists add ``cost_decimals``, ``costmin``, ``tick_size`` and
    ``status``. Fees are in percent, by 30-day volume; the first step counts.

    Currencies are named as in ``wsname``, which is also the venue symbol, since
    books are published under it. A dark pool (``ETHXBT.d``) has no ``wsname``
    and no public book: it stays in the list as ``ETH-XBT.d``, halted, named
    after the lit pair of the same currencies.

    Raises:
        DataError: an error answer, or an entry that is not as above.

    Source: https://docs.kraken.com/api/docs/rest-api/get-tradable-asset-pairs
    """
    result = document.get("result") if isinstance(document, dict) else None
    if not isinstance(document, dict) or document.get("error") or not isinstance(result, dict):
        raise not_a_list(document, "Kraken's AssetPairs", source)
    pairs = []
    for row, (name, fields) in enumerate(result.items()):
        if not isinstance(fields, dict):
            raise DataError(f"{name}: is not an object", source=source, row=row)
        pairs.append(Entry(fields, name, row, source))
    names = _public_names(pairs)
    return [_market(pair, names) for pair in pairs]


def _public_names(pairs: list[Entry]) -> dict[str, str]:
    """Public name of a currency by its internal one: ``{"XXBT": "XBT", …}``."""
    names: dict[str, str] = {}
    for pair in pairs:
        if "wsname" in pair.fields:
            base, quote = _split(pair)
            names[pair.text("base")], names[pair.text("quote")] = base, quote
    return names


def _split(pair: Entry) -> tuple[str, str]:
    base, _, quote = pair.text("wsname").partition("/")
    return pair.checked_currency("wsname", base), pair.checked_currency("wsname", quote)


def _market(pair: Entry, names: dict[str, str]) -> Market:
    lit = "wsname" in pair.fields
    if lit:
        base, quote = _split(pair)
    else:
        base, quote = (names.get(pair.text(end), pair.currency(end)) for end in ("base", "quote"))
    online = lit and pair.fields.get("status", "online") == "online"
    cost_decimals = pair.fields.get("cost_decimals")
    return Market(
        venue=VENUE,
        symbol=f"{base}-{quote}" if lit else f"{base}-{quote}{_DARK}",
        base=base,
        quote=quote,
        venue_symbol=pair.text("wsname" if lit else "altname"),
        base_increment=pair.decimals("lot_decimals"),
        quote_increment=None if cost_decimals is None else pair.decimals("cost_decimals"),
        price_increment=pair.optional("tick_size") or pair.decimals("pair_decimals"),
        base_min_size=pair.optional("ordermin"),
        min_funds=pair.optional("costmin"),
        taker_fee_bps=_first_fee_bps(pair, "fees"),
        maker_fee_bps=_first_fee_bps(pair, "fees_maker"),
        fee_side=FeeSide.RECEIVED,
        status=Status.TRADING if online else Status.HALTED,
    )


def _first_fee_bps(pair: Entry, field: str) -> float | None:
    schedule = pair.fields.get(field)
    if schedule is None:
        return None
    match schedule:
        case [[_, percent], *_]:
            return float(pair.checked_number(field, percent) * 100)
        case _:
            raise pair.error(f"{field} is {schedule!r:.60}, not a schedule of fees")
