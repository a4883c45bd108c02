"""A connection around an exchange object of ccxt that somebody else made.

What trades is a client of our own, of the same class, with the given one's key, addresses,
proxies and options: exact numbers, no retries, and of a local exchange one that goes to no
other machine. The given object is neither changed nor closed; the two share its rate budget.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from decimal import Decimal
from importlib import import_module
from typing import Any

from arb_pipelines.errors import ConfigError
from arb_pipelines.venues.addresses import account_name, is_loopback
from arb_pipelines.venues.ccxt_any.client import OPTIONS, RETRIES, careful, refuse_retries
from arb_pipelines.venues.ccxt_any.connection import CcxtConnection, connection_of
from arb_pipelines.venues.ccxt_any.failures import asking
from arb_pipelines.venues.guarded_http import expect_secrecy

_SOURCE = "exchange"
_CREDENTIALS = (
    "apiKey", "secret", "password", "uid", "accountId", "login", "twofa", "privateKey",
    "walletAddress", "token",
)  # fmt: skip
_MANNERS = (
    "timeout", "rateLimit", "cafile", "hostname", "headers", "userAgent", "isSandboxModeEnabled",
)  # fmt: skip
_PROXIES = (
    "aiohttp_proxy", "proxyUrl", "proxy_url", "httpProxy", "http_proxy", "httpsProxy",
    "https_proxy", "socksProxy", "socks_proxy", "wsProxy", "ws_proxy", "wssProxy", "wss_proxy",
    "wsSocksProxy", "ws_socks_proxy", "proxyUrlCallback", "proxy_url_callback",
    "httpProxyCallback", "http_proxy_callback", "httpsProxyCallback", "https_proxy_callback",
    "socksProxyCallback", "socks_proxy_callback",
)  # fmt: skip


def expect_async(exchange: Any) -> None:
    """Expect an exchange object of ccxt whose calls are awaited.

    Raises:
        ConfigError: it is another, or ccxt is not there.
    """
    try:
        known, awaited = import_module("ccxt"), import_module("ccxt.async_support")
    except ImportError:
        raise ConfigError(
            "is not installed; install it with: pip install 'arb-pipelines[ccxt]'", source="ccxt"
        ) from None
    if isinstance(exchange, awaited.Exchange):
        return
    if isinstance(exchange, known.Exchange):
        raise ConfigError(
            f"ccxt.{exchange.id} is synchronous; give a ccxt.pro.{exchange.id} or a "
            f"ccxt.async_support.{exchange.id}",
            source=_SOURCE,
        )
    raise ConfigError(
        f"a {type(exchange).__name__} is no exchange object of ccxt; give one such as "
        "ccxt.pro.kucoin({'apiKey': ...})",
        source=_SOURCE,
    )


def is_local(exchange: Any) -> bool:
    """Whether every address that an exchange object calls is of this machine."""
    addresses = list(_addresses(exchange.urls["api"]))
    return bool(addresses) and all(is_loopback(address) for address in addresses)


@asynccontextmanager
async def around(exchange: Any) -> AsyncIterator[CcxtConnection]:
    """Connect as an exchange object of ccxt would, with markets and fees known.

    Raises:
        ConfigError: it has no key, or an address of another machine that is not encrypted.
        VenueError: the exchange does not answer, or turns the key away.
    """
    if not exchange.apiKey and not exchange.walletAddress:
        raise ConfigError(
            "has no apiKey; orders, and tests of orders, need one with its secret", source=_SOURCE
        )
    for address in _addresses(exchange.urls["api"]):
        expect_secrecy(address, _SOURCE)
    client = client_like(exchange)
    try:
        with asking(f"markets of {client.id}", acts=False):
            await client.load_markets()
        local = is_local(exchange)
        account = account_name(client.id, _base(exchange), await _identity(client), local=local)
        yield await connection_of(client, client, local=local, account_id=account)
    finally:
        await client.close()


def client_like(exchange: Any) -> Any:
    """Make a client that goes where the given one does, as it would; whoever asked closes it."""
    local, known = is_local(exchange), type(exchange)
    taken = _CREDENTIALS + _MANNERS + (() if local else _PROXIES)
    client = careful(known, local=local)(
        {name: getattr(exchange, name) for name in taken if getattr(exchange, name, None)}
        | {
            "verify": exchange.verify,
            "enableRateLimit": exchange.enableRateLimit and not local,
            "number": Decimal,
        }
    )
    own = {"defaultType": "spot", RETRIES: 0} | dict(OPTIONS.get(exchange.id, {}))
    theirs = {name: value for name, value in exchange.options.items() if name != "urls"}
    client.options = client.deep_extend(client.options, theirs, own)
    client.urls = client.deep_extend(exchange.urls)
    refuse_retries(client.options, exchange.id)
    if exchange.enableRateLimit and not local:
        client.throttler = exchange.throttler
    return client


async def _identity(client: Any) -> str:
    """Name the account: as our own client of the exchange does where there is one, else by key."""
    if client.id == "kucoin":
        with asking("account of the key", acts=False):
            return str((await client.private_get_user_api_key())["data"]["uid"])
    key = client.apiKey or client.walletAddress
    return hashlib.sha256(key.encode()).hexdigest()[:16]


def _base(exchange: Any) -> str:
    """The address by whose port a local exchange is known."""
    return next(_addresses(exchange.urls["api"]))


def _addresses(tree: Any) -> Iterator[str]:
    if isinstance(tree, dict):
        for branch in tree.values():
            yield from _addresses(branch)
    elif isinstance(tree, str):
        yield tree
