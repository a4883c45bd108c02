"""Zstandard files as a row of frames: what is whole, what is torn, what is corrupt.

A killed writer leaves a file that simply ends too early. General decompressors
either hide that or call it damage; here the two are told apart by walking the
frames' own structure. Nothing here knows what the bytes mean.

Source: RFC 8878, section 3.1.1 (frame, block header, checksum).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

import zstandard

_MAGIC = b"\x28\xb5\x2f\xfd"
_SKIPPABLE_MAGIC = b"\x2a\x4d\x18"  # after one byte 0x50..0x5f
_BLOCK_BYTES_MAX = 128 * 1024
_WINDOW_BYTES_MAX = 128 * 1024 * 1024
_RLE, _RESERVED = 1, 3
_DICTIONARY_ID_BYTES = (0, 1, 2, 4)
_CONTENT_SIZE_BYTES = (0, 2, 4, 8)


class CorruptError(Exception):
    """The bytes at ``offset`` cannot be part of a Zstandard file."""

    def __init__(self, reason: str, offset: int) -> None:
        self.reason, self.offset = reason, offset
        super().__init__(f"{reason} at byte {offset}")


class _TornError(Exception):
    """The file ended in the middle of a frame."""


class Frames:
    """The frames of ``stream``, from its position to its end.

    After an iteration ``torn`` tells whether the file ended in the middle of a
    frame (or in zeros, as a power cut leaves it), and ``whole_end`` is the
    offset at which the last whole frame ends.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._offset = stream.tell()
        self.torn = False
        self.whole_end = self._offset

    def text(self) -> Iterator[bytes]:
        """Decompress, one piece a block (at most 128 KiB), torn frame included.

        Raises:
            CorruptError: a frame is damaged; ``offset`` is where that was seen.
        """
        decompressor = zstandard.ZstdDecompressor(max_window_size=_WINDOW_BYTES_MAX)
        frame = decompressor.decompressobj()
        for part, ends_frame in self.parts():
            try:
                if piece := frame.decompress(part):
                    yield piece
            except zstandard.ZstdError as error:
                raise CorruptError(f"damaged compressed data ({error})", self._offset) from None
            if ends_frame:
                frame = decompressor.decompressobj()

    def parts(self) -> Iterator[tuple[bytes, bool]]:
        """Yield each frame's header and blocks as they lie in the file, and whether it ends there.

        Raises:
            CorruptError: the structure is damaged.
        """
        try:
            while magic := self._stream.read(4):
                self._offset += len(magic)
                if magic[1:] == _SKIPPABLE_MAGIC and magic[0] >> 4 == 5:
                    self._skip(int.from_bytes(self._take(4), "little"))
                elif magic == _MAGIC:
                    yield from self._frame()
                else:
                    self._expect_torn(magic)
                self.whole_end = self._offset
        except _TornError:
            self.torn = True

    def _frame(self) -> Iterator[tuple[bytes, bool]]:
        descriptor = self._take(1)[0]
        single_segment = descriptor >> 5 & 1
        header = (
            1 - single_segment
            + _DICTIONARY_ID_BYTES[descriptor & 3]
            + (_CONTENT_SIZE_BYTES[descriptor >> 6] or single_segment)
        )  # fmt: skip
        yield _MAGIC + bytes([descriptor]) + self._take(header), False
        while True:
            block_header = self._take(3)
            word = int.from_bytes(block_header, "little")
            last, kind, size = word & 1, word >> 1 & 3, word >> 3
            if kind == _RESERVED or size > _BLOCK_BYTES_MAX:
                raise CorruptError("damaged block header", self._offset - 3)
            block = block_header + self._take(1 if kind == _RLE else size)
            if last:
                checksum = self._take(4) if descriptor >> 2 & 1 else b""
                yield block + checksum, True
                return
            yield block, False

    def _skip(self, size: int) -> None:
        """Pass over ``size`` bytes without holding them: a damaged size may be 4 GiB."""
        for start in range(0, size, _BLOCK_BYTES_MAX):
            self._take(min(_BLOCK_BYTES_MAX, size - start))

    def _take(self, size: int) -> bytes:
        """Read exactly ``size`` bytes."""
        part = self._stream.read(size)
        self._offset += len(part)
        if len(part) < size:
            if _MAGIC in part:  # a damaged size ran over the frames that follow
                raise CorruptError("damaged frame size", self._offset - len(part))
            raise _TornError
        return part

    def _expect_torn(self, magic: bytes) -> None:
        start = self._offset - len(magic)
        if _MAGIC.startswith(magic):
            raise _TornError
        if any(magic):
            raise CorruptError("not a Zstandard frame", start)
        while part := self._stream.read(1 << 20):
            self._offset += len(part)
            if part.count(0) != len(part):
                raise CorruptError("not a Zstandard frame", start)
        raise _TornError
