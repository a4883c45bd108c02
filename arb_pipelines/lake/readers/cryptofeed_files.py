"""The files of a cryptofeed recording: which belong together, and what their lines hold.

A recording of one venue is a set of files, plain or zstd, named after it:

    KUCOIN.0          the REST symbol list, and the recorder's configuration
    KUCOIN.http.0.0   REST answers, the book snapshots among them
    KUCOIN.ws.1.0     one socket; KUCOIN.ws.1.1 continues it when the file grew too large

Their lines:

    wss://host/path <-> 1619378325.387221                     connected
    wss://host/path <- 1619378326.125891: {"type":…}          sent
    https://host/path?query -> 1619378326.663214: {"code":…}  answered
    1619378326.3942132: {"data":…}                            received
    configuration: {"l2_book":[…]}

Source: https://github.com/bmoscon/cryptofeed (raw data collection)
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import zstandard

from arb_pipelines.clock import parse_epoch_seconds
from arb_pipelines.errors import DataError
from arb_pipelines.lake.readers.level2 import VENUES
from arb_pipelines.lake.readers.level2.messages import Request

#: What stands between address and time on a line that was not received.
CONTROL = (b" <-> ", b" <- ", b" -> ")

#: What only level-2 messages of the known venues have in them.
_BOOK_MARKS = (b'"trade.l2update"', b'"depthUpdate"', b'"book-')

_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_CHUNK = 1 << 20
_NAME = re.compile(
    r"(?P<prefix>[^.]+)(\.ws\.(?P<socket>\d+)|\.http\.(?P<http>\d+))?\.(?P<part>\d+)(\.zst)?"
)
_ANSWER = re.compile(rb"(?P<url>\S+) -> (?P<time>[\d.]+): (?P<body>.*)", re.DOTALL)
_SYMBOL_LISTS = ("/symbols", "/exchangeInfo", "/AssetPairs")


@dataclass(frozen=True, slots=True)
class Recording:
    """One socket's recording: its ``parts`` in order, and what lies beside them.

    ``answers`` are the REST answers of the whole venue, shared by its sockets.
    """

    prefix: str
    parts: tuple[Path, ...]
    answers: tuple[Path, ...]
    symbol_lists: tuple[Path, ...]


def find_recording(path: Path) -> Recording:
    """Find what belongs to ``path``: any file of a recording, or a folder with one socket.

    A socket's file, whichever part, means that socket. Another file of the
    recording means its first socket. A file named otherwise stands alone.

    Raises:
        DataError: nothing is there, or a folder holds several sockets or none.
    """
    if path.is_dir():
        sockets = [file for file in _files(path) if _first_part(file)]
        if len(sockets) != 1:
            names = ", ".join(file.name for file in sockets) or "none"
            raise DataError(f"name one socket's file; there are: {names}", source=str(path))
        path = sockets[0]
    if not path.is_file():
        raise DataError("no such file or folder", source=str(path))
    named = _NAME.fullmatch(path.name)
    if named is None:
        return Recording(path.name, (path,), (), ())
    kin = [
        (match, file)
        for file in _files(path.parent)
        if (match := _NAME.fullmatch(file.name)) and match["prefix"] == named["prefix"]
    ]
    connections = sorted({int(match["socket"]) for match, _ in kin if match["socket"]})
    if not connections:
        raise DataError("there is no socket's file (….ws.…) beside it", source=str(path))
    connection = int(named["socket"] or connections[0])
    parts = [
        (int(match["part"]), file)
        for match, file in kin
        if match["socket"] and int(match["socket"]) == connection
    ]
    return Recording(
        named["prefix"],
        tuple(file for _, file in sorted(parts)),
        tuple(file for match, file in kin if match["http"]),
        tuple(file for match, file in kin if not match["http"] and not match["socket"]),
    )


def recording_files(path: Path) -> tuple[Path, ...]:
    """All files of the recording that ``path`` belongs to, the one to read first.

    Raises:
        DataError: as ``find_recording``.
    """
    found = find_recording(path)
    return (*found.parts, *found.answers, *found.symbol_lists)


def venue_of(recording: Recording) -> str:
    """Tell the venue by the address on the first line, or else by the file's name.

    Raises:
        DataError: neither names a venue whose messages are known.
    """
    venue = _told_venue(recording)
    if venue is None:
        raise DataError(
            "is no recording of a known venue: its first line should be '<address> <-> <time>' "
            f"with an address of {', '.join(VENUES)}",
            source=str(recording.parts[0]),
        )
    return venue


def _told_venue(recording: Recording) -> str | None:
    first = next(lines(recording.parts[0]), b"")
    hints = [recording.prefix]
    if any(mark in first for mark in CONTROL):
        hints.insert(0, first.split(b" ", 1)[0].decode(errors="replace"))
    found = (venue for hint in hints for venue in VENUES if venue in hint.casefold())
    return next(found, None)


def holds_books(path: Path, venue: str) -> bool:
    """Whether ``path`` belongs to a recording of ``venue`` with level-2 messages.

    Tells what to take of a folder in which several venues, sockets without books,
    or other files lie.

    Raises:
        DataError: as ``find_recording`` and ``lines``.
    """
    recording = find_recording(path)
    if _told_venue(recording) != venue:
        return False
    every = chain.from_iterable(map(lines, recording.parts))
    return any(mark in line for line in every for mark in _BOOK_MARKS)


def embedded_symbol_list(path: Path) -> bytes | None:
    """Return the venue's own symbol list out of a recording; ``None`` if it holds none.

    ``path`` is any file of the recording; the answer is the JSON body as the
    venue sent it (KuCoin ``/symbols``, Binance ``exchangeInfo``, Kraken ``AssetPairs``).

    Raises:
        DataError: as ``find_recording`` and ``requests``.
    """
    named = _NAME.fullmatch(path.name)
    alone = named is not None and not named["http"] and not named["socket"]
    for file in (path,) if alone else find_recording(path).symbol_lists:
        for _, request in requests(file):
            if request.url.partition("?")[0].endswith(_SYMBOL_LISTS):
                return request.body
    return None


def _first_part(file: Path) -> bool:
    named = _NAME.fullmatch(file.name)
    return named is not None and bool(named["socket"]) and named["part"] == "0"


def _files(folder: Path) -> list[Path]:
    """Files of ``folder`` by name; of a file and its ``.zst`` twin only the plain one."""
    files: dict[str, Path] = {}
    for file in sorted(folder.iterdir()):
        files.setdefault(file.name.removesuffix(".zst"), file)
    return list(files.values())


def lines(path: Path) -> Iterator[bytes]:
    """Read the lines of a plain or zstd file, without their ends.

    Raises:
        DataError: the file is empty, is no zstd although it begins like it, or ends in
            the middle of a frame.
    """
    rest, some = b"", False
    for chunk in _chunks(path):
        some = some or bool(chunk)
        *whole, rest = (rest + chunk).split(b"\n")
        yield from whole
    if not some:
        raise DataError("is empty", source=str(path))
    if rest:
        yield rest


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        raw = file.read(_CHUNK)
        if not raw.startswith(_ZSTD_MAGIC):
            while raw:
                yield raw
                raw = file.read(_CHUNK)
            return
        frame = zstandard.ZstdDecompressor().decompressobj()
        try:
            while raw:
                if frame.eof:
                    frame = zstandard.ZstdDecompressor().decompressobj()
                yield frame.decompress(raw)
                raw = frame.unused_data if frame.eof else b""
                raw = raw or file.read(_CHUNK)
        except zstandard.ZstdError as error:
            raise DataError(f"is damaged: {error}", source=str(path)) from error
        if not frame.eof:
            raise DataError("ends in the middle of its compressed data", source=str(path))


def requests(path: Path) -> Iterator[tuple[int, Request]]:
    """Read the answered requests of a file with their line numbers, from 0.

    Raises:
        DataError: as ``lines``, or a line is neither an answer nor the configuration.
    """
    for row, line in enumerate(lines(path)):
        if not line or line.startswith(b"configuration: "):
            continue
        answer = _ANSWER.fullmatch(line)
        if answer is None:
            raise DataError(
                "is no recorded answer ('<url> -> <time>: …')", source=str(path), row=row
            )
        ts_recv = parse_epoch_seconds(answer["time"].decode())
        yield row, Request(ts_recv, answer["url"].decode(), answer["body"])
