"""Downloads several of Tardis's files at once, each to its end or to a named failure."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

import aiohttp
import filelock

from arb_pipelines.errors import ConfigError, VenueError
from arb_pipelines.settings import Settings
from arb_pipelines.venues.retry import Patience, retrying
from arb_pipelines.venues.tardis.fetch import fetch
from arb_pipelines.venues.tardis.files import DataFile


class Status(StrEnum):
    """What became of a file."""

    DOWNLOADED = "downloaded"
    PRESENT = "present"  #: it was here already
    EMPTY = "empty"  #: the source has no data for that day
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one file. ``size`` in bytes; ``reason`` where it failed."""

    file: DataFile
    status: Status
    size: int = 0
    reason: str | None = None


class Watcher(Protocol):
    """Is told how the download goes."""

    def received(self, file: DataFile, there: int, whole: int | None) -> None:
        """``there`` bytes of ``file`` are here, of ``whole`` where the source said."""

    def finished(self, outcome: Outcome) -> None:
        """A file came to its end."""


def download(
    files: Sequence[DataFile],
    out: Path,
    settings: Settings,
    *,
    parallel: int = 4,
    patience: Patience | None = None,
    read_timeout_s: float = 60.0,
    watcher: Watcher | None = None,
) -> list[Outcome]:
    """Download ``files`` into ``out``, at most ``parallel`` at once; one outcome a file, in order.

    A file that is there is not asked for again. One that fails keeps the others
    going, and what came of it is where the next call goes on.

    Raises:
        ConfigError: another download into the same folder is running.
    """
    out.mkdir(parents=True, exist_ok=True)
    try:
        with filelock.FileLock(out / ".download.lock", timeout=0):
            crew = _Crew(out, settings, patience or Patience(), read_timeout_s, watcher)
            return asyncio.run(crew.work(files, parallel))
    except filelock.Timeout:
        raise ConfigError("another download into this folder is running", source=str(out)) from None


class _Crew:
    """Workers that take file after file."""

    def __init__(
        self,
        out: Path,
        settings: Settings,
        patience: Patience,
        read_timeout_s: float,
        watcher: Watcher | None,
    ) -> None:
        self._out, self._patience, self._watcher = out, patience, watcher
        self._base = settings.tardis_url.rstrip("/")
        # auto_decompress off and "gzip" accepted: the file itself is the gzip, and a
        # server that declares it as an encoding must not unpack it for us.
        self._headers = {
            "Accept-Encoding": "gzip",
            "User-Agent": f"arb-pipelines/{version('arb-pipelines')}",
        }
        if settings.tardis_api_key is not None:
            self._headers["Authorization"] = f"Bearer {settings.tardis_api_key.get_secret_value()}"
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=30, sock_read=read_timeout_s)

    async def work(self, files: Sequence[DataFile], parallel: int) -> list[Outcome]:
        outcomes: dict[int, Outcome] = {}
        waiting = iter(enumerate(files))

        async def worker(
            session: aiohttp.ClientSession, queue: Iterator[tuple[int, DataFile]]
        ) -> None:
            for position, file in queue:
                outcomes[position] = await self._bring(session, file)
                if self._watcher:
                    self._watcher.finished(outcomes[position])

        async with (
            aiohttp.ClientSession(
                headers=self._headers, timeout=self._timeout, auto_decompress=False
            ) as session,
            asyncio.TaskGroup() as group,
        ):
            for _ in range(min(parallel, len(files))):
                group.create_task(worker(session, waiting))
        return [outcomes[position] for position in range(len(files))]

    async def _bring(self, session: aiohttp.ClientSession, file: DataFile) -> Outcome:
        target = self._out / file.name
        if target.exists():
            return Outcome(file, Status.PRESENT, target.stat().st_size)
        url = f"{self._base}/{file.url_path}"

        def received(there: int, whole: int | None) -> None:
            if self._watcher:
                self._watcher.received(file, there, whole)

        try:
            async for attempt in retrying(self._patience):
                with attempt:
                    size = await fetch(session, url, target, received=received)
        except (VenueError, OSError) as error:  # OSError: no room or no right to write here
            return Outcome(file, Status.FAILED, reason=str(error))
        return (
            Outcome(file, Status.EMPTY) if size is None else Outcome(file, Status.DOWNLOADED, size)
        )
