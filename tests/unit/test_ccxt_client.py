"""ccxt's classes as we make them: where they go, and what their exceptions mean."""

from __future__ import annotations

import asyncio
import decimal
import socket
import sys
from collections.abc import Mapping
from decimal import Decimal
from importlib import import_module
from typing import Any

import aiohttp
import ccxt.async_support
import pytest
from ccxt.base.decimal_to_precision import TICK_SIZE, TRUNCATE, decimal_to_precision

from arb_pipelines.errors import (
    ConfigError,
    Fatal,
    InvariantBroken,
    OutcomeUnknown,
    ProtocolViolation,
    Rejected,
    Transient,
    Unfunded,
    VenueError,
)
from arb_pipelines.settings import load_settings
from arb_pipelines.venues.ccxt_any.client import make_client
from arb_pipelines.venues.ccxt_any.failures import asking

theirs: Any = import_module("ccxt.base.errors")
SETTINGS = load_settings(ccxt_url="http://127.0.0.1:8420")


def test_every_class_goes_where_it_is_told_and_sends_once() -> None:
    """All of ccxt's exchanges: each address is the one that was set, no retries are on."""
    elsewhere = []
    for exchange in ccxt.async_support.exchanges:
        client = make_client(SETTINGS, exchange, exact=True)
        elsewhere += [
            (exchange, address)
            for address in leaves(client.urls["api"])
            if address.partition("://")[2].partition("/")[0] != "127.0.0.1:8420"
        ]
        assert client.options["maxRetriesOnFailure"] == 0
        assert client.number is Decimal
    assert elsewhere == []


def leaves(tree: Any) -> list[str]:
    """All texts of a tree of mappings."""
    if isinstance(tree, Mapping):
        return [leaf for branch in tree.values() for leaf in leaves(branch)]
    return [tree] if isinstance(tree, str) else []


def test_a_client_of_this_machine_stays_there() -> None:
    """Whatever asks it to go elsewhere, by REST or by WebSocket."""

    async def body() -> None:
        client = make_client(SETTINGS, "kucoin", exact=False)
        with pytest.raises(InvariantBroken, match=r"ccxt would go to api\.kucoin\.com"):
            await client.fetch("https://api.kucoin.com/api/v1/timestamp")
        with pytest.raises(InvariantBroken):
            client.client("wss://ws-api-spot.kucoin.com/?token=abc")
        await client.close()

    asyncio.run(body())


def test_the_exchanges_own_addresses_have_to_be_asked_for() -> None:
    """There is no default, and nothing else is an address."""
    with pytest.raises(ConfigError, match="ARB_CCXT_URL: is not set"):
        make_client(load_settings(ccxt_url=None), "kucoin", exact=False)
    with pytest.raises(ConfigError, match="ARB_CCXT_URL"):
        load_settings(ccxt_url="api.kucoin.com")
    client = make_client(load_settings(ccxt_url="venue"), "kucoin", exact=False)
    assert client.urls["api"]["public"] == "https://api.kucoin.com"
    assert client.enableRateLimit


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """An exchange that ccxt has not, and ccxt itself, with how to get it."""
    with pytest.raises(ConfigError, match="knows no exchange 'nowhere'"):
        make_client(SETTINGS, "nowhere", exact=False)
    monkeypatch.setitem(sys.modules, "ccxt.pro", None)
    with pytest.raises(ConfigError, match=r"pip install 'arb-pipelines\[ccxt\]'"):
        make_client(SETTINGS, "kucoin", exact=False)


def test_too_many_requests_are_told_by_their_status() -> None:
    """KuCoin's class does not know its own code for it."""
    client = make_client(SETTINGS, "kucoin", exact=False)
    body = '{"code":"429000","msg":"Too many requests"}'
    with pytest.raises(theirs.RateLimitExceeded):
        client.handle_errors(429, "", "", "POST", {}, body, {"code": "429000"}, {}, "")


