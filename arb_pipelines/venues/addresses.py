"""Whose machine an address is of: the question on which the safety of a session rests."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

_PORTS = {"http": 80, "https": 443}


def is_loopback(url: str) -> bool:
    """Whether ``url`` names this machine: ``localhost``, or an address of loopback.

    What the name resolves to is seen to where the connection is made (``guarded_http``).
    """
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def travels_in_the_open(url: str) -> bool:
    """Whether what is sent to ``url`` can be read on its way: not encrypted, to another machine."""
    return urlsplit(url).scheme in ("http", "ws") and not is_loopback(url)


def account_name(venue: str, url: str, account: str, *, local: bool) -> str:
    """Name an account, however its venue's address is written.

    A venue that is ``local`` is known by the port of ``url``: each has accounts of its own.
    """
    if not local:
        return f"{venue}-{account}"
    parts = urlsplit(url)
    return f"local-{parts.port or _PORTS[parts.scheme]}-{account}"
