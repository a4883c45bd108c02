"""Where orders and keys do not go: after a redirect, and off this machine."""

from __future__ import annotations

import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing

import aiohttp
import pytest
from aiohttp import web
from aiohttp.abc import ResolveResult
from aiohttp.test_utils import TestServer

from arb_pipelines.errors import ConfigError, OutcomeUnknown, Transient
from arb_pipelines.settings import Settings, load_settings
from arb_pipelines.venues.ccxt_any.client import make_client
from arb_pipelines.venues.ccxt_any.failures import asking
from arb_pipelines.venues.guarded_http import LeavesThisMachine, guarded_http
from arb_pipelines.venues.kucoin import rest
from arb_pipelines.venues.kucoin.account import KucoinAccount
from arb_pipelines.venues.kucoin.connection import open_kucoin
from arb_pipelines.venues.kucoin.order_entry import SocketOrderEntry
from arb_pipelines.venues.kucoin.rest import Rest
from arb_pipelines.venues.kucoin.streams import Stream
from tests.fakes.kucoin_server import KEY, PASSPHRASE, SECRET, fake_kucoin, on_loop, signer

#: An address for documentation: nobody has it.
ELSEWHERE = "192.0.2.1"
SECONDS = aiohttp.ClientTimeout(total=2.0)


def ccxt_settings(url: str) -> Settings:
    """Settings of ccxt at an address, with the keys of the fake."""
    return load_settings(ccxt_url=url, ccxt_key=KEY, ccxt_secret=SECRET, ccxt_passphrase=PASSPHRASE)


@asynccontextmanager
async def redirecting(to: str, status: int) -> AsyncIterator[str]:
    """Serve redirects of everything to the same path at another address."""

    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=status, headers={"Location": f"{to}{request.rel_url}"})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(app, host="127.0.0.1") as server:
        yield str(server.make_url("")).rstrip("/")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@on_loop
async def test_order_entry_and_streams_follow_no_redirect(status: int) -> None:
    """No login leaves for another address, and no order after it."""
    async with (
        fake_kucoin() as other,
        redirecting(other.url, status) as url,
        Rest(url, signer()) as client,
    ):
        entry = SocketOrderEntry(client, KucoinAccount(client), f"{url}/v1/private")
        with pytest.raises(Transient, match=f"redirect .HTTP {status}., which is not followed"):
            await entry._connection(lambda: None)
        with pytest.raises(OutcomeUnknown, match=f"HTTP {status}"):
            await client.call(rest.ORDER, body={"clientOid": "a"})
        assert other.requests == []
        assert other.orders == []


@pytest.mark.parametrize("status", [301, 307, 308])
@on_loop
async def test_ccxt_follows_no_redirect(status: int) -> None:
    """An order and its signature stay with whom they were for; what became of it is unknown."""
    async with fake_kucoin() as other, redirecting(other.url, status) as url:
        client = make_client(ccxt_settings(url), "kucoin", exact=True)
        try:
            for acts, expected in ((True, OutcomeUnknown), (False, Transient)):
                with pytest.raises(expected), asking("it", acts=acts):
                    await client.privatePostHfOrders({"clientOid": "a"})
        finally:
            await client.close()
        assert other.requests == []


@on_loop
async def test_a_local_client_connects_to_this_machine_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By an address, and by a name that says it is local and resolves elsewhere."""

    async def resolve(
        _self: object, host: str, port: int = 0, family: int = 0
    ) -> list[ResolveResult]:
        return [
            ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=0)
            for address in (ELSEWHERE, "192.0.2.2")
        ]

    monkeypatch.setattr(aiohttp.connector.DefaultResolver, "resolve", resolve)
    async with guarded_http(local=True, timeout=SECONDS) as http:
        for host in (ELSEWHERE, "[2001:db8::1]"):
            with pytest.raises(aiohttp.ClientConnectorError) as refused:
                await http.get(f"http://{host}:9/")
            assert isinstance(refused.value.os_error, LeavesThisMachine)
    async with Rest("http://localhost:9", signer()) as client:
        with pytest.raises(Transient, match=r"address set is this machine's\); not sent"):
            await client.call(rest.TIMESTAMP)
    ccxt = make_client(ccxt_settings("http://localhost:9"), "kucoin", exact=True)
    try:
        with pytest.raises(Transient, match="not sent"), asking("it", acts=True):
            await ccxt.privatePostHfOrders({"clientOid": "a"})
    finally:
        await ccxt.close()


@on_loop
async def test_a_venue_that_is_not_there_is_named() -> None:
    """Its address, and what the system says."""
    with closing(socket.socket()) as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
        async with Rest(f"http://127.0.0.1:{port}", signer()) as client:
            with pytest.raises(Transient, match=rf"127\.0\.0\.1:{port}: Connection refused"):
                await client.call(rest.TIMESTAMP)


@on_loop
async def test_a_token_of_a_local_exchange_leads_nowhere_else() -> None:
    """The stream that it names on another machine is not connected to."""
    async with fake_kucoin() as fake, fake.rest() as client:
        fake.url = f"http://{ELSEWHERE}:9"
        stream = Stream(
            client,
            ["/spotMarket/level1:BTC-USDT"],
            private=False,
            on_message=lambda _frame, _ts_recv: None,
            on_up=lambda: None,
            on_down=lambda: None,
        )
        with pytest.raises(Transient, match=f"{ELSEWHERE}, and the address set is this machine's"):
            await stream._connection(lambda: None)


@pytest.mark.parametrize("address", ["http://192.0.2.1", "http://venue.example:80/api"])
def test_keys_do_not_travel_in_the_open(address: str) -> None:
    """Plain text to another machine is refused before anything is opened."""
    with pytest.raises(ConfigError, match=r"ARB_KUCOIN_URL: .*https://"):
        Rest(address, signer())
    with pytest.raises(ConfigError, match=r"ARB_CCXT_URL: .*https://"):
        make_client(load_settings(ccxt_url=address), "kucoin", exact=True)


@on_loop
async def test_order_entry_does_not_travel_in_the_open() -> None:
    """Its address is another setting."""
    async with fake_kucoin() as fake:
        settings = load_settings(kucoin_url=fake.url, kucoin_entry_url=f"ws://{ELSEWHERE}/v1")
        with pytest.raises(ConfigError, match=r"ARB_KUCOIN_ENTRY_URL: .*wss://"):
            async with open_kucoin(settings):
                pass
        assert fake.requests == []


@on_loop
async def test_ccxt_logs_no_key(caplog: pytest.LogCaptureFixture) -> None:
    """Even where everything is logged: it would show headers and bodies."""
    caplog.set_level(logging.DEBUG)
    async with fake_kucoin() as fake:
        client = make_client(ccxt_settings(fake.url), "kucoin", exact=True)
        try:
            await client.privatePostHfOrders({"clientOid": "told-nobody"})
        finally:
            await client.close()
        assert fake.orders == [{"clientOid": "told-nobody"}]
    for secret in (KEY, PASSPHRASE, "KC-API-SIGN", "told-nobody"):
        assert secret not in caplog.text
