"""Frames of a WebSocket as a client reads and writes them: bytes in, messages out; no I/O.

No extension is spoken, so that no frame is compressed.

Source: RFC 6455, sections 5 (frames) and 7.4 (why a connection closes)
"""

from __future__ import annotations

import os
from collections.abc import Callable
from enum import IntEnum
from typing import Final

#: No venue's message is longer, bytes.
_MOST_BYTES: Final = 4 << 20
_FINAL, _RESERVED, _MASKED = 0x80, 0x70, 0x80
#: A frame that is a whole text message: nearly all of them are.
_WHOLE_TEXT: Final = 0x81


class Kind(IntEnum):
    """What a frame is (``opcode``)."""

    CONTINUATION = 0x0
    TEXT = 0x1
    BINARY = 0x2
    CLOSE = 0x8
    PING = 0x9
    PONG = 0xA


class BadFrame(Exception):
    """The server does not speak the protocol; the text says how."""


def masked_frame(kind: Kind, payload: bytes) -> bytes:
    """Frame a whole message as a client has to: masked by a key of its own."""
    size, key = len(payload), os.urandom(4)
    if size < 126:
        head = bytes((_FINAL | kind, _MASKED | size))
    elif size < 1 << 16:
        head = bytes((_FINAL | kind, _MASKED | 126)) + size.to_bytes(2)
    else:
        head = bytes((_FINAL | kind, _MASKED | 127)) + size.to_bytes(8)
    keys = (key * (size // 4 + 1))[:size]
    return head + key + (int.from_bytes(payload) ^ int.from_bytes(keys)).to_bytes(size)


class FrameReader:
    """Parts what arrives into messages.

    ``on_text`` is given each text message, whole, as soon as its last byte is there;
    ``on_other`` each ping, pong and close with its payload. Binary messages are left out:
    nobody here sends any.
    """

    __slots__ = ("_kept", "_kind", "_parts", "_size", "on_other", "on_text", "over")

    def __init__(
        self, on_text: Callable[[bytes], None], on_other: Callable[[Kind, bytes], None]
    ) -> None:
        self.on_text, self.on_other = on_text, on_other
        self._kept = b""
        self._kind: Kind | None = None
        self._parts: list[bytes] = []
        self._size = 0
        #: Set it, and nothing more is told.
        self.over = False

    def feed(self, data: bytes) -> None:
        """Take what arrived. What ``on_text`` and ``on_other`` raise, this raises.

        Raises:
            BadFrame: it makes no sense; nothing after it will.
        """
        if self._kept:
            data = self._kept + data
        begin, there = 0, len(data)
        while there - begin >= 2 and not self.over:
            first, size, at = data[begin], data[begin + 1], begin + 2
            if size == 126:
                at += 2
                size = int.from_bytes(data[at - 2 : at])
            elif size == 127:
                at += 8
                size = int.from_bytes(data[at - 8 : at])
            elif size > 127:
                raise BadFrame("a server's frames are not masked")
            end = at + size
            if at > there:
                break
            if size > _MOST_BYTES:
                raise BadFrame(f"a message of more than {_MOST_BYTES} bytes")
            if end > there:
                break
            payload, begin = data[at:end], end
            if first == _WHOLE_TEXT and self._kind is None:
                self.on_text(payload)
            else:
                self._take(first, payload)
        self._kept = data[begin:]

    def _take(self, first: int, payload: bytes) -> None:
        """Take a frame that is not a whole text message."""
        if first & _RESERVED:
            raise BadFrame("a frame of an extension that nobody asked for")
        try:
            kind = Kind(first & 0x0F)
        except ValueError:
            raise BadFrame(f"a frame of kind {first & 0x0F}, which is none") from None
        if kind >= Kind.CLOSE:
            if not first & _FINAL or len(payload) > 125:
                raise BadFrame("a ping, pong or close in parts")
            self.on_other(kind, payload)
            return
        if (kind is Kind.CONTINUATION) != (self._kind is not None):
            raise BadFrame("a part of no message, or a message within another")
        self._kind, self._size = self._kind or kind, self._size + len(payload)
        if payload:  # of empty ones there may be any number
            self._parts.append(payload)
        if self._size > _MOST_BYTES:
            raise BadFrame(f"a message of more than {_MOST_BYTES} bytes")
        if first & _FINAL:
            kind, whole = self._kind, b"".join(self._parts)
            self._kind, self._parts, self._size = None, [], 0
            if kind is Kind.TEXT:
                self.on_text(whole)
