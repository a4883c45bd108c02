"""HTTP connections to venues that take orders: what is meant for one goes nowhere else.

A redirect is never followed, by no request and no WebSocket: it would carry keys and
orders to whom nobody named. And whoever was given an address of this machine connects to
this machine alone, whatever a name resolves to and whatever a venue's answer names.
"""

from __future__ import annotations

import os
import socket
import ssl
from ipaddress import ip_address

import aiohttp

from arb_pipelines.errors import ConfigError
from arb_pipelines.venues.addresses import travels_in_the_open


class RedirectRefused(aiohttp.ClientError):
    """A server answered with a redirect, and was not followed."""


class LeavesThisMachine(PermissionError):
    """A connection would go elsewhere, and the venue's address is this machine's."""


def guarded_http(
    *,
    local: bool,
    timeout: aiohttp.ClientTimeout,
    trust: ssl.SSLContext | bool = True,
    most: int = 100,
) -> aiohttp.ClientSession:
    """Make a pool of ``most`` connections that follows no redirect; if ``local``, of this machine.

    Whoever asked closes it. ``trust`` says which certificates are good. Requests and
    WebSockets of it raise ``RedirectRefused``, or ``aiohttp.ClientConnectorError`` (by
    ``LeavesThisMachine``) before anything leaves.
    """
    tracing = aiohttp.TraceConfig()
    tracing.on_request_redirect.append(_refuse_redirect)
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            ssl=trust,
            limit=most,
            keepalive_timeout=60,
            ttl_dns_cache=300,
            socket_factory=_loopback_socket if local else None,
        ),
        timeout=timeout,
        trace_configs=[tracing],
    )


def expect_secrecy(url: str, source: str) -> None:
    """Refuse to talk in plain text to another machine: keys would travel in the open.

    Raises:
        ConfigError: ``url`` is http:// or ws:// and not of this machine.
    """
    if travels_in_the_open(url):
        raise ConfigError(
            "is of another machine and not encrypted, so that keys would travel in the open; "
            "give an address with https:// or wss://",
            source=source,
        )


def why(error: BaseException) -> str:
    """Say what went wrong; texts of aiohttp itself are left out, since they may hold keys."""
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if isinstance(cause, RedirectRefused | LeavesThisMachine):
        return str(cause)
    if isinstance(error, aiohttp.ClientConnectorError):
        number, said = error.os_error.errno or 0, error.os_error.strerror
        said = os.strerror(number) if number > 0 else said  # a name that is not found has its own
        return f"{error.host}:{error.port}: {said or type(error).__name__}"
    return type(error).__name__


async def _refuse_redirect(
    _session: aiohttp.ClientSession, _context: object, redirect: aiohttp.TraceRequestRedirectParams
) -> None:
    redirect.response.close()
    raise RedirectRefused(f"a redirect (HTTP {redirect.response.status}), which is not followed")


def _loopback_socket(address: aiohttp.AddrInfoType) -> socket.socket:
    """Make the socket of a connection; here every address is known, resolved or written."""
    family, kind, protocol, _, peer = address
    if not ip_address(peer[0]).is_loopback:
        raise LeavesThisMachine(f"it is at {peer[0]}, and the address set is this machine's")
    return socket.socket(family, kind, protocol)
