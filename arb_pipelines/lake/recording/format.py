"""The lines of a recording: header, symbol list, book states, gaps.

Encoding of lines and decoding of the rare ones (header, symbol list, gap). Book
states are decoded in bulk by ``parse.py``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import orjson

FORMAT = "arb-recording"
VERSION = 1

#: Price (quote per base) and size (base), best level first.
Side = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Header:
    """What a recording says about itself: the venue, and each symbol's base and quote.

    Sample line: ``{"format":"arb-recording","version":1,"venue":"demo",
    "symbols":{"BTC-USDT":["BTC","USDT"]}}``
    """

    venue: str
    symbols: Mapping[str, tuple[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SymbolList:
    """A venue's symbol list carried in a recording, as its native JSON.

    ``shape`` names the venue whose JSON it is ('kucoin'), which for a generated
    or a renamed venue is not the header's.
    """

    shape: str
    document: object


@dataclass(frozen=True, slots=True)
class BookState:
    """One state of one book. Times are ns since the epoch, UTC; sides are best level first."""

    symbol: str
    ts_recv: int
    bids: Side
    asks: Side
    ts_event: int | None = None
    update_id: int | None = None


@dataclass(frozen=True, slots=True)
class BookGap:
    """From ``ts_recv`` (ns) on nobody knows a book, until its next state.

    ``update_id`` is the number of its last state, where the venue numbers them.
    """

    symbol: str
    ts_recv: int
    update_id: int | None = None


def encode_header(header: Header) -> bytes:
    """Write a header line."""
    document = {
        "format": FORMAT,
        "version": VERSION,
        "venue": header.venue,
        "symbols": header.symbols,
    }
    return orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE)


def encode_symbol_list(symbols: SymbolList) -> bytes:
    """Write a symbol-list line."""
    document = {"symbol_list": symbols.shape, "document": symbols.document}
    return orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE)


def encode_state(state: BookState) -> bytes:
    """Write a book line in the key order that readers parse fastest.

    Sample line: ``{"s":"BTC-USDT","e":1767571200012000000,"t":1767571200013104211,
    "u":8,"b":[[60000.1,0.25],[60000.0,1.5]],"a":[[60000.2,0.1]]}``
    """
    document = {
        "s": state.symbol,
        "e": state.ts_event,
        "t": state.ts_recv,
        "u": state.update_id,
        "b": state.bids,
        "a": state.asks,
    }
    return orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE)


def encode_gap(gap: BookGap) -> bytes:
    """Write a gap line.

    Sample line: ``{"gap":"BTC-USDT","t":1767571200014220875,"u":8}``
    """
    document = {"gap": gap.symbol, "t": gap.ts_recv, "u": gap.update_id}
    return orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE)


def decode_header(document: object) -> Header | None:
    """Read a parsed header line; None when it is not one.

    Raises:
        ValueError: it is a header, but not one this version can read.
    """
    if not isinstance(document, dict) or "format" not in document:
        return None
    if document["format"] != FORMAT:
        raise ValueError(f"the header names format {document['format']!r}, not {FORMAT!r}")
    if document.get("version") != VERSION:
        raise ValueError(
            f"version {document.get('version')!r} of the format is unknown; "
            f"this program reads version {VERSION}"
        )
    venue, symbols = document.get("venue"), document.get("symbols")
    if not isinstance(venue, str) or not venue or not isinstance(symbols, dict):
        raise ValueError("the header lacks a venue or a symbol map")
    for name, pair in symbols.items():
        if not (
            isinstance(pair, list) and len(pair) == 2 and all(isinstance(x, str) for x in pair)
        ):
            raise ValueError(f"the header's symbol {name!r} is not a pair of base and quote")
    return Header(venue, {name: (pair[0], pair[1]) for name, pair in symbols.items()})


def decode_symbol_list(document: object) -> SymbolList | None:
    """Read a parsed symbol-list line; None when it is not one."""
    if not isinstance(document, dict) or not isinstance(document.get("symbol_list"), str):
        return None
    return SymbolList(document["symbol_list"], document.get("document"))
