"""WebSocket sessions of the public and private topics, and what is sent to whom.

Sending never waits for the client: what was published is with the system when ``flush``
returns, so what is told before a request is answered reaches the client first, and a
client that stops reading is cut off, as the venue would. What was published for a
session since the last ``flush`` leaves in one write. What it says belongs in ``messages``.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Collection
from functools import lru_cache

import orjson
from aiohttp import WSMsgType, web

from arb_pipelines.exchange.server import topics
from arb_pipelines.exchange.server.faults import Faults, Kind
from arb_pipelines.exchange.server.tokens import Grant, Tokens

PING_INTERVAL_MS, PING_TIMEOUT_MS = 18_000, 10_000
_SILENCE_S = (PING_INTERVAL_MS + PING_TIMEOUT_MS) / 1000
#: A client this far behind is cut off, bytes.
_BACKLOG_MAX = 32 << 20
#: aiohttp waits for the client past this; it never shall.
_NEVER = 1 << 62

#: Topics and users whose messages' beginnings and ends are remembered.
_REMEMBERED = 1 << 14

#: A topic with its symbol, and for private ones the user.
Address = tuple[str, str | None]


class _Complaint(Exception):
    """An error message to the client: KuCoin's ``code`` and text."""

    def __init__(self, code: int, text: str) -> None:
        self.code, self.text = code, text
        super().__init__(text)


