"""Lines over a Unix-domain socket: many clients, none of which can hold the loop up.

Who may connect is who may write the socket's file, which is its owner alone. What a line
means belongs to whoever answers it.
"""

from __future__ import annotations

import asyncio
import os
import socket
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import cast

import structlog

from arb_pipelines.errors import ConfigError

#: Longest line that is taken, and most that may wait for a client that does not read, bytes.
LONGEST_LINE = 256 * 1024
MOST_UNREAD = 4 * 1024 * 1024
#: Clients at once.
MOST_CLIENTS = 64
#: Lines of one client that are answered before others get their turn.
_AT_ONCE = 8
#: Longest path that an address has room for (sun_path, less its final zero).
_LONGEST_PATH = 107
_PROBE_S = 1.0

#: Answers a line by the client it came from.
Answer = Callable[[bytes, "Client"], bytes]


class Client(asyncio.Protocol):
    """One client: its lines are answered in order, a few in each turn of the loop.

    While it does not read its answers none of its lines are taken; what it is told unasked
    adds up to ``MOST_UNREAD``, then it is cut off.
    """

    def __init__(self, server: LineServer) -> None:
        self._server = server
        self._transport: asyncio.Transport | None = None
        self._waiting = bytearray()
        self._searched = 0
        self._skipping = self._scheduled = self._ended = self._full = False

    @property
    def connected(self) -> bool:
        """Whether anything can still be told."""
        return self._transport is not None and not self._transport.is_closing()

    def tell(self, line: bytes) -> None:
        """Send a line, without waiting."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        transport.write(line + b"\n")
        if transport.get_write_buffer_size() > MOST_UNREAD:
            structlog.get_logger().warning("client_does_not_read", bytes=MOST_UNREAD)
            transport.abort()

    def close(self) -> None:
        """Send what waits, and hang up."""
        if self._transport is not None:
            self._transport.close()

    # -- what asyncio calls --------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a client in, or turn it away."""
        self._transport = transport = cast(asyncio.Transport, transport)  # uvloop's is none by type
        if len(self._server.clients) >= MOST_CLIENTS:
            self.tell(self._server.refusal(f"{MOST_CLIENTS} clients are connected; try later"))
            transport.close()
            return
        self._server.clients.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        """Forget the client, and the line that it did not finish."""
        self._server.clients.discard(self)
        self._transport = None
        self._waiting.clear()

    def data_received(self, data: bytes) -> None:
        """Keep what came, and answer what is whole."""
        self._waiting += data
        if not self._scheduled and not self._full:
            self._work()

    def eof_received(self) -> bool:
        """Answer what is whole, then hang up; an unfinished line is none."""
        self._ended = True
        if not self._scheduled and not self._full:
            self._work()
        return True

    def pause_writing(self) -> None:
        """Take no more from a client that does not read."""
        self._full = True
        self._set_reading()

    def resume_writing(self) -> None:
        """Go on with a client that reads again."""
        self._full = False
        self._set_reading()
        if not self._scheduled:
            self._work()

    # -- lines -------------------------------------------------------------------------

    def _work(self) -> None:
        self._scheduled = False
        for _ in range(_AT_ONCE):
            if self._transport is None or self._full:
                return
            end = self._waiting.find(b"\n", self._searched)
            if end < 0:
                self._wait_for_more()
                return
            line = bytes(self._waiting[:end])
            del self._waiting[: end + 1]
            self._searched = 0
            skipped, self._skipping = self._skipping, False
            if skipped or not line.strip():
                continue
            if len(line) > LONGEST_LINE:
                self._refuse_length()
            else:
                self._answer(line)
        self._scheduled = True
        self._set_reading()
        asyncio.get_running_loop().call_soon(self._go_on)

    def _answer(self, line: bytes) -> None:
        try:
            self.tell(self._server.answer(line, self))
        except Exception as error:  # noqa: BLE001 - a callback has no caller: run() raises it
            self._server.fail(error)

    def _go_on(self) -> None:
        self._scheduled = False
        self._set_reading()
        if not self._full:
            self._work()

    def _wait_for_more(self) -> None:
        """Keep the beginning of a line, unless it is too long already."""
        self._searched = len(self._waiting)
        if self._searched > LONGEST_LINE:
            if not self._skipping:
                self._refuse_length()
            self._skipping = True
        if self._skipping:
            self._waiting.clear()
            self._searched = 0
        if self._ended:
            self.close()

    def _refuse_length(self) -> None:
        self.tell(
            self._server.refusal(f"a line has at most {LONGEST_LINE} bytes; send it in parts")
        )

    def _set_reading(self) -> None:
        transport = self._transport
        if transport is None or transport.is_closing() or self._ended:
            return
        if self._full or self._scheduled:
            transport.pause_reading()
        else:
            transport.resume_reading()


