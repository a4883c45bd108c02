"""From a venue's name to a connection to it: the one door for sessions.

A venue without a client of its own goes through ccxt.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from importlib import import_module

from arb_pipelines.settings import Settings
from arb_pipelines.venues.base import VenueConnection

Opener = Callable[[Settings], AbstractAsyncContextManager[VenueConnection]]

#: Opens the connection of a venue that has a client of its own.
_OPENERS = {"kucoin": "arb_pipelines.venues.kucoin.connection:open_kucoin"}
#: Settings without which nothing connects, by venue; and through ccxt.
_NEEDS = {"kucoin": ("kucoin_url", "kucoin_key", "kucoin_secret", "kucoin_passphrase")}
_CCXT_NEEDS = ("ccxt_url", "ccxt_key", "ccxt_secret")


def open_venue(venue: str, settings: Settings) -> AbstractAsyncContextManager[VenueConnection]:
    """Connect to a venue with the keys of the settings, within the block.

    Raises:
        ConfigError: nobody knows the venue, or a setting is missing.
        VenueError: the venue does not answer, or turns the key away.
    """
    if venue not in _OPENERS:
        from arb_pipelines.venues.ccxt_any.connection import open_ccxt

        return open_ccxt(settings, venue)
    module, _, name = _OPENERS[venue].partition(":")
    opener: Opener = getattr(import_module(module), name)
    return opener(settings)


def missing_settings(venue: str, settings: Settings) -> list[str]:
    """Name what has to be set before ``open_venue`` can connect, as ``ARB_KUCOIN_KEY`` is."""
    return [
        f"ARB_{name.upper()}"
        for name in _NEEDS.get(venue, _CCXT_NEEDS)
        if not getattr(settings, name)
    ]
