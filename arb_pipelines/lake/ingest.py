"""Recorded books into the lake: read, judge, gather by day, commit.

Every row read is accepted or refused, and both are written down. Nothing is
written before all files have been read to the end, so that a bad file changes
nothing; then each (venue, day) is one transaction, whole or not at all, in
order of days. An ingest that is interrupted between two days is run again:
twice is the same as once.

Reading a format is the business of ``readers``, the rules of rows stand in
``validate``, joining with what the lake has in ``merge``.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path

from arb_pipelines.errors import ConfigError, DataError
from arb_pipelines.lake.commit import commit_partition
from arb_pipelines.lake.intake import Days, Intake, digest
from arb_pipelines.lake.markets import load_markets
from arb_pipelines.lake.naming import VenueMarkets
from arb_pipelines.lake.partition import NewRows
from arb_pipelines.lake.readers.base import Batch, ReadOptions
from arb_pipelines.lake.readers.registry import Format, format_named
from arb_pipelines.lake.spool import Writer, spool_folder
from arb_pipelines.lake.store import Lake
from arb_pipelines.market.symbols import Market

_UNFINISHED = (".part", ".tmp")
_VENUE = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}")

#: Called as files are read: name of the file, rows of it read so far.
Progress = Callable[[str, int], None]


@dataclass(frozen=True, slots=True)
class Source:
    """One recording to ingest: ``name`` is its name in the lake, ``files[0]`` what to read."""

    name: str
    files: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class PartitionReport:
    """What one ingest brought to one (venue, day)."""

    venue: str
    day: date
    rows_read: int
    rows_accepted: int
    rows_rejected: int
    gaps: int


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What one ingest did. ``reasons`` counts refused rows; ``silent`` ones are no book rows."""

    files: tuple[str, ...]
    partitions: tuple[PartitionReport, ...]
    reasons: dict[str, int]
    symbols: tuple[str, ...]
    silent: int
    snapshot: int

    @classmethod
    def empty(cls, snapshot: int) -> IngestReport:
        """Report of an ingest that had nothing to do."""
        return cls((), (), {}, (), 0, snapshot)

    def __add__(self, later: IngestReport) -> IngestReport:
        """Join the reports of two ingests, the later one second."""
        return IngestReport(
            self.files + later.files,
            self.partitions + later.partitions,
            dict(sorted((Counter(self.reasons) + Counter(later.reasons)).items())),
            tuple(sorted({*self.symbols, *later.symbols})),
            self.silent + later.silent,
            later.snapshot,
        )

    @property
    def rows_read(self) -> int:
        """Rows accepted and rejected."""
        return sum(part.rows_read for part in self.partitions)

    @property
    def rows_accepted(self) -> int:
        """Rows that are in ``book_tops`` now."""
        return sum(part.rows_accepted for part in self.partitions)

    @property
    def rows_rejected(self) -> int:
        """Rows that are in ``rejected_rows`` now."""
        return sum(part.rows_rejected for part in self.partitions)

    @property
    def gaps(self) -> int:
        """Breaks in update sequences."""
        return sum(part.gaps for part in self.partitions)


def check_venue(venue: str) -> None:
    """Refuse a name that cannot be a folder's.

    Raises:
        ConfigError: it has other characters, or is too long.
    """
    if not _VENUE.fullmatch(venue):
        raise ConfigError(f"{venue!r} cannot name a venue; use up to 63 of a-z, 0-9, '_', '.', '-'")


def find_sources(paths: Sequence[Path], format: Format, venue: str) -> list[Source]:
    """List the recordings of ``venue`` in ``paths``, files or folders, by name.

    A file is named after itself, one found in a folder after its path in it.
    Hidden files, unfinished ones (``.part``, ``.tmp``) and, in a folder, those
    that tell of another venue are left out.

    Raises:
        DataError: a path is not there, a file is another venue's, a folder has
            nothing of the format, or two recordings have the same name.
    """
    found: dict[str, Source] = {}
    for path in paths:
        for file, name in _files(path, format, venue):
            files = format.recording(file)
            if files[0] != file:
                name = str(Path(name).with_name(files[0].name))
            known = found.setdefault(name, Source(name, files))
            if known.files[0].resolve() != files[0].resolve():
                raise DataError(
                    f"two files named {name}; ingest their common folder", source=str(path)
                )
    return sorted(found.values(), key=lambda source: source.name)


def is_finished(file: Path, folder: Path) -> bool:
    """Whether ``file`` is one that somebody finished writing into ``folder``, and not hidden."""
    hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
    return file.is_file() and not hidden and not file.name.endswith(_UNFINISHED)


