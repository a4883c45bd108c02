"""A session's socket on the real system: paths, permissions, and clients of every kind."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvloop

from arb_pipelines.errors import ConfigError, InvariantBroken
from arb_pipelines.execution.control.client import SOCKET, ask
from arb_pipelines.execution.control.unix_socket import (
    LONGEST_LINE,
    MOST_CLIENTS,
    LineServer,
    bound,
    resolved,
)
from tests.fakes.signals import SignalDesk, a_signal

LONG_NAME = "a-session-with-a-long-name-" * 6


class Peer:
    """A client of a session's socket."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def say(self, document: Any) -> dict[str, Any]:
        """Send one line and wait for the next that is told."""
        self.writer.write(json.dumps(document).encode() + b"\n")
        return await self.hear()

    async def hear(self) -> dict[str, Any]:
        """Wait for the next line."""
        heard: dict[str, Any] = json.loads(await self.reader.readline())
        return heard


async def connect(path: Path) -> Peer:
    """Connect, as any program does."""
    return Peer(*await asyncio.open_unix_connection(resolved(path), limit=2 * LONGEST_LINE))


@asynccontextmanager
async def serving(desk: SignalDesk, path: Path) -> AsyncIterator[LineServer]:
    """Serve a desk's socket within the block."""
    server = LineServer(path, desk.control.answer, desk.control.refusal)
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(server.run())
        while not path.exists():
            await asyncio.sleep(0)
        yield server
        task.cancel()


def run(body: Callable[[], Awaitable[None]]) -> None:
    """Run a test's coroutine, on the loop that sessions run on; none takes long."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(asyncio.wait_for(body(), 20))


def test_a_session_answers_over_its_socket_and_leaves_nothing(tmp_path: Path) -> None:
    """Mode 0600 while it runs, and gone with it."""
    path = tmp_path / SOCKET

    async def body() -> None:
        desk = SignalDesk()
        async with serving(desk, path):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            peer = await connect(path)
            assert (await peer.say(a_signal()))["accepted"]
            assert (await peer.say({"op": "health"}))["accepted"] == 1

    run(body)
    assert list(tmp_path.iterdir()) == []


def test_a_path_too_long_for_an_address_works(tmp_path: Path) -> None:
    """A link stands in its place, which commands follow; both ends are tidied up."""
    folder = tmp_path / LONG_NAME
    path = folder / SOCKET
    assert len(os.fsencode(path)) > 108

    async def body() -> None:
        async with serving(SignalDesk(), path):
            place = Path(resolved(path))
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            assert stat.S_IMODE(place.parent.stat().st_mode) == 0o700
            assert (await asyncio.to_thread(ask, folder, "uptime"))["uptime_s"] == 0
        assert not place.parent.exists()

    run(body)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("name", ["short", LONG_NAME])
def test_what_a_killed_session_left_is_replaced(tmp_path: Path, name: str) -> None:
    """A process that held the socket is killed; the next takes its place, a third does not."""
    path = tmp_path / name / SOCKET
    code = (
        "import sys, time, pathlib\n"
        "from arb_pipelines.execution.control.unix_socket import bound\n"
        "with bound(pathlib.Path(sys.argv[1])):\n"
        "    print('ready', flush=True); time.sleep(60)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, path], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    with pytest.raises(ConfigError, match="a session is listening here"), bound(path):
        pass
    left = Path(resolved(path))
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert path.exists()
    with pytest.raises(ConfigError, match="it does not run"):
        ask(path.parent, "uptime")
    with bound(path):
        with pytest.raises(ConfigError, match="a session is listening here"), bound(path):
            pass
        assert path.exists()
        assert left == path or not left.exists()
    assert not path.exists()


def test_a_file_in_the_sockets_place_is_not_removed(tmp_path: Path) -> None:
    """Somebody's notes are no stale socket."""
    path = tmp_path / SOCKET
    path.write_text("notes")
    with pytest.raises(ConfigError, match="no socket; move it away"), bound(path):
        pass
    assert path.read_text() == "notes"


def test_who_asks_a_session_that_is_none_is_told(tmp_path: Path) -> None:
    """One line, which command lines print."""
    with pytest.raises(ConfigError, match="there is none of that key"):
        ask(tmp_path / "nobody", "uptime")
    with pytest.raises(ConfigError, match="it does not run"):
        ask(tmp_path, "uptime")


def test_two_clients_are_answered_each_its_own(tmp_path: Path) -> None:
    """Reports go to both that subscribed, answers to who asked."""
    path = tmp_path / SOCKET

    async def body() -> None:
        desk = SignalDesk()
        async with serving(desk, path):
            sender, listener = await connect(path), await connect(path)
            await sender.say({"op": "subscribe"})
            await listener.say({"op": "subscribe"})
            assert (await sender.say(a_signal()))["execution"] == 0
            assert (await listener.say(a_signal("other")))["reason"] == "triangle"
            for received in (0.99, 9.8, 107.0):
                desk.fill(desk.sent[-1], received)
            told = await sender.hear()
            assert (told["op"], told["correlation_id"]) == ("report", "one")
            assert await listener.hear() == told

    run(body)


