"""From a venue's name to a connection to it: the one door for sessions."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from importlib import import_module

from arb_pipelines.errors import ConfigError
from arb_pipelines.settings import Settings
from arb_pipelines.venues.base import VenueConnection

#: Opens a venue's connection, by the venue's name.
_OPENERS = {"kucoin": "arb_pipelines.venues.kucoin.connection:open_kucoin"}


def open_venue(venue: str, settings: Settings) -> AbstractAsyncContextManager[VenueConnection]:
    """Connect to a venue with the keys of the settings, within the block.

    Raises:
        ConfigError: sessions cannot trade there, or a setting is missing.
        VenueError: the venue does not answer, or turns the key away.
    """
    if venue not in _OPENERS:
        raise ConfigError(
            f"sessions trade on {', '.join(sorted(_OPENERS))}; not on {venue}", source="venue"
        )
    module, _, name = _OPENERS[venue].partition(":")
    opener: Callable[[Settings], AbstractAsyncContextManager[VenueConnection]] = getattr(
        import_module(module), name
    )
    return opener(settings)
