"""Level-2 messages and snapshots of venues that number their updates, read into ``market.book``.

Each parser quotes one message. They raise what the parsing raises (``MALFORMED``)
and change nothing; what to do about it is the reader's decision.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

import orjson

from arb_pipelines.clock import NS_PER_MS
from arb_pipelines.market.book import Delta, Level, Snapshot

#: What reading a message that is not of the expected form raises.
MALFORMED = (ValueError, KeyError, TypeError, IndexError, AttributeError)


@dataclass(frozen=True, slots=True)
class Update:
    """One level-2 message of a venue that numbers its updates."""

    symbol: str
    ts_event: int | None
    delta: Delta


@dataclass(frozen=True, slots=True)
class Request:
    """One recorded REST answer: when it came, from where, and its body."""

    ts_recv: int
    url: str
    body: bytes


def levels(raw: Iterable[Sequence[str]]) -> list[Level]:
    """Read ``[price, size, …]`` texts.

    Raises:
        ValueError: a number is missing, negative, infinite or NaN.
    """
    read = []
    for entry in raw:
        price, size = float(entry[0]), float(entry[1])
        if not (0 <= price < math.inf and 0 <= size < math.inf):
            raise ValueError(f"price {entry[0]}, size {entry[1]}")
        read.append((price, size))
    return read


# -- KuCoin ------------------------------------------------------------------------------


def kucoin_update(message: bytes) -> Update | None:
    """Read a level-2 increment; ``None`` for any other message.

    ``{"type":"message","topic":"/market/level2:BTC-USDT","subject":"trade.l2update","data":
    {"symbol":"BTC-USDT","sequenceStart":7,"sequenceEnd":8,"time":1700000000000,"changes":
    {"asks":[["64000.1","0.25","8"]],"bids":[["0","0","7"]]}}}``; ``time`` (ms) came later
    than the recordings of 2021.

    Source: https://www.kucoin.com/docs-new/3470221w0
    """
    document = orjson.loads(message)
    if document.get("subject") != "trade.l2update":
        return None
    data = document["data"]
    changes, time_ms = data["changes"], data.get("time")
    delta = Delta(
        int(data["sequenceStart"]),
        int(data["sequenceEnd"]),
        levels(changes["bids"]),
        levels(changes["asks"]),
    )
    return Update(data["symbol"], None if time_ms is None else int(time_ms) * NS_PER_MS, delta)


def kucoin_snapshot(request: Request) -> tuple[str, Snapshot] | None:
    """Read ``GET /api/v3/market/orderbook/level2?symbol=…``; ``None`` for any other answer.

    ``{"code":"200000","data":{"time":1619378326628,"sequence":"1613277183892",
    "bids":[["242.649","5"]],"asks":[["242.951","4.5"]]}}``
    """
    if "/orderbook/level2" not in request.url:
        return None
    data = orjson.loads(request.body).get("data")
    if not data or "sequence" not in data:
        return None  # the venue refused: its message has a code and no book
    snapshot = Snapshot(int(data["sequence"]), levels(data["bids"]), levels(data["asks"]))
    return _query(request.url, "symbol"), snapshot


# -- Binance -----------------------------------------------------------------------------


def binance_update(message: bytes) -> Update | None:
    """Read a diff-depth event, bare or inside a combined stream; ``None`` for any other.

    ``{"stream":"nknusdt@depth@100ms","data":{"e":"depthUpdate","E":1633998512068,
    "s":"NKNUSDT","U":499869750,"u":499869752,"b":[["0.3513","6195"]],"a":[]}}``

    Source: https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams
    """
    document = orjson.loads(message)
    data = document.get("data", document)
    if not isinstance(data, dict) or data.get("e") != "depthUpdate":
        return None
    delta = Delta(int(data["U"]), int(data["u"]), levels(data["b"]), levels(data["a"]))
    return Update(data["s"], int(data["E"]) * NS_PER_MS, delta)


def binance_snapshot(request: Request) -> tuple[str, Snapshot] | None:
    """Read ``GET /api/v3/depth?symbol=…``; ``None`` for any other answer.

    ``{"lastUpdateId":499869752,"bids":[["0.3521","672"]],"asks":[["0.3526","3199"]]}``
    """
    if "/depth?" not in request.url:
        return None
    data = orjson.loads(request.body)
    if "lastUpdateId" not in data:
        return None
    snapshot = Snapshot(int(data["lastUpdateId"]), levels(data["bids"]), levels(data["asks"]))
    return _query(request.url, "symbol"), snapshot


def _query(url: str, name: str) -> str:
    return parse_qs(urlsplit(url).query)[name][0]