def test_a_client_killed_in_the_middle_of_a_line_does_nothing(tmp_path: Path) -> None:
    """Half a signal is none, though what came of it is JSON; others are served on."""
    path = tmp_path / SOCKET

    async def body() -> None:
        desk = SignalDesk()
        async with serving(desk, path) as server:
            killed, other = await connect(path), await connect(path)
            await killed.say({"op": "uptime"})
            killed.writer.write(json.dumps(a_signal()).encode())
            await killed.writer.drain()
            killed.writer.transport.abort()
            while len(server.clients) > 1:
                await asyncio.sleep(0)
            assert (await other.say({"op": "health"}))["signals"] == 0
            assert not desk.sent

    run(body)


def test_a_line_too_long_is_refused_and_the_next_is_heard(tmp_path: Path) -> None:
    """Its end is found, so that nothing of it is taken for a line."""
    path = tmp_path / SOCKET

    async def body() -> None:
        async with serving(SignalDesk(), path):
            peer = await connect(path)
            peer.writer.write(b'{"op":"stop"}' * (LONGEST_LINE // 4) + b"\n")
            refused = await peer.hear()
            assert (refused["accepted"], refused["reason"]) == (False, "invalid")
            assert str(LONGEST_LINE) in refused["detail"]
            assert (await peer.say({"op": "health"}))["state"] == "running"

    run(body)


def test_a_client_that_does_not_read_holds_nobody_up(tmp_path: Path) -> None:
    """Its lines wait in its own socket while others are answered; reading, it gets them all."""
    path, asked = tmp_path / SOCKET, 3_000

    async def body() -> None:
        desk = SignalDesk(config={"text": "x" * 1_000})
        async with serving(desk, path) as server:
            lazy = socket.socket(socket.AF_UNIX)
            lazy.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(lazy, str(path))
            sending = loop.create_task(loop.sock_sendall(lazy, b'{"op":"config"}\n' * asked))
            other = await connect(path)
            while not any(client._full for client in server.clients):
                assert (await other.say({"op": "health"}))["ok"]
            assert (await other.say(a_signal()))["accepted"]
            got = 0
            while got < asked:
                got += (await loop.sock_recv(lazy, 1 << 16)).count(b"\n")
            await sending
            lazy.close()

    run(body)


def test_a_client_that_floods_lets_others_in(tmp_path: Path) -> None:
    """Its lines are answered a few in each turn; another's single one does not wait for all."""
    path, asked = tmp_path / SOCKET, 10_000

    async def body() -> None:
        async with serving(SignalDesk(), path):
            flood, other = await connect(path), await connect(path)
            answered = 0

            async def count() -> None:
                nonlocal answered
                while answered < asked:
                    await flood.reader.readline()
                    answered += 1

            counting = asyncio.get_running_loop().create_task(count())
            flood.writer.write(b'{"op":"uptime"}\n' * asked)
            while not answered:
                await asyncio.sleep(0)
            await other.say({"op": "uptime"})
            assert answered < asked / 2
            await counting

    run(body)


def test_a_subscriber_that_never_reads_is_cut_off(tmp_path: Path) -> None:
    """What it is told unasked is bounded."""
    path = tmp_path / SOCKET

    async def body() -> None:
        async with serving(SignalDesk(), path) as server:
            lazy = await connect(path)
            await lazy.say({"op": "subscribe"})
            (client,) = server.clients
            lazy.writer.transport.pause_reading()  # type: ignore[attr-defined]
            line = b"x" * 100_000
            for _ in range(100):
                client.tell(line)
            while server.clients:
                await asyncio.sleep(0)

    run(body)


def test_one_client_more_than_there_is_room_for_is_told(tmp_path: Path) -> None:
    """And finds room when another has left."""
    path = tmp_path / SOCKET

    async def body() -> None:
        async with serving(SignalDesk(), path) as server:
            peers = [await connect(path) for _ in range(MOST_CLIENTS)]
            while len(server.clients) < MOST_CLIENTS:
                await asyncio.sleep(0)
            late = await connect(path)
            assert "try later" in (await late.hear())["detail"]
            assert await late.reader.read() == b""
            peers[0].writer.close()
            while len(server.clients) == MOST_CLIENTS:
                await asyncio.sleep(0)
            assert (await (await connect(path)).say({"op": "uptime"}))["ok"]

    run(body)


def test_lines_sent_at_once_are_answered_before_hanging_up(tmp_path: Path) -> None:
    """As `printf … | nc -NU` sends them: all lines, then the end."""
    path = tmp_path / SOCKET

    async def body() -> None:
        async with serving(SignalDesk(), path):
            peer = await connect(path)
            peer.writer.write(b'{"op":"uptime"}\n' * 50 + b'{"op":"stop"}')
            peer.writer.write_eof()
            answers = (await peer.reader.read()).splitlines()
            assert len(answers) == 50
            assert all(json.loads(answer)["op"] == "uptime" for answer in answers)

    run(body)


def test_broken_books_end_the_session_not_just_the_client(tmp_path: Path) -> None:
    """What answering raises is raised by who serves."""

    def answer(line: bytes, client: object) -> bytes:
        raise InvariantBroken("the books do not add up")

    async def body() -> None:
        server = LineServer(tmp_path / SOCKET, answer, lambda detail: b"")
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(server.run())
            while not (tmp_path / SOCKET).exists():
                await asyncio.sleep(0)
            peer = await connect(tmp_path / SOCKET)
            peer.writer.write(b"{}\n")

    with pytest.raises(ExceptionGroup) as raised:
        run(body)
    assert raised.group_contains(InvariantBroken)
    assert not (tmp_path / SOCKET).exists()