def _files(path: Path, format: Format, venue: str) -> Iterator[tuple[Path, str]]:
    if path.is_file():
        if not format.has_books_of(path, venue):
            raise DataError(f"holds no books of {venue}; is --venue right?", source=str(path))
        yield path, path.name
        return
    if not path.is_dir():
        raise DataError("no such file or folder", source=str(path))
    files = [
        file
        for file in sorted(path.rglob("*"))
        if is_finished(file, path)
        and file.name.endswith(format.suffixes or "")
        and format.has_books_of(file, venue)
    ]
    if not files:
        wanted = " or ".join(format.suffixes) or "recorded"
        raise DataError(f"the folder has no {wanted} files of {venue}", source=str(path))
    yield from ((file, file.relative_to(path).as_posix()) for file in files)


def ingest_files(
    lake: Lake,
    paths: Sequence[Path],
    *,
    venue: str,
    format: str,
    day: date | None = None,
    options: ReadOptions = ReadOptions(),  # noqa: B008 - frozen
    replace: bool = False,
    progress: Progress | None = None,
) -> IngestReport:
    """Read files or folders of recorded books into the lake.

    With ``day``, rows of other days are refused as 'other day'. ``replace``
    forgets the other sources of each partition that is written.

    Raises:
        DataError: a file cannot be read as what it should be; nothing was written.
        ConfigError: the venue's name cannot be a folder's.
    """
    kind = format_named(format)
    return ingest_sources(
        lake,
        find_sources(paths, kind, venue),
        venue=venue,
        format=format,
        day=day,
        options=options,
        replace=replace,
        progress=progress,
    )


def ingest_sources(
    lake: Lake,
    sources: Sequence[Source],
    *,
    venue: str,
    format: str,
    day: date | None = None,
    only: Collection[date] | None = None,
    options: ReadOptions = ReadOptions(),  # noqa: B008 - frozen
    replace: bool = False,
    progress: Progress | None = None,
) -> IngestReport:
    """Read recordings into the lake; arguments and errors as ``ingest_files``.

    ``only`` restricts the partitions that are written: rows of other days are
    not refused, they are not this ingest's business.
    """
    check_venue(venue)
    kind = format_named(format)
    markets = VenueMarkets(venue, _loader(lake, venue))
    with spool_folder(lake.root / "spool") as folder, Writer() as writer:
        days = Days(folder, writer, only)
        silent = 0
        for source in sources:
            intake = Intake(source.name, format, markets, days, day)
            _read(source, kind, options, intake, progress)
            silent += intake.silent
        parts = []
        symbols: set[str] = set()
        reasons: Counter[str] = Counter()
        for new in days:
            change = commit_partition(lake, venue, new, folder, writer, replace=replace)
            twins = -sum(change.get(name, 0) for name in new.sources)
            parts.append(_report(venue, new, twins))
            reasons += Counter(new.reasons) + Counter(duplicate=twins)
            symbols |= new.symbols
    return IngestReport(
        tuple(source.name for source in sources),
        tuple(parts),
        dict(sorted(reasons.items())),
        tuple(sorted(symbols)),
        silent,
        lake.snapshot(),
    )


def _loader(lake: Lake, venue: str) -> Callable[[date], tuple[Market, ...]]:
    """``load_markets``, asking the lake once a list instead of once a day."""
    days = lake.query("SELECT DISTINCT day FROM markets WHERE venue = ? ORDER BY day", [venue])
    listed: list[date] = days["day"].to_list()
    load = cache(lambda day: load_markets(lake, venue, day))

    def on(day: date) -> tuple[Market, ...]:
        newest = bisect_right(listed, day)
        return load(listed[newest - 1]) if newest else ()

    return on


def _read(
    source: Source,
    kind: Format,
    options: ReadOptions,
    intake: Intake,
    progress: Progress | None,
) -> None:
    """Take in one recording to its end: digest and next batch are read while one is judged."""
    path = source.files[0]
    with ThreadPoolExecutor(1) as beside, ThreadPoolExecutor(1) as ahead:
        sha256 = beside.submit(digest, source.files)
        batches = kind.load()(path, options)
        following = ahead.submit(_next, batches, path)
        while (batch := following.result()) is not None:
            following = ahead.submit(_next, batches, path)
            intake.take(batch)
            if progress is not None:
                progress(source.name, intake.rows)
        intake.finish(sha256.result())


def _next(batches: Iterator[Batch], path: Path) -> Batch | None:
    try:
        return next(batches, None)
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror or error}", source=str(path)) from None


def _report(venue: str, new: NewRows, twins: int) -> PartitionReport:
    """Count what the sources brought; ``twins`` of it turned out to be duplicates on merging."""
    sources = new.sources.values()
    accepted = sum(source.accepted for source in sources) - twins
    rejected = sum(source.rejected for source in sources) + twins
    gaps = sum(len(source.gaps) for source in sources)
    return PartitionReport(venue, new.day, accepted + rejected, accepted, rejected, gaps)