class Session:
    """One connection and what it subscribed to."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self.addresses: set[Address] = set()
        self._outbox: list[bytes] = []
        self._held: bytes | None = None

    def put(self, message: bytes) -> None:
        """Let a text message leave with the next ``flush``."""
        self._outbox.append(text_frame(message))

    def put_frame(self, frame: bytes) -> None:
        """Let a framed message leave with the next ``flush``, and what was held after it."""
        self._outbox.append(frame)
        if self._held is not None:
            self.release()

    def hold(self, message: bytes) -> None:
        """Keep ``message`` until the next one went out before it."""
        self.release()
        self._held = message

    def release(self) -> None:
        """Put what was held."""
        if self._held is not None:
            self.put(self._held)
            self._held = None

    def flush(self) -> None:
        """Write what was put without waiting for the client; cut it off if far behind."""
        leaving, self._outbox = self._outbox, []
        if self._transport.is_closing():
            return
        if self._transport.get_write_buffer_size() > _BACKLOG_MAX:
            self._transport.abort()
        else:
            self._transport.write(b"".join(leaving))

    def cut(self) -> None:
        """End the connection without a goodbye."""
        self._transport.abort()


def text_frame(message: bytes) -> bytes:
    """Frame a text message as a server sends it: whole, unmasked (RFC 6455, 5.2)."""
    size = len(message)
    if size < 126:
        return bytes((0x81, size)) + message
    if size < 1 << 16:
        return b"\x81\x7e" + size.to_bytes(2) + message
    return b"\x81\x7f" + size.to_bytes(8) + message


class Streams:
    """Sessions by topic. ``has_symbol`` tells whether a symbol is listed."""

    def __init__(self, tokens: Tokens, faults: Faults, has_symbol: Callable[[str], bool]) -> None:
        self._tokens, self._faults, self._has_symbol = tokens, faults, has_symbol
        self._sessions: set[Session] = set()
        self._subscribers: defaultdict[Address, set[Session]] = defaultdict(set)
        self._leaving: dict[Session, None] = {}

    def wanted(self, topic: str, user: str | None = None) -> bool:
        """Whether anybody subscribed, so that a message is worth making."""
        return bool(self._subscribers.get((topic, user)))

    def publish(self, topic: str, subject: str, data: object, user: str | None = None) -> None:
        """Put ``data`` for everybody who subscribed ``topic`` (of ``user``, if private)."""
        sessions = self._subscribers.get((topic, user))
        if not sessions:
            return
        message = b"".join((_before(topic, subject), orjson.dumps(data), _after(user)))
        frame, faulty = text_frame(message), self._faults.armed
        for session in sessions:
            if faulty:
                self._put_faulty(session, topic, message)
            else:
                session.put_frame(frame)
            self._leaving[session] = None

    def flush(self) -> None:
        """Send all that was published since the last time."""
        for session in self._leaving:
            session.flush()
        self._leaving.clear()

    def _put_faulty(self, session: Session, topic: str, message: bytes) -> None:
        if self._faults.strike(Kind.GAP, topic):
            return
        if self._faults.strike(Kind.REORDER, topic):
            session.hold(message)
            return
        session.put(message)
        if self._faults.strike(Kind.DUPLICATE, topic):
            session.put(message)
        session.release()

    def subscriptions(self) -> dict[str, int]:
        """Count the sessions of each topic."""
        counts: Counter[str] = Counter()
        for (topic, _), sessions in self._subscribers.items():
            counts[topic] += len(sessions)
        return {topic: count for topic, count in counts.items() if count}

    def cut_all(self) -> int:
        """Cut every session off; return how many there were."""
        sessions = tuple(self._sessions)
        for session in sessions:
            session.cut()
        return len(sessions)

    async def connect(self, request: web.Request) -> web.StreamResponse:
        """Serve one session from its handshake to its end."""
        socket = web.WebSocketResponse(writer_limit=_NEVER, compress=False, autoping=True)
        await socket.prepare(request)
        grant = self._tokens.grant_of(request.query.get("token", ""))
        connect_id = request.query.get("connectId", "")
        if grant is None:
            await _complain(socket, connect_id, _Complaint(401, "token is expired"))
            await socket.close()
            return socket
        assert request.transport is not None
        session = Session(request.transport)
        self._sessions.add(session)
        try:
            _say(session, {"id": connect_id, "type": "welcome"})
            await self._converse(socket, session, grant)
        finally:
            self._sessions.discard(session)
            for address in session.addresses:
                self._subscribers[address].discard(session)
        return socket

    async def _converse(
        self, socket: web.WebSocketResponse, session: Session, grant: Grant
    ) -> None:
        while True:
            try:
                frame = await socket.receive(timeout=_SILENCE_S)
            except TimeoutError:
                await _complain(socket, "", _Complaint(400, "ping timeout"))
                await socket.close()
                return
            if frame.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                return
            try:
                request = orjson.loads(frame.data)
            except orjson.JSONDecodeError:
                request = None
            if not isinstance(request, dict):
                await _complain(socket, "", _Complaint(400, "the message is no JSON object"))
                continue
            identity = str(request.get("id", ""))
            try:
                _say(session, self._answer(session, grant, identity, request))
            except _Complaint as complaint:
                await _complain(socket, identity, complaint)

    def _answer(
        self, session: Session, grant: Grant, identity: str, request: dict[str, object]
    ) -> dict[str, object]:
        kind = request.get("type")
        if kind == "ping":
            return {"id": identity, "type": "pong"}
        if kind not in ("subscribe", "unsubscribe"):
            raise _Complaint(415, f"type {kind} is not supported")
        addresses = self._addresses(str(request.get("topic", "")), grant)
        if kind == "unsubscribe":
            for address in addresses:
                self._subscribers[address].discard(session)
            session.addresses -= addresses
        else:
            if len(session.addresses | addresses) > topics.SESSION_MAX:
                raise _Complaint(509, f"exceed max subscription count of {topics.SESSION_MAX}")
            for address in addresses:
                self._subscribers[address].add(session)
            session.addresses |= addresses
        return {"id": identity, "type": "ack"}

    def _addresses(self, text: str, grant: Grant) -> set[Address]:
        name, symbols = topics.parse_topic(text)
        if name in topics.PRIVATE:
            if grant.user is None:
                raise _Complaint(403, f"topic {text} login is required")
            return {(name, grant.user)}
        if name not in topics.OF_SYMBOLS or not symbols or not self._all_listed(name, symbols):
            raise _Complaint(404, f"topic {text} is not found")
        if len(symbols) > topics.REQUEST_MAX:
            raise _Complaint(509, f"exceed max subscription count of {topics.REQUEST_MAX}")
        return {(f"{name}:{symbol}", None) for symbol in symbols}

    def _all_listed(self, name: str, symbols: Collection[str]) -> bool:
        if name == topics.TICKER and list(symbols) == ["all"]:
            return True
        return all(self._has_symbol(symbol) for symbol in symbols)


@lru_cache(_REMEMBERED)
def _before(topic: str, subject: str) -> bytes:
    """A message up to its data."""
    head = orjson.dumps({"topic": topic, "type": "message", "subject": subject})
    return head[:-1] + b',"data":'


@lru_cache(_REMEMBERED)
def _after(user: str | None) -> bytes:
    """A message from its data on: whom it is for, if it is private."""
    if user is None:
        return b"}"
    return b"," + orjson.dumps({"userId": user, "channelType": "private"})[1:]


def _say(session: Session, document: dict[str, object]) -> None:
    session.put(orjson.dumps(document))
    session.flush()


async def _complain(socket: web.WebSocketResponse, identity: str, complaint: _Complaint) -> None:
    document = {"id": identity, "type": "error", "code": complaint.code, "data": complaint.text}
    if not socket.closed:
        await socket.send_frame(orjson.dumps(document), WSMsgType.TEXT)
