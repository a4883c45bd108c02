"""Lines of a recording one at a time, as JSON: strict in meaning, free in layout.

What the kernel of ``parse.py`` leaves alone comes here: headers, symbol lists,
gaps, states laid out by other programs, and lines that are none of these.
"""

from __future__ import annotations

from typing import TypeGuard

import orjson

from arb_pipelines.lake.recording.format import (
    BookGap,
    BookState,
    Header,
    Side,
    SymbolList,
    decode_header,
    decode_symbol_list,
)

_INT64 = range(-(1 << 63), 1 << 63)
_KEYS = {"s", "e", "t", "u", "b", "a"}
_GAP_KEYS = {"gap", "t", "u"}


def read_line(line: bytes) -> BookState | BookGap | Header | SymbolList | None:
    """Read one line without its newline; None when it is no line of a recording.

    Raises:
        ValueError: a header that this version cannot read.
    """
    try:
        document = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return (
        _state(document)
        or _gap(document)
        or decode_header(document)
        or decode_symbol_list(document)
    )


def _state(document: object) -> BookState | None:
    if not isinstance(document, dict) or not document.keys() <= _KEYS:
        return None
    symbol, ts_recv = document.get("s"), document.get("t")
    ts_event, update_id = document.get("e"), document.get("u")
    bids, asks = _side(document.get("b")), _side(document.get("a"))
    if not isinstance(symbol, str) or not symbol or bids is None or asks is None:
        return None
    if not _is_int64(ts_recv):
        return None
    if not (_is_optional_int64(ts_event) and _is_optional_int64(update_id)):
        return None
    return BookState(symbol, ts_recv, bids, asks, ts_event, update_id)


def _gap(document: object) -> BookGap | None:
    if not isinstance(document, dict) or not document.keys() <= _GAP_KEYS:
        return None
    symbol, ts_recv, update_id = document.get("gap"), document.get("t"), document.get("u")
    if not isinstance(symbol, str) or not symbol or not _is_int64(ts_recv):
        return None
    if not _is_optional_int64(update_id) or update_id == _INT64[-1]:  # which no number follows
        return None
    return BookGap(symbol, ts_recv, update_id)


def _is_int64(value: object) -> TypeGuard[int]:
    return type(value) is int and value in _INT64


def _is_optional_int64(value: object) -> TypeGuard[int | None]:
    return value is None or _is_int64(value)


def _side(levels: object) -> Side | None:
    if not isinstance(levels, list):
        return None
    side = []
    for level in levels:
        if not isinstance(level, list) or len(level) != 2:
            return None
        if not all(type(number) in (int, float) for number in level):
            return None
        side.append((float(level[0]), float(level[1])))
    return side
