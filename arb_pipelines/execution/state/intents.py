"""Intents of orders, on the disk for the moment until the state file has them.

A transaction of the state file takes longer than everything else that an order waits for. So
its intent is added to a small file beside it first, which is one write to a page that is in
memory, and the transaction follows while the order is on its way. Whoever opens the state next
finds here what a process that died in between had not brought over. It survives a process, as
the transaction itself does; where the state has to survive a loss of power, or is encrypted,
there is no such file, and orders wait for the transaction.

The file holds records one after the other, each of its length and checksum (8 bytes) and a JSON
object, up to a length of 0. A record that a dying process did not finish is of an order that
never left.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec
import structlog

from arb_pipelines.errors import Transient
from arb_pipelines.execution.state.values import NewCycle
from arb_pipelines.venues.base import NewOrder

_HEAD = struct.Struct("<II")
#: Room for some hundred orders, all on their way while the state file takes none.
_SIZE = 128 << 10

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Intent:
    """An order that is about to leave, and the cycle that begins with it, if one does.

    ``leg`` is ``None`` for an order that brings something home; ``why`` is the cycle's.
    """

    ts_ns: int
    cycle: str
    order: NewOrder
    leg: int | None
    begins: NewCycle | None
    why: str


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(Intent)


class IntentLog:
    """The file of one state, which one process writes; made by ``intent_log``."""

    def __init__(self, file: int) -> None:
        self._file = file
        self._end = 0
        self._open: set[str] = set()
        #: Whether nothing is in it, as far as is known.
        self.empty = False

    def add(self, intent: Intent) -> None:
        """Have an intent survive this process, from when this returns.

        Raises:
            Transient: there is no room for it, or it cannot be written.
        """
        text = _ENCODER.encode(intent)
        record = _HEAD.pack(len(text), zlib.crc32(text)) + text + _HEAD.pack(0, 0)
        if self._end + len(record) > _SIZE:
            raise Transient("the state file takes no orders, and as many wait for it as may")
        self.empty = False
        try:
            written = os.pwrite(self._file, record, self._end)
        except OSError as error:
            raise Transient(f"intents cannot be written: {error.strerror}") from None
        if written != len(record):
            with suppress(OSError):  # what stays here is none, and what lies behind it is old
                os.pwrite(self._file, _HEAD.pack(0, 0), self._end)
            raise Transient("intents cannot be written: there is no room on the disk")
        self._end += len(record) - _HEAD.size
        self._open.add(intent.order.client_id)

    def settle(self, client_id: str) -> None:
        """Forget an intent, which the state file has now."""
        self._open.discard(client_id)
        if not self._open and self._end:
            with suppress(OSError):  # what stays is found to be in the state when it is read
                self.clear()

    def clear(self) -> None:
        """Forget all of it.

        Raises:
            OSError: it cannot be.
        """
        os.pwrite(self._file, _HEAD.pack(0, 0), 0)
        self._end, self.empty = 0, True

    def read(self) -> Iterator[Intent]:
        """Give what is in the file, in order."""
        at, text = 0, os.pread(self._file, _SIZE, 0)
        while at + _HEAD.size <= len(text):
            length, checksum = _HEAD.unpack_from(text, at)
            at += _HEAD.size
            record = text[at : at + length]
            if not length or zlib.crc32(record) != checksum:
                return
            try:
                yield _DECODER.decode(record)
            except msgspec.MsgspecError as error:  # another version's: the venue knows the order
                _log.warning("state.intent_unreadable", error=str(error))
            at += length


@contextmanager
def intent_log(path: Path) -> Iterator[IntentLog]:
    """Open the file of a state within the block; ``read`` and ``clear`` it before you ``add``.

    It goes when it is empty at the end.

    Raises:
        OSError: the file cannot be opened.
    """
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        with suppress(OSError):  # a file system that promises no room
            os.posix_fallocate(file, 0, _SIZE)
        log = IntentLog(file)
        yield log
        if log.empty:
            path.unlink(missing_ok=True)
    finally:
        os.close(file)
