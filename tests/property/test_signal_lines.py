"""Whatever stands on a line of a session's socket is answered, and changes nothing by accident."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from arb_pipelines.execution.control.unix_socket import LONGEST_LINE, Client, LineServer
from arb_pipelines.execution.signals.wire import (
    WireBook,
    WireLeg,
    WireSignal,
    decode_signal,
    encode_signal,
)
from tests.fakes.signals import SignalDesk, a_signal

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["NaN", "sNaN", "-Infinity", "1e999999", "-0", "1e-99"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)
ops = st.sampled_from(
    ["pause", "resume", "cancel", "slots", "in_flight", "reports", "config", "uptime", "health"]
)
arguments = st.dictionaries(
    st.sampled_from(["reason", "execution", "slots", "last", "x"]), json_values, max_size=2
)
amounts = st.decimals(
    min_value=0, max_value=10**12, allow_nan=False, allow_infinity=False, places=8
)
names = st.text(min_size=1, max_size=12)


@st.composite
def broken_signals(draw: st.DrawFn) -> dict[str, Any]:
    """A good signal with one of its values, however deep, replaced by anything."""
    document: dict[str, Any] = json.loads(json.dumps(a_signal()))
    place: Any = document
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = draw(st.sampled_from(keys))
        deeper = place[key]
        if isinstance(deeper, dict | list) and deeper and draw(st.booleans()):
            place = deeper
            continue
        place[key] = draw(json_values)
        return document


lines = st.one_of(
    st.binary(max_size=200).filter(lambda line: b"\n" not in line),
    json_values.map(lambda value: json.dumps(value).encode()),
    broken_signals().map(lambda document: json.dumps(document).encode()),
    st.builds(lambda op, more: json.dumps(more | {"op": op}).encode(), ops | names, arguments),
)


@settings(max_examples=300, deadline=None)
@given(lines=st.lists(lines, min_size=1, max_size=3))
def test_every_line_is_answered_with_one_object(lines: list[bytes]) -> None:
    """JSON or not, signal or request: one line of JSON that says yes, or why not."""
    desk = SignalDesk()
    for line in lines:
        raw = desk.control.answer(line, None)  # type: ignore[arg-type]
        assert b"\n" not in raw
        answer = json.loads(raw)
        said = answer["ok"] if "op" in answer else answer["accepted"]
        assert said is True or answer.get("detail")
    assert len(desk.sent) <= 1  # nothing but the good signal, its broken value equal, trades


@settings(max_examples=200, deadline=None)
@given(
    legs=st.lists(
        st.builds(
            WireLeg,
            pair=names,
            side=st.sampled_from(["buy", "sell"]),
            order_param=st.sampled_from(["funds", "size"]),
            base_min_size=amounts,
            base_increment=amounts,
            quote_increment=amounts,
            fee_rate=amounts,
            fee_currency=names,
        ),
        min_size=3,
        max_size=5,
    ),
    books=st.lists(
        st.builds(
            WireBook,
            bids=st.lists(st.tuples(amounts, amounts), max_size=3),
            asks=st.lists(st.tuples(amounts, amounts), max_size=3),
        ),
        max_size=3,
    ),
    name=names,
    amount=amounts,
    live=st.booleans(),
)
def test_a_signal_survives_the_wire(
    legs: list[WireLeg], books: list[WireBook], name: str, amount: Decimal, live: bool
) -> None:
    """What is decoded is what was encoded, digit by digit."""
    signal = WireSignal(
        correlation_id=name,
        triangle_key=[leg.pair for leg in legs],
        legs=legs,
        books=books,
        starting_volume=amount,
        predicted_bps=-amount,
        primary_quote=name,
        live=live,
        book_ts_ms=amount,
        t_sock_arrive_ms=amount,
        t_arrive_ms=amount,
        t_eval_ms=amount,
        ts_ms=amount,
    )
    assert decode_signal(encode_signal(signal)) == signal


@given(digits=st.from_regex(r"[1-9][0-9]{0,20}(\.[0-9]{1,20})?", fullmatch=True))
def test_a_number_is_read_by_its_digits(digits: str) -> None:
    """The oracle reads the same text; no float64 has that many digits."""
    line = msgspec.json.encode(a_signal(starting_volume="?")).replace(b'"?"', digits.encode())
    assert decode_signal(line).starting_volume == Decimal(digits)


class _Transport:
    """What a client's connection does, kept in memory."""

    def __init__(self) -> None:
        self.written = bytearray()

    def write(self, data: bytes) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None:
        """Nothing is read here."""

    def resume_reading(self) -> None:
        """Nothing is read here."""


@settings(max_examples=200, deadline=None)
@given(
    told=st.lists(
        st.binary(max_size=30).map(lambda line: line.replace(b"\n", b"")) | st.just(b"too long"),
        max_size=7,
    ),
    cuts=st.lists(st.integers(1, 40), min_size=1, max_size=50),
)
def test_lines_are_the_same_however_they_are_cut(told: list[bytes], cuts: list[int]) -> None:
    """Every whole line is answered once, in order; a line too long is refused, and just that."""
    sent = b"".join(
        (b"x" * (LONGEST_LINE + 50_000) if line == b"too long" else line) + b"\n" for line in told
    )
    server = LineServer(None, lambda line, client: b"=" + line, lambda detail: b"refused")  # type: ignore[arg-type]
    transport, client = _Transport(), Client(server)
    client.connection_made(transport)  # type: ignore[arg-type]
    at = 0
    while at < len(sent):
        size = cuts[at % len(cuts)] * (1 if len(sent) < 1_000 else 8_192)
        client.data_received(sent[at : at + size])
        at += size
    wanted = [b"refused" if line == b"too long" else b"=" + line for line in told if line.strip()]
    assert bytes(transport.written).split(b"\n") == [*wanted, b""]
