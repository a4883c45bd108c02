"""The contract of a signal from outside: one JSON object a line, and what is wrong with others.

What a line may say is here, checked as far as the line alone can tell; whether it agrees
with a session's markets and time belongs in ``checks``. ``docs/signals.md`` tells
it to other programs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Annotated, Literal

import msgspec

from arb_pipelines.errors import DataError

#: A session's id of a signal comes back in every answer, so it is bounded.
CorrelationId = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
#: Price (quote per base) and size (base).
Level = tuple[Decimal, Decimal]
#: Amounts beyond these make no order, and would make exact arithmetic slow.
_LARGEST, _FINEST = Decimal(10) ** 30, -30


class WireLeg(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One leg, on the terms that its sender believes in.

    ``order_param`` is what the leg's order carries: ``funds`` (quote) for a buy, ``size``
    (base) for a sell. An increment or minimum of 0 does not bind; ``fee_rate`` is the
    taker's, a fraction; ``fee_currency`` the one it is taken in.
    """

    pair: str
    side: Literal["buy", "sell"]
    order_param: Literal["funds", "size"]
    base_min_size: Decimal
    base_increment: Decimal
    quote_increment: Decimal
    fee_rate: Decimal
    fee_currency: str


class WireBook(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A leg's book, best level first; one level a side is a top of book."""

    bids: list[Level]
    asks: list[Level]


class WireSignal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A cycle that somebody would trade; times are ms since the epoch, UTC.

    ``triangle_key`` and ``books`` are by leg. ``starting_volume`` is the most it may use, in
    ``primary_quote``, the currency it begins and ends with. ``book_ts_ms`` is the venue's
    time of the books. The sender's own times: its socket got the book that mattered
    (``t_sock_arrive_ms``), it was taken up (``t_arrive_ms``), judged (``t_eval_ms``), and the
    signal left (``ts_ms``). ``live`` repeats what the session is, so that none is mistaken.
    """

    correlation_id: CorrelationId
    triangle_key: list[str]
    legs: Annotated[list[WireLeg], msgspec.Meta(min_length=3, max_length=5)]
    books: list[WireBook]
    starting_volume: Decimal
    predicted_bps: Decimal
    primary_quote: str
    live: bool
    book_ts_ms: Decimal
    t_sock_arrive_ms: Decimal
    t_arrive_ms: Decimal
    t_eval_ms: Decimal
    ts_ms: Decimal

    @property
    def oldest_ms(self) -> Decimal:
        """The earliest of the sender's own times: a signal is as old as what it was made of."""
        return min(self.ts_ms, self.t_eval_ms, self.t_arrive_ms, self.t_sock_arrive_ms)


class SignalAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a session says to a signal, at once.

    ``execution`` is its number if it was accepted. Else ``reason`` is the word it is counted
    under, and ``detail`` says what, where, and what to do.
    """

    correlation_id: str | None
    accepted: bool
    execution: int | None = None
    reason: str | None = None
    detail: str | None = None


_DECODER = msgspec.json.Decoder(WireSignal)
_ENCODER = msgspec.json.Encoder()

_TIME = "give ms since the epoch, UTC"
_AMOUNT = 'give it as text, such as "0.001"'
#: What would do, by field.
_REMEDIES = {
    "correlation_id": "give 1 to 128 characters of your own that no other signal has",
    "triangle_key": 'list the pairs in the order of the legs: ["BTC-USDT", …]',
    "legs": "list 3 to 5 legs in the order in which they are traded",
    "books": 'list one {"bids": [["price", "size"], …], "asks": […]} a leg, best first',
    "bids": 'list levels as ["price", "size"], best first',
    "asks": 'list levels as ["price", "size"], best first',
    "pair": "name base and quote: BTC-USDT",
    "side": "give buy or sell",
    "order_param": "give funds for a buy, size for a sell",
    "fee_currency": "name the currency the fee is taken in",
    "primary_quote": "name the currency the cycle begins and ends with",
    "live": "give true or false: whether the session trades live",
    "starting_volume": _AMOUNT,
    "predicted_bps": "give the net edge in basis points",
    "base_min_size": _AMOUNT,
    "base_increment": _AMOUNT,
    "quote_increment": _AMOUNT,
    "fee_rate": 'give the taker fee as a fraction, such as "0.001"',
    "book_ts_ms": _TIME,
    "t_sock_arrive_ms": _TIME,
    "t_arrive_ms": _TIME,
    "t_eval_ms": _TIME,
    "ts_ms": _TIME,
}
_PLACE = re.compile(r" - at `\$\.?(?P<place>.*)`$")
_FIELD = re.compile(r"(?P<what>unknown|missing required) field `(?P<name>.*)`")


def decode_signal(line: bytes) -> WireSignal:
    """Read a signal; amounts become ``Decimal`` from the text of the JSON.

    Raises:
        DataError: it is no signal. ``source`` is the field, the reason ends with what to do.
    """
    try:
        signal = _DECODER.decode(line)
    except msgspec.ValidationError as error:
        raise _mistake(str(error)) from None
    except (ValueError, RecursionError) as error:  # DecodeError, or text that is not UTF-8
        raise DataError(f"this is not a line of JSON: {error}; send one object a line") from None
    for where, amount, least in _amounts(signal):
        if not (amount.is_finite() and abs(amount) <= _LARGEST and _exponent(amount) >= _FINEST):
            raise DataError(f"{amount} is out of range; {_remedy(where)}", source=where)
        if least is not None and amount < least:
            raise DataError(f"{amount:f} is below {least}; {_remedy(where)}", source=where)
    return signal


def encode_signal(signal: WireSignal) -> bytes:
    """Write a signal as its line, without the newline; amounts as text."""
    return _ENCODER.encode(signal)


def _amounts(signal: WireSignal) -> Iterator[tuple[str, Decimal, int | None]]:
    """Name every amount that is not a book's, with the least it may be."""
    for k, leg in enumerate(signal.legs):
        yield f"legs[{k}].base_min_size", leg.base_min_size, 0
        yield f"legs[{k}].base_increment", leg.base_increment, 0
        yield f"legs[{k}].quote_increment", leg.quote_increment, 0
        yield f"legs[{k}].fee_rate", leg.fee_rate, 0
    yield "starting_volume", signal.starting_volume, 0
    yield "predicted_bps", signal.predicted_bps, None
    yield "book_ts_ms", signal.book_ts_ms, 0
    yield "t_sock_arrive_ms", signal.t_sock_arrive_ms, 0
    yield "t_arrive_ms", signal.t_arrive_ms, 0
    yield "t_eval_ms", signal.t_eval_ms, 0
    yield "ts_ms", signal.ts_ms, 0


def _exponent(amount: Decimal) -> int:
    exponent = amount.as_tuple().exponent
    assert isinstance(exponent, int), "a finite number has one"
    return exponent


def _mistake(message: str) -> DataError:
    """Put msgspec's words (``Expected `str`, got `int` - at `$.legs[1].side```) into ours."""
    found = _PLACE.search(message)
    where = found["place"] if found else ""
    what = message[: found.start()] if found else message
    if (field := _FIELD.search(what)) is not None:
        where = f"{where}.{field['name']}" if where else field["name"]
        if field["what"] == "unknown":
            return DataError(
                "unknown field; leave it out, the contract is docs/signals.md", source=where
            )
        return DataError(f"missing; {_remedy(where)}", source=where)
    what = what.replace("`", "")
    return DataError(f"{what[:1].lower()}{what[1:]}; {_remedy(where)}", source=where or None)


def _remedy(where: str) -> str:
    name = re.sub(r"\[[^]]*\]", "", where).rpartition(".")[2]
    return _REMEDIES.get(name, "send one object a line, see docs/signals.md")
