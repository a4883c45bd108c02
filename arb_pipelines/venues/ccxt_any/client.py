"""ccxt's class of an exchange, made for one address: from a local one it goes nowhere else.

ccxt is an optional extra and is imported here, when it is first wanted. There is no
default address: where ccxt would know the exchange's own, it has to be told to use it.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from decimal import Decimal
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from arb_pipelines.errors import ConfigError, InvariantBroken
from arb_pipelines.settings import Settings
from arb_pipelines.venues.addresses import is_loopback
from arb_pipelines.venues.guarded_http import expect_secrecy, guarded_http

#: What ARB_CCXT_URL says for the addresses that ccxt knows of an exchange.
OWN_ADDRESSES = "venue"
TIMEOUT_MS = 5_000
_quiet = logging.getLogger(f"{__name__}.ccxt")
_quiet.setLevel(logging.WARNING)
#: ccxt asks again by itself where this is above 0: an order would be sent twice.
RETRIES = "maxRetriesOnFailure"
#: What single classes need to be told. KuCoin's: the classic API, spot alone, and books
#: that come whole, since its level-2 books do not notice a lost message.
OPTIONS: Mapping[str, Mapping[str, object]] = {
    "kucoin": {
        "uta": False,
        "hf": True,
        "fetchMarkets": {"types": ["spot"], "fetchTickersFees": False},
        "watchOrderBook": {"spotMethod": "/spotMarket/level2Depth50"},
    }
}


def address_of(settings: Settings) -> str:
    """Give the base address that ccxt is to use, or ``OWN_ADDRESSES``.

    Raises:
        ConfigError: none is set, or it is of another machine and not encrypted.
    """
    if settings.ccxt_url is None:
        raise ConfigError(
            "is not set; give an address from http:// or https:// on, such as that of a local "
            f"exchange, or {OWN_ADDRESSES} for those that ccxt knows of the exchange",
            source="ARB_CCXT_URL",
        )
    expect_secrecy(settings.ccxt_url, "ARB_CCXT_URL")
    return settings.ccxt_url.rstrip("/")


def make_client(settings: Settings, exchange: str, *, exact: bool) -> Any:
    """Make ccxt's client of ``exchange``; whoever asked closes it.

    With ``exact`` the numbers it gives are ``Decimal`` made from the venue's text; without,
    float64, as books take them. Its own retries are off, its throttle on but for a local
    exchange.

    Raises:
        ConfigError: ccxt is not installed or has no such exchange, or no address is set.
    """
    base = address_of(settings)
    made = careful(_class_of(exchange), local=is_loopback(base))
    secrets = {
        "apiKey": settings.ccxt_key,
        "secret": settings.ccxt_secret,
        "password": settings.ccxt_passphrase,
    }
    client = made(
        {name: secret.get_secret_value() for name, secret in secrets.items() if secret}
        | {
            "timeout": TIMEOUT_MS,
            "enableRateLimit": not is_loopback(base),
            "number": Decimal if exact else float,
            "options": {"defaultType": "spot", RETRIES: 0} | dict(OPTIONS.get(exchange, {})),
        }
    )
    refuse_retries(client.options, exchange)
    if base != OWN_ADDRESSES:
        client.urls["api"] = _redirected(client.urls["api"], base)
    return client


def _class_of(exchange: str) -> Any:
    """ccxt.pro's class where there is one, which also has streams, else the plain one."""
    try:
        plain, streaming = import_module("ccxt.async_support"), import_module("ccxt.pro")
    except ImportError:
        raise ConfigError(
            "is not installed; install it with: pip install 'arb-pipelines[ccxt]'", source="ccxt"
        ) from None
    for module in (streaming, plain):
        if exchange in module.exchanges:
            return getattr(module, exchange)
    raise ConfigError(f"ccxt {plain.__version__} knows no exchange {exchange!r}", source="venue")


def careful(known: Any, *, local: bool) -> Any:
    """Give the class, with what is ours to make sure of, whatever it does itself.

    A client of a ``local`` exchange goes to no other machine.
    """
    too_many = import_module("ccxt.base.errors").RateLimitExceeded

    class Careful(known):  # type: ignore[misc]
        session: Any
        logger = _quiet  # ccxt's own tells headers and bodies at DEBUG: key and signature

        def open(self) -> None:
            self.own_session = False  # ccxt prepares all but the connections
            super().open()
            if self.session is None:
                self.session = guarded_http(
                    local=local,
                    timeout=aiohttp.ClientTimeout(total=TIMEOUT_MS / 1000),
                    trust=self.ssl_context,
                )

        async def close(self, *arguments: Any, **named: Any) -> None:
            connections = self.session
            await super().close(*arguments, **named)
            if connections is not None:
                await connections.close()

        async def fetch(self, url: str, *arguments: Any, **named: Any) -> Any:
            if local:
                _expect_loopback(url)
            return await super().fetch(url, *arguments, **named)

        def client(self, url: str) -> Any:
            if local:
                _expect_loopback(url)
            return super().client(url)

        def handle_errors(self, code: int, *answer: Any) -> Any:
            if code == 429:  # which some classes take for an error that they do not know
                raise too_many(f"{self.id} HTTP 429")
            return super().handle_errors(code, *answer)

    Careful.__name__ = known.__name__
    return Careful


def _expect_loopback(url: str) -> None:
    if not is_loopback(url):
        raise InvariantBroken(
            f"ccxt would go to {urlsplit(url).netloc}, and the address set is this machine's"
        )


def _redirected(addresses: Any, base: str) -> Any:
    """The same tree of addresses with another server, their paths kept."""
    if isinstance(addresses, dict):
        return {name: _redirected(address, base) for name, address in addresses.items()}
    if not isinstance(addresses, str):
        return addresses
    path = urlsplit(addresses).path.rstrip("/")
    server = f"ws{base.removeprefix('http')}" if addresses.startswith("ws") else base
    return server + path


def refuse_retries(options: Any, exchange: str) -> None:
    """Expect that ccxt repeats nothing by itself, whatever the class's options say.

    Raises:
        InvariantBroken: it would.
    """
    if isinstance(options, dict):
        if options.get(RETRIES):
            raise InvariantBroken(f"ccxt's {exchange} repeats requests: an order might go twice")
        for value in options.values():
            refuse_retries(value, exchange)
