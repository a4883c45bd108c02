"""KuCoin's messages, read: what the parsers quote, and what they refuse."""

from __future__ import annotations

import re

import msgspec
import pytest

from arb_pipelines.errors import ProtocolViolation
from arb_pipelines.venues.kucoin import codec, codec_orders
from arb_pipelines.venues.kucoin.codec import FullBook, Level2Update, Reader
from arb_pipelines.venues.kucoin.codec_orders import OrderChange
from arb_pipelines.venues.kucoin.orders_followed import events_of

UPDATE = (
    '{"symbol":"A-B","sequenceStart":7,"sequenceEnd":9,"time":1,"changes":'
    '{"asks":[["2","1","9"],["2","5","8"],["0","0","7"]],"bids":[]}}'
)


def test_changes_are_taken_in_order_of_their_numbers():
    """The later change of a price counts, wherever it stands in the message."""
    delta = Reader(Level2Update, "an update").read(UPDATE).delta()
    assert (delta.first, delta.last) == (7, 9)
    assert delta.asks == [(0.0, 0.0), (2.0, 5.0), (2.0, 1.0)]


@pytest.mark.parametrize("module", [codec, codec_orders])
def test_every_struct_reads_what_its_docstring_quotes(module):
    """The sample messages are messages."""
    quoted = 0
    for name, kind in vars(module).items():
        if not (isinstance(kind, type) and issubclass(kind, msgspec.Struct)) or name[0] == "_":
            continue
        if kind.__module__ != module.__name__:
            continue
        samples = re.findall(r"``(\{.*?\})``", kind.__doc__ or "", re.DOTALL)
        assert samples, name
        for sample in samples:
            if "…}" not in sample:
                Reader(kind, name).read(re.sub(r"\n\s*", "", sample))
                quoted += 1
    assert quoted >= 6


@pytest.mark.parametrize("number", ['"nan"', '"-1"', '"inf"', '"1e400"', "null", '"x"', '""'])
def test_a_level_that_is_no_number_is_a_violation(number):
    """Nothing of a broken book is taken."""
    text = f'{{"sequence":"1","bids":[["1",{number}]],"asks":[]}}'
    with pytest.raises(ProtocolViolation, match="a book that cannot be read"):
        Reader(FullBook, "a book").read(text)


@pytest.mark.parametrize("field", ["matchPrice", "matchSize"])
@pytest.mark.parametrize("number", ['"NaN"', '"Infinity"', '"-1"', "null"])
def test_an_execution_without_amount_is_a_violation(field, number):
    """A fill that cannot be booked is told, never guessed."""
    message = {"matchPrice": '"1"', "matchSize": '"1"'} | {field: number}
    amounts = ",".join(f'"{name}":{value}' for name, value in message.items())
    text = (
        '{"symbol":"A-B","side":"buy","orderId":"1","clientOid":"c","type":"match",'
        f'"status":"match","ts":1,"tradeId":"t",{amounts}}}'
    )
    with pytest.raises(ProtocolViolation, match=field):
        events_of(Reader(OrderChange, "an order's message").read(text), 1)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"type":3}', "\x00"])
def test_a_frame_without_sense_is_a_violation(text):
    """What is no message of the protocol is told with what was being read."""
    with pytest.raises(ProtocolViolation, match="a message"):
        Reader(codec.Frame, "a message").read(text)
