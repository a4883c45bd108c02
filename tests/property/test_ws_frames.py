"""Frames of a WebSocket, against a writer of frames that is worked out here from the RFC."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arb_pipelines.venues.ws_frames import BadFrame, FrameReader, Kind, masked_frame

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def server_frame(opcode: int, payload: bytes, *, final: bool = True) -> bytes:
    """A frame as RFC 6455, 5.2 draws it, unmasked."""
    size = len(payload)
    if size < 126:
        length = struct.pack(">B", size)
    elif size < 65536:
        length = struct.pack(">BH", 126, size)
    else:
        length = struct.pack(">BQ", 127, size)
    return struct.pack(">B", (0x80 if final else 0) | opcode) + length + payload


class Heard:
    """What a reader hands out, in order."""

    def __init__(self) -> None:
        self.said: list[tuple[int, bytes]] = []
        self.reader = FrameReader(
            lambda text: self.said.append((TEXT, text)),
            lambda kind, payload: self.said.append((kind, payload)),
        )


sizes = st.one_of(st.integers(0, 130), st.sampled_from([65_535, 65_536, 70_000]))
payloads = sizes.flatmap(lambda size: st.binary(min_size=min(size, 40), max_size=min(size, 40)).map(
    lambda seed: (seed * (size // max(len(seed), 1) + 1))[:size]
))  # fmt: skip
controls = st.tuples(st.sampled_from([CLOSE, PING, PONG]), st.binary(max_size=125))


@st.composite
def conversations(draw: st.DrawFn) -> tuple[bytes, list[tuple[int, bytes]]]:
    """Bytes of messages, whole and in parts with pings between the parts, and what they say."""
    wire, said = b"", []
    for _ in range(draw(st.integers(1, 6))):
        kind = draw(st.sampled_from([TEXT, TEXT, BINARY, PING]))
        if kind == PING:
            opcode, payload = draw(controls)
            wire += server_frame(opcode, payload)
            said.append((opcode, payload))
            continue
        payload = draw(payloads)
        cuts = sorted(draw(st.lists(st.integers(0, len(payload)), max_size=2)))
        parts = [payload[a:b] for a, b in zip([0, *cuts], [*cuts, len(payload)], strict=True)]
        for number, part in enumerate(parts):
            wire += server_frame(0 if number else kind, part, final=number == len(parts) - 1)
            if number < len(parts) - 1 and draw(st.booleans()):
                opcode, said_between = draw(controls)
                wire += server_frame(opcode, said_between)
                said.append((opcode, said_between))
        if kind == TEXT:
            said.append((TEXT, payload))
    return wire, said


@given(conversations(), st.data())
def test_messages_come_whole_and_in_order_however_their_bytes_arrive(
    conversation: tuple[bytes, list[tuple[int, bytes]]], data: st.DataObject
) -> None:
    """Cut anywhere, each message is handed on once, binary ones never."""
    wire, said = conversation
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=5)))
    heard = Heard()
    for begin, end in zip([0, *cuts], [*cuts, len(wire)], strict=True):
        heard.reader.feed(wire[begin:end])
    assert heard.said == said


@given(st.sampled_from(Kind), payloads)
def test_a_client_masks_what_it_sends(kind: Kind, payload: bytes) -> None:
    """Unmasked byte by byte, a frame is the message; each has a key of its own."""
    frame = masked_frame(kind, payload)
    head = len(server_frame(kind, payload)) - len(payload)
    shown = bytearray(frame[:head])
    assert shown[1] & 0x80
    shown[1] &= 0x7F
    key, hidden = frame[head : head + 4], frame[head + 4 :]
    assert bytes(shown) == server_frame(kind, payload)[:head]
    assert bytes(byte ^ key[n % 4] for n, byte in enumerate(hidden)) == payload


@pytest.mark.parametrize(
    ("wire", "why"),
    [
        (b"\x81\x80\x00\x00\x00\x00", "not masked"),
        (b"\xc1\x01a", "extension"),
        (b"\x83\x01a", "kind 3"),
        (b"\x8b\x00", "kind 11"),
        (b"\x80\x01a", "a part of no message"),
        (b"\x01\x01a\x81\x01b", "within another"),
        (b"\x09\x00", "in parts"),
        (b"\x89\x7e\x00\x7e" + bytes(126), "in parts"),
        (b"\x81\x7f\xff\xff\xff\xff\xff\xff\xff\xff", "more than"),
        (server_frame(TEXT, bytes(3 << 20), final=False) + server_frame(0, bytes(3 << 20)), "more"),
    ],
)
def test_frames_without_sense_are_refused(wire: bytes, why: str) -> None:
    """What a server must not send says what is wrong with it."""
    heard = Heard()
    with pytest.raises(BadFrame, match=why):
        heard.reader.feed(wire)
    assert heard.said == []


def test_what_a_message_raises_ends_the_reading() -> None:
    """The next message of the same bytes is not handed on."""
    texts: list[bytes] = []

    def take(text: bytes) -> None:
        texts.append(text)
        raise ValueError

    reader = FrameReader(take, lambda kind, payload: None)
    with pytest.raises(ValueError):  # noqa: PT011 - made above
        reader.feed(server_frame(TEXT, b"a") + server_frame(TEXT, b"b"))
    assert texts == [b"a"]


def test_nothing_is_told_after_the_end() -> None:
    """What follows a close in the same bytes is nobody's."""
    texts: list[bytes] = []
    reader = FrameReader(texts.append, lambda kind, payload: setattr(reader, "over", True))
    frames = [(TEXT, b"a"), (Kind.CLOSE, b""), (TEXT, b"b"), (Kind.PING, b"")]
    reader.feed(b"".join(server_frame(kind, payload) for kind, payload in frames))
    assert texts == [b"a"]


def test_empty_parts_cost_nothing() -> None:
    """However many of them a message has."""
    texts: list[bytes] = []
    reader = FrameReader(texts.append, lambda kind, payload: None)
    parts = server_frame(TEXT, b"a", final=False) + 50_000 * server_frame(0, b"", final=False)
    reader.feed(parts + server_frame(0, b"b"))
    assert texts == [b"ab"]
    assert reader._parts == []