class LineServer:
    """Serves a socket at ``path``; ``answer`` is called on the loop, once a line.

    ``refusal`` makes the line for what cannot be answered: too long, too many clients.
    """

    def __init__(self, path: Path, answer: Answer, refusal: Callable[[str], bytes]) -> None:
        self._path, self.answer, self.refusal = path, answer, refusal
        self.clients: set[Client] = set()
        self._failure: asyncio.Future[None] | None = None

    def fail(self, error: Exception) -> None:
        """Have ``run`` end with an error that answering raised."""
        if self._failure is not None and not self._failure.done():
            self._failure.set_exception(error)

    async def run(self) -> None:
        """Serve until cancelled.

        Raises:
            ConfigError: a session is listening there, or no socket can be made there.
            Exception: what answering a line raised; nothing is served after that.
        """
        loop = asyncio.get_running_loop()
        self._failure = loop.create_future()
        with bound(self._path) as listening:
            server = await loop.create_unix_server(lambda: Client(self), sock=listening)
            try:
                await self._failure
            finally:
                server.close()
                for client in tuple(self.clients):
                    client.close()


@contextmanager
def bound(path: Path) -> Iterator[socket.socket]:
    """Give a socket that listens at ``path``, with mode 0600; it goes with the block.

    The path is there once it can be connected to. One too long for an address becomes a
    symbolic link to a socket in a private folder of the temporary directory. What a dead
    session left is replaced.

    Raises:
        ConfigError: somebody is listening there, what is there is no socket, or the temporary
            directory's path is too long as well.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _clear(path)
    place = path.with_name(f".{path.name}")
    private = len(os.fsencode(place)) > _LONGEST_PATH
    if private:
        place = Path(tempfile.mkdtemp(prefix="arb-")) / path.name
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        place.unlink(missing_ok=True)
        try:
            listening.bind(str(place))
        except OSError as error:
            if private:
                place.parent.rmdir()
            raise ConfigError(
                f"no socket can be made here: {error.strerror or error}; "
                "set ARB_HOME or TMPDIR to a shorter path",
                source=str(place),
            ) from None
        place.chmod(0o600)  # nobody can connect before it listens
        listening.listen()
        listening.setblocking(False)
        if private:
            path.symlink_to(place)
        else:
            place.rename(path)
        try:
            yield listening
        finally:
            path.unlink(missing_ok=True)
            if private:
                _remove_private(place)


def resolved(path: Path) -> str:
    """Give the address to connect to: the path, or where its link points."""
    return os.fsdecode(path.readlink()) if path.is_symlink() else str(path)


def _clear(path: Path) -> None:
    """Remove what a dead session left.

    Raises:
        ConfigError: somebody is listening there, or what is there is no socket.
    """
    place = Path(resolved(path))
    if not (path.is_symlink() or path.exists()):
        return
    if place.exists() and not stat.S_ISSOCK(place.stat().st_mode):
        raise ConfigError("what is here is no socket; move it away", source=str(path))
    if _is_live(str(place)):
        raise ConfigError(
            "a session is listening here; stop it first, with `arb session stop`", source=str(path)
        )
    path.unlink()
    if place != path:
        _remove_private(place)


def _remove_private(place: Path) -> None:
    with suppress(OSError):  # the temporary directory may have been tidied up
        place.unlink(missing_ok=True)
        place.parent.rmdir()


def _is_live(address: str) -> bool:
    """Whether anybody listens; who cannot be asked in time is taken to."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(_PROBE_S)
        try:
            probe.connect(address)
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:
            return True
    return True
