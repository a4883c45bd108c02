"""The other end of the feed's benchmark: a venue's market data without a venue.

Answers for tokens, subscriptions and snapshots as the client asks, prints its port, and
on a line of its input sends ``SECONDS`` of messages at ``RATE``, each with a change of a
bid and of an ask. They are made beforehand, as the bytes of WebSocket frames, so that
sending costs next to nothing; the time it began is printed as ``time.monotonic_ns``.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Iterator

import numpy as np
from aiohttp import WSMsgType, web

from arb_pipelines.generator.symbols import make_listing
from arb_pipelines.venues.kucoin.streams import SYMBOLS_A_CONNECTION

SYMBOLS, RATE, SECONDS = 1300, 20_000, 20
#: Sequence numbers a message takes: one a change.
CHANGES = 2
_TICKS_A_SECOND = 1_000
_LEVELS, _MOVING, _SEED = 50, 10, 7
#: Frames sent at once: by connection.
Tick = list[bytes]


def main() -> None:
    """Serve until terminated."""
    import uvloop

    uvloop.run(_serve(make_ticks(sorted(make_listing(SYMBOLS, _SEED).pairs))))


def make_ticks(symbols: list[str]) -> list[Tick]:
    """Draw all messages and lay out what leaves in each millisecond on each connection."""
    random = np.random.default_rng(_SEED)
    total, a_tick = RATE * SECONDS, RATE // _TICKS_A_SECOND
    chosen = random.integers(0, len(symbols), total).tolist()
    levels = random.integers(0, _MOVING, (total, CHANGES)).tolist()
    sizes = random.integers(-3, 15, (total, CHANGES)).clip(0).tolist()
    numbers = [0] * len(symbols)
    connections = -(-len(symbols) // SYMBOLS_A_CONNECTION)
    ticks = []
    for first in range(0, total, a_tick):
        leaving: list[list[bytes]] = [[] for _ in range(connections)]
        for k in range(first, first + a_tick):
            symbol = chosen[k]
            frame = _frame(symbols[symbol], numbers[symbol], levels[k], sizes[k])
            numbers[symbol] += CHANGES
            leaving[symbol // SYMBOLS_A_CONNECTION].append(frame)
        ticks.append([b"".join(frames) for frames in leaving])
    return ticks


def _frame(symbol: str, number: int, levels: list[int], sizes: list[int]) -> bytes:
    bid, ask = (f"{100 + sign * (1 + k) / 100:.2f}" for sign, k in zip((-1, 1), levels))  # noqa: B905
    text = (
        f'{{"topic":"/market/level2:{symbol}","type":"message","subject":"trade.l2update",'
        f'"data":{{"changes":{{"asks":[["{ask}","{sizes[1]}","{number + 2}"]],'
        f'"bids":[["{bid}","{sizes[0]}","{number + 1}"]]}},"sequenceEnd":{number + 2},'
        f'"sequenceStart":{number + 1},"symbol":"{symbol}","time":1700000000000}}}}'
    ).encode()
    assert 125 < len(text) < 65_536
    return b"\x81\x7e" + len(text).to_bytes(2, "big") + text


async def _serve(ticks: list[Tick]) -> None:
    transports: dict[str, asyncio.Transport] = {}

    async def bullet(request: web.Request) -> web.Response:
        server = {
            "endpoint": f"ws://{request.host}/endpoint",
            "pingInterval": 18_000,
            "pingTimeout": 10_000,
        }
        return _answered({"token": "t", "instanceServers": [server]})

    async def snapshot(_request: web.Request) -> web.Response:
        bids, asks = (
            [[f"{100 + sign * (1 + k) / 100:.2f}", "1"] for k in range(_LEVELS)] for sign in (-1, 1)
        )
        return _answered({"time": 0, "sequence": "0", "bids": bids, "asks": asks})

    async def connect(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        await socket.send_json({"id": "", "type": "welcome"})
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                asked = json.loads(message.data)
                kind = "pong" if asked["type"] == "ping" else "ack"
                if kind == "ack":
                    assert request.transport is not None
                    first = asked["topic"].partition(":")[2].partition(",")[0]
                    transports[first] = request.transport
                await socket.send_json({"id": asked["id"], "type": kind})
        return socket

    app = web.Application()
    app.router.add_post("/api/v1/bullet-public", bullet)
    app.router.add_get("/api/v3/market/orderbook/level2", snapshot)
    app.router.add_get("/endpoint", connect)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    _say(runner.addresses[0][1])
    await asyncio.to_thread(sys.stdin.readline)
    await _send(ticks, list(_in_order(transports)))
    await asyncio.Event().wait()


def _in_order(transports: dict[str, asyncio.Transport]) -> Iterator[asyncio.Transport]:
    """Give the connections by the first symbol they subscribed, each once."""
    yield from dict.fromkeys(transports[first] for first in sorted(transports))


async def _send(ticks: list[Tick], transports: list[asyncio.Transport]) -> None:
    loop = asyncio.get_running_loop()
    _say(time.monotonic_ns())
    began = loop.time()
    for number, tick in enumerate(ticks):
        await asyncio.sleep(max(0.0, began + number / _TICKS_A_SECOND - loop.time()))
        for transport, frames in zip(transports, tick, strict=True):
            if frames:
                transport.write(frames)


def _answered(data: object) -> web.Response:
    return web.json_response({"code": "200000", "data": data})


def _say(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