REFUSED = aiohttp.ClientConnectorError(
    aiohttp.client_reqrep.ConnectionKey("x", 1, False, True, None, None, None), OSError()
)
LOST = aiohttp.ServerDisconnectedError()
CASES = [
    (theirs.RequestTimeout(), TimeoutError(), OutcomeUnknown, Transient),
    (theirs.ExchangeNotAvailable(), LOST, OutcomeUnknown, Transient),
    (theirs.ExchangeNotAvailable("503"), None, OutcomeUnknown, Transient),
    (theirs.OnMaintenance(), None, OutcomeUnknown, Transient),
    (theirs.BadResponse(), None, OutcomeUnknown, Transient),
    (theirs.ExchangeNotAvailable(), REFUSED, Transient, Transient),
    (theirs.ExchangeNotAvailable(), socket.gaierror(), Transient, Transient),
    (theirs.DDoSProtection(), None, Transient, Transient),
    (theirs.RateLimitExceeded(), None, Transient, Transient),
    (theirs.AuthenticationError(), None, Fatal, Fatal),
    (theirs.PermissionDenied(), None, Fatal, Fatal),
    (theirs.InvalidNonce(), None, Fatal, Fatal),
    (theirs.ChecksumError(), None, OutcomeUnknown, Transient),
    (theirs.InsufficientFunds(), None, Unfunded, Unfunded),
    (theirs.InvalidOrder(), None, Rejected, Rejected),
    (theirs.OrderNotFound(), None, Rejected, Rejected),
    (theirs.NotSupported(), None, Rejected, Rejected),
    (theirs.ExchangeError("code 4711"), None, OutcomeUnknown, Rejected),
    (theirs.ExchangeError(), aiohttp.ClientPayloadError(), OutcomeUnknown, Transient),
    (KeyError("data"), None, OutcomeUnknown, ProtocolViolation),
    (TimeoutError(), None, OutcomeUnknown, Transient),
]


@pytest.mark.parametrize(("error", "cause", "acts", "asks"), CASES)
def test_each_error_says_what_to_do_now(
    error: Exception,
    cause: Exception | None,
    acts: type[VenueError],
    asks: type[VenueError],
) -> None:
    """Of an order, and of a question."""
    for is_order, expected in ((True, acts), (False, asks)):
        with pytest.raises(VenueError) as caught, asking("it", acts=is_order):
            raise error from cause
        assert type(caught.value) is expected


def test_a_wait_that_ccxt_cancels_is_a_lost_connection() -> None:
    """It cancels what waits for a connection that it gives up; our own cancel stays one."""

    async def body() -> None:
        for acts, expected in ((True, OutcomeUnknown), (False, Transient)):
            waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            waiting.cancel()
            with pytest.raises(expected), asking("it", acts=acts):
                await waiting

        async def wait_for_ever() -> None:
            with asking("it", acts=False):
                await asyncio.get_running_loop().create_future()

        ours = asyncio.create_task(wait_for_ever())
        await asyncio.sleep(0)
        ours.cancel()
        with pytest.raises(asyncio.CancelledError):
            await ours

    asyncio.run(body())


def test_no_secret_gets_into_a_message() -> None:
    """Signatures travel in the query of the address that ccxt quotes."""
    quoted = "binance GET https://api.binance.com/api/v3/order?symbol=BTCUSDT&signature=cafe"
    with pytest.raises(Transient) as caught, asking("it", acts=False):
        raise theirs.RequestTimeout(quoted)
    assert "cafe" not in str(caught.value)
    assert "api/v3/order" in str(caught.value)


def test_ccxts_rounding_stays_with_ccxt() -> None:
    """It changes the decimal context that it finds."""
    before = decimal.getcontext().copy()
    with asking("it", acts=False):
        decimal_to_precision("0.129", TRUNCATE, "0.01", TICK_SIZE)
        assert decimal.getcontext().rounding == decimal.ROUND_HALF_UP
    assert decimal.getcontext().rounding == before.rounding
    assert decimal.getcontext().traps == before.traps
