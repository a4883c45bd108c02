"""A recorder put together: what was left over, source, files, signals."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from arb_pipelines.errors import ConfigError
from arb_pipelines.lake.ingest import check_venue
from arb_pipelines.lake.recording.salvage import salvage
from arb_pipelines.research.recording import Recorded, Recorder
from arb_pipelines.research.recording_sources import (
    RecordedSource,
    open_ccxt_source,
    open_kucoin_source,
)
from arb_pipelines.research.session_process import on_loop, stopped_by_signals
from arb_pipelines.settings import Settings
from arb_pipelines.venues.kucoin.books import Channel

_CHANNELS = {channel.name.lower(): channel for channel in Channel}


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line asked for; see ``arb record --help``."""

    venue: str
    symbols: tuple[str, ...] | None
    minutes: float | None
    channel: str | None
    through_ccxt: bool


def run_recorder(
    settings: Settings,
    asked: Asked,
    *,
    remark: Callable[[str], None],
    on_flush: Callable[[Recorded], None],
) -> Recorded:
    """Record for ``minutes``, or until SIGTERM or Ctrl-C; ``remark`` is told of left-overs.

    Raises:
        ConfigError: venue, symbols or channel cannot be recorded, or a setting is missing.
        VenueError: the venue does not answer, or its feed ended.
        OSError: the disk takes no more. What was flushed is a file of its own.
    """
    check_venue(asked.venue)
    opened = _source(settings, asked)
    for left in salvage(settings.landing / asked.venue / "recording"):
        remark(
            f"{left.part}: cannot be finished: {left.error}"
            if left.error
            else f"{left.part.name}: finished for a recorder that was killed; {left.cut} torn "
            f"bytes cut off"
            if left.path
            else f"{left.part.name}: held no state, removed"
        )

    async def main() -> Recorded:
        stop = asyncio.Event()
        if asked.minutes is not None:
            asyncio.get_running_loop().call_later(asked.minutes * 60, stop.set)
        with stopped_by_signals(lambda _: stop.set()):
            async with opened as source:
                return await Recorder(source, settings.landing).run(stop, on_flush)

    return on_loop(main())


def _source(settings: Settings, asked: Asked) -> AbstractAsyncContextManager[RecordedSource]:
    if asked.venue != "kucoin" or asked.through_ccxt:
        if asked.channel is not None:
            raise ConfigError("is for KuCoin's own client; ccxt chooses itself", source="--channel")
        return open_ccxt_source(settings, asked.venue, asked.symbols)
    if asked.channel is not None and asked.channel not in _CHANNELS:
        raise ConfigError(
            f"{asked.channel!r} is none; choose one of {', '.join(_CHANNELS)}", source="--channel"
        )
    channel = _CHANNELS[asked.channel] if asked.channel else None
    return open_kucoin_source(settings, asked.symbols, channel)
