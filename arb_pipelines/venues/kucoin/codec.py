"""KuCoin's messages as msgspec structs: the streams' frame, and books with levels as floats.

Every parser quotes one message. What is missing, of the wrong type, negative, infinite or
not a number is ``ProtocolViolation``, told with what was being read, and changes nothing.
Orders and balances, which are exact, are in ``codec_orders``; what messages do belongs to
``books``.

Source: https://www.kucoin.com/docs-new, and the OpenAPI files of kucoin-universal-sdk.
"""

from __future__ import annotations

from typing import Annotated, Generic, TypeVar

import msgspec

from arb_pipelines.errors import ProtocolViolation
from arb_pipelines.market.book import Delta, Level, Snapshot

T = TypeVar("T")
#: A price or size of a book: no NaN, nothing negative, nothing that overflows.
Size = Annotated[float, msgspec.Meta(ge=0, le=1e30)]
PriceSize = tuple[Size, Size]
PriceSizeNumber = tuple[Size, Size, int]


class Reader(Generic[T]):
    """Decodes one kind of message; numbers may come as text."""

    __slots__ = ("_decoder", "_what")

    def __init__(self, kind: type[T], what: str) -> None:
        self._decoder = msgspec.json.Decoder(kind, strict=False)
        self._what = what

    def read(self, raw: msgspec.Raw | bytes | str) -> T:
        """Decode ``raw``.

        Raises:
            ProtocolViolation: it is not such a message.
        """
        try:
            return self._decoder.decode(raw)
        except msgspec.DecodeError as error:
            raise ProtocolViolation(f"{self._what} that cannot be read: {error}") from None


# -- The stream's frame ------------------------------------------------------------------


class Frame(msgspec.Struct):
    """What every message of a stream has around it.

    ``{"id":"7","type":"ack"}``, ``{"id":"x","type":"welcome"}``, ``{"id":"9","type":"pong"}``,
    ``{"id":"7","type":"error","code":404,"data":"topic /market/nothing is not found"}`` or
    ``{"type":"message","topic":"/market/level2:BTC-USDT","subject":"trade.l2update","data":{}}``
    """

    type: str
    id: str = ""
    topic: str = ""
    subject: str = ""
    code: int = 0
    data: msgspec.Raw = msgspec.Raw(b"null")


class InstanceServer(msgspec.Struct, rename="camel"):
    """``{"endpoint":"wss://…/endpoint","encrypt":true,"protocol":"websocket","pingInterval":18000,
    "pingTimeout":10000}``: ping every so many ms, and hear back within so many.
    """

    endpoint: str
    ping_interval: Annotated[int, msgspec.Meta(gt=0)]
    ping_timeout: Annotated[int, msgspec.Meta(gt=0)]


class Bullet(msgspec.Struct, rename="camel"):
    """``{"token":"2neA…","instanceServers":[{"endpoint":"wss://…/endpoint","encrypt":true,
    "protocol":"websocket","pingInterval":18000,"pingTimeout":10000}]}``
    """

    token: str
    instance_servers: Annotated[list[InstanceServer], msgspec.Meta(min_length=1)]


# -- Books -------------------------------------------------------------------------------


class _Changes(msgspec.Struct):
    asks: list[PriceSizeNumber]
    bids: list[PriceSizeNumber]


class Level2Update(msgspec.Struct, rename="camel"):
    """``{"symbol":"BTC-USDT","sequenceStart":14103844,"sequenceEnd":14103847,"time":1663747970273,
    "changes":{"asks":[["18906","0.00331","14103845"]],"bids":[["18891.9","0.15688","14103847"]]}}``
    """

    symbol: str
    sequence_start: int
    sequence_end: int
    changes: _Changes
    time: int | None = None

    def delta(self) -> Delta:
        """The change as the book takes it, in order of sequence: the last of a price counts."""
        changes = self.changes
        return Delta(
            self.sequence_start, self.sequence_end, _ordered(changes.bids), _ordered(changes.asks)
        )


def _ordered(changes: list[PriceSizeNumber]) -> list[Level]:
    if len(changes) > 1:
        changes.sort(key=lambda change: change[2])
    return [(price, size) for price, size, _ in changes]


class FullBook(msgspec.Struct):
    """``{"time":1550653727731,"sequence":"3262786978","bids":[["6500.12","0.4505414"]],
    "asks":[["6500.16","0.57753524"]]}``
    """

    sequence: int
    bids: list[PriceSize]
    asks: list[PriceSize]
    time: int | None = None

    def snapshot(self) -> Snapshot:
        """The book as ``market.book`` takes it."""
        return Snapshot(self.sequence, self.bids, self.asks)


class DepthBook(msgspec.Struct):
    """``{"asks":[["9989","8"],["9990","32"]],"bids":[["9988","56"]],"timestamp":1586948108193}``"""

    asks: list[PriceSize]
    bids: list[PriceSize]
    timestamp: int | None = None


class BestOffer(msgspec.Struct):
    """``{"asks":["9989","8"],"bids":["9984","10"],"timestamp":1586948108193}``; [] is no offer."""

    asks: list[Size]
    bids: list[Size]
    timestamp: int | None = None

    def sides(self) -> tuple[list[PriceSize], list[PriceSize]]:
        """Bids and asks as lists of at most one level."""
        return _best(self.bids), _best(self.asks)


def _best(offer: list[float]) -> list[PriceSize]:
    return [(offer[0], offer[1])] if len(offer) >= 2 else []


class Ticker(msgspec.Struct):
    """``{"symbol":"BTC-USDT","buy":"67523","sell":"67523.1","last":"67524.3"}``; ``buy`` is the
    best bid, ``sell`` the best ask, null where nobody offers.
    """

    symbol: str
    buy: Size | None = None
    sell: Size | None = None


class AllTickers(msgspec.Struct):
    """``{"time":1729173207043,"ticker":[{"symbol":"BTC-USDT","buy":"67523","sell":"67523.1"}]}``"""

    ticker: list[Ticker]
