"""The landing folder: which partitions have files that the lake has not seen.

A recording is dropped at ``landing/<venue>/<format>/``, in subfolders if you
like, and stays there. Files whose name ends in ``.part`` or ``.tmp``, hidden
ones and those still growing are left alone. What each recording is (digest,
days) is remembered in ``landing.json`` beside the folder, so that a look is
cheap; that file may be deleted at any time. What cannot be taken as a whole is
left where it is, raises one alert, and does not keep the others out.

Symbol lists (``symbols…``) are not this module's.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import orjson

from arb_pipelines.alerts import raise_alert
from arb_pipelines.errors import DataError
from arb_pipelines.lake.ingest import (
    IngestReport,
    Progress,
    Source,
    find_sources,
    ingest_sources,
    is_finished,
)
from arb_pipelines.lake.intake import days_of, digest
from arb_pipelines.lake.readers.base import ReadOptions
from arb_pipelines.lake.readers.registry import format_named
from arb_pipelines.lake.store import Lake

_YOUNG_S = 5.0
_LOOK_AGAIN_S = 0.3


@dataclass(frozen=True, slots=True)
class LandedFile:
    """One recording in the landing folder. ``error`` tells why it touches no days: it is bad."""

    venue: str
    format: str
    source: Source
    sha256: str
    days: tuple[date, ...]
    error: str | None = None


@dataclass(frozen=True, slots=True)
class LandedPartition:
    """A (venue, day) with files to be taken. ``digest`` changes when one of them does."""

    venue: str
    day: date
    digest: str
    files: tuple[LandedFile, ...]


def pending(lake: Lake) -> tuple[LandedPartition, ...]:
    """List the partitions that landed files touch and that lack one of them, by venue and day.

    A file that is bad as a whole touches nothing; ``refusals`` tells of it.
    """
    partitions: dict[tuple[str, date], list[LandedFile]] = {}
    for file in landed(lake):
        for day in file.days:
            partitions.setdefault((file.venue, day), []).append(file)
    if not partitions:
        return ()
    taken = set(lake.query("SELECT venue, day, sha256 FROM ingests").rows())
    return tuple(
        LandedPartition(venue, day, _digest(files), tuple(files))
        for (venue, day), files in sorted(partitions.items())
        if any((venue, day, file.sha256) not in taken for file in files)
    )


def refusals(lake: Lake) -> tuple[str, ...]:
    """What the last look left out and why: bad files, and folders that are no format's."""
    return tuple(entry["error"] for entry in _index(lake).values() if entry["error"])


def ingest_landing(
    lake: Lake, venue: str, day: date, progress: Progress | None = None
) -> IngestReport:
    """Ingest all landed files that touch (``venue``, ``day``) into that partition, and no other.

    Rows that files from elsewhere gave to the partition stay. Without a landed
    file for the day nothing changes, and the report is empty.

    Raises:
        DataError: a file cannot be read any more.
    """
    files = [file for file in landed(lake) if file.venue == venue and day in file.days]
    report = IngestReport.empty(lake.snapshot())
    for format in sorted({file.format for file in files}):
        sources = [file.source for file in files if file.format == format]
        report += ingest_sources(
            lake, sources, venue=venue, format=format, only=[day], progress=progress
        )
    return report


def landed(lake: Lake) -> list[LandedFile]:
    """Look at every recording in the landing folder, by venue, format and name."""
    known, files = _index(lake), []
    recordings, foreign = _recordings(lake.settings.landing)
    entries: dict[str, Any] = {
        folder: {"stamp": [], "sha256": "", "days": [], "error": error}
        for folder, error in foreign.items()
    }
    for venue, format, source, stamp in _settled(recordings):
        key = f"{venue}/{source.name}"
        entry = known.get(key)
        if entry is None or entry["stamp"] != stamp:
            entry = {"stamp": stamp, **_look(format, source)}
        entries[key] = entry
        days = tuple(map(date.fromisoformat, entry["days"]))
        files.append(LandedFile(venue, format, source, entry["sha256"], days, entry["error"]))
    if entries != known:
        _remember(lake, entries)
        for key, entry in entries.items():
            if entry["error"] and entry != known.get(key):
                raise_alert(lake.settings, "landed file refused", file=key, reason=entry["error"])
    return files


def _index(lake: Lake) -> dict[str, Any]:
    index = lake.settings.root / "landing.json"
    known: dict[str, Any] = orjson.loads(index.read_bytes()) if index.exists() else {}
    return known


def _remember(lake: Lake, entries: dict[str, Any]) -> None:
    index = lake.settings.root / "landing.json"
    draft = index.with_name(f"{index.name}.{os.getpid()}.tmp")
    draft.write_bytes(orjson.dumps(entries))
    draft.replace(index)


_Stamp = list[list[int]]  # size and time of change of each file of a recording


def _recordings(landing: Path) -> tuple[list[tuple[str, str, Source]], dict[str, str]]:
    """The recordings by folder, and the folders with nothing but what no reader takes."""
    recordings, foreign = [], {}
    for folder in sorted(landing.glob("*/*/")):
        if folder.name.startswith((".", "symbols")):
            continue
        venue, format = folder.parent.name, folder.name
        try:
            for source in find_sources([folder], format_named(format), venue):
                # Two formats may use the same file name.
                named = Source(f"{format}/{source.name}", source.files)
                recordings.append((venue, format, named))
        except DataError as error:
            if any(is_finished(file, folder) for file in folder.rglob("*")):
                foreign[f"{venue}/{format}/"] = f"{folder}: {error.reason}"
    return recordings, foreign


def _settled(
    recordings: list[tuple[str, str, Source]],
) -> Iterator[tuple[str, str, Source, _Stamp]]:
    """Leave out recordings that are growing: young ones are looked at twice."""
    first = [_stamp(source) for _, _, source in recordings]
    now = time.time_ns()
    if any(changed > now - _YOUNG_S * 1e9 for stamp in first for _, changed in stamp):
        time.sleep(_LOOK_AGAIN_S)
    for (venue, format, source), stamp in zip(recordings, first, strict=True):
        if stamp and _stamp(source) == stamp:
            yield venue, format, source, stamp


def _stamp(source: Source) -> _Stamp:
    try:
        return [[stat.st_size, stat.st_mtime_ns] for stat in (f.stat() for f in source.files)]
    except FileNotFoundError:  # taken away while we look
        return []


def _look(format: str, source: Source) -> dict[str, object]:
    sha256 = digest(source.files)
    try:
        days = sorted(days_of(source.files[0], format_named(format), ReadOptions()))
    except DataError as error:
        return {"sha256": sha256, "days": [], "error": str(error)}
    return {"sha256": sha256, "days": [day.isoformat() for day in days], "error": None}


def _digest(files: list[LandedFile]) -> str:
    names = sorted(f"{file.source.name} {file.sha256}" for file in files)
    return hashlib.sha256("\n".join(names).encode()).hexdigest()
