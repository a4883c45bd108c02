"""One recording, batch by batch: judged, and dealt out to the days its rows fall on.

A row without a usable time belongs to the day of the row before it, or of the
first row that has one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from arb_pipelines.clock import NS_PER_DAY, day_of, day_start_ns
from arb_pipelines.errors import DataError
from arb_pipelines.lake.naming import FileSymbols, VenueMarkets
from arb_pipelines.lake.partition import NewRows, SourceRows
from arb_pipelines.lake.readers.base import Batch, Gap, ReadOptions, Rejected
from arb_pipelines.lake.readers.registry import Format
from arb_pipelines.lake.rejects import refused, unparsed
from arb_pipelines.lake.rules import MAX_TS, MIN_TS, OTHER_DAY, REASONS
from arb_pipelines.lake.spool import Writer
from arb_pipelines.lake.validate import Column, Judge

_NO_DAY = -1
DayNos = npt.NDArray[np.int64]


class Days:
    """The partitions that an ingest touches. ``only`` leaves out all other days."""

    def __init__(self, folder: Path, writer: Writer, only: Collection[date] | None) -> None:
        self._folder, self._writer, self._only = folder, writer, only
        self._days: dict[date, NewRows] = {}

    def on(self, day_no: int) -> NewRows | None:
        """The partition of the day ``day_no``, None if it is left out."""
        day = day_of(day_no * NS_PER_DAY)
        if self._only is not None and day not in self._only:
            return None
        if day not in self._days:
            self._days[day] = NewRows(self._folder, day, self._writer)
        return self._days[day]

    def __iter__(self) -> Iterator[NewRows]:
        """Partitions in order of days."""
        return iter([self._days[day] for day in sorted(self._days)])


class Intake:
    """Takes the batches of one recording; see the module.

    ``day`` refuses rows of any other day, and writes the refusals down under it.
    """

    def __init__(
        self, name: str, format: str, markets: VenueMarkets, days: Days, day: date | None
    ) -> None:
        self._name, self._format = name, format
        self._markets, self._days = markets, days
        self._wanted = None if day is None else day_start_ns(day) // NS_PER_DAY
        self._symbols = FileSymbols(markets)
        self._judge = Judge()
        self._parts: dict[date, SourceRows] = {}
        self._day_before = _NO_DAY if self._wanted is None else self._wanted
        self._dayless: list[pa.Table] = []
        self.rows = 0
        self.silent = 0

    def take(self, batch: Batch) -> None:
        """Judge a batch and deal its rows out."""
        self.rows += len(batch.rows) + len(batch.rejected)
        self.silent += batch.silent
        days = self._take_rows(batch) if len(batch.rows) else np.empty(0, np.int64)
        if batch.rejected:
            self._take_rejected(batch, days)
        for gap in batch.gaps:
            self._take_gap(gap)
        if len(days):
            self._day_before = int(days[-1])

    def finish(self, sha256: str) -> None:
        """Note the digest, and let go of the rows in memory.

        Raises:
            DataError: there was no row, or none with a time.
        """
        if not self.rows:
            raise DataError("holds no book rows", source=self._name)
        if self._dayless:
            raise DataError(
                "no row has a time that can be used; check column, unit and format",
                source=self._name,
            )
        for part in self._parts.values():
            part.sha256 = sha256
        for new in self._days:
            new.flush()

    # -- rows --------------------------------------------------------------------------

    def _take_rows(self, batch: Batch) -> DayNos:
        """Judge and deal out ``batch.rows``; give the day that each belongs to."""
        rows = batch.rows
        code = self._symbols.encode(rows)
        own = _own_days(rows)
        present = _distinct(own)
        present = present[present != _NO_DAY]
        index = np.searchsorted(present, own) if len(present) > 1 else np.empty(0, np.int64)
        known = self._symbols.known(present.tolist())
        reasons = self._judge(rows, code, known, index.astype(np.int32), batch.other_segment)
        if self._wanted is None:
            days = _filled(own, self._day_before)
        else:
            reasons[(own != _NO_DAY) & (own != self._wanted)] = OTHER_DAY
            days = np.full(len(own), self._wanted)
        self._place_dayless(int(days[0]))
        for day_no in _distinct(days).tolist():
            self._deal(day_no, rows, code, reasons, days == day_no)
        return days

    def _deal(
        self,
        day_no: int,
        rows: pa.Table,
        code: npt.NDArray[np.int32],
        reasons: npt.NDArray[np.uint8],
        mine: npt.NDArray[np.bool_],
    ) -> None:
        """Give the day ``day_no`` the rows that are ``mine``."""
        taken = (reasons == 0) & mine
        bad = (reasons != 0) & mine
        if bad.any():
            self._refuse(day_no, refused(self._name, rows.filter(pa.array(bad)), reasons[bad]))
        new = self._days.on(day_no) if day_no != _NO_DAY else None
        if new is None or not taken.any():
            return
        if not taken.all():
            rows, code = rows.filter(pa.array(taken)), code[taken]
        by_code = self._symbols.on(day_no)
        present = [by_code[index] for index in np.flatnonzero(np.bincount(code)).tolist()]
        symbols = sorted({symbol for symbol in present if symbol is not None})
        number = {symbol: index for index, symbol in enumerate(symbols)}
        numbers = np.array([number.get(symbol or "", -1) for symbol in by_code], np.int32)
        new.accept(self._part(new), rows, numbers[code], symbols)
        inferred = self._markets.on(day_no).inferred
        new.inferred |= {symbol: inferred[symbol] for symbol in symbols if symbol in inferred}

    def _take_rejected(self, batch: Batch, days: DayNos) -> None:
        """Write down what the reader refused, each under its day."""
        row_numbers = batch.rows["row"].to_numpy()
        before = np.searchsorted(row_numbers, [one.row for one in batch.rejected]) - 1
        by_day: dict[int, list[Rejected]] = {}
        for one, index in zip(batch.rejected, before.tolist(), strict=True):
            timed = one.ts_recv is not None and MIN_TS <= one.ts_recv < MAX_TS
            own = one.ts_recv // NS_PER_DAY if timed and one.ts_recv is not None else _NO_DAY
            if self._wanted is not None:
                if own not in (_NO_DAY, self._wanted):
                    one = replace(one, reason=REASONS[OTHER_DAY])
                own = self._wanted
            elif own == _NO_DAY:
                own = int(days[index]) if index >= 0 else self._day_before
            if own == _NO_DAY and len(days):
                own = int(days[0])
            by_day.setdefault(own, []).append(one)
        for day_no, rejected in by_day.items():
            self._place_dayless(day_no)
            self._refuse(day_no, unparsed(self._name, rejected))

    def _refuse(self, day_no: int, rows: pa.Table) -> None:
        if day_no == _NO_DAY:
            self._dayless.append(rows)
        elif (new := self._days.on(day_no)) is not None:
            new.reject(self._part(new), rows)

    def _place_dayless(self, day_no: int) -> None:
        if self._dayless and day_no != _NO_DAY:
            waiting, self._dayless = self._dayless, []
            for rows in waiting:
                self._refuse(day_no, rows)

    def _take_gap(self, gap: Gap) -> None:
        day_no = gap.ts_recv // NS_PER_DAY
        if self._wanted not in (None, day_no):
            return
        new = self._days.on(day_no)
        if new is not None:
            symbol = self._markets.on(day_no).symbol(gap.symbol, None, None)
            self._part(new).gaps.append(replace(gap, symbol=symbol or gap.symbol))

    def _part(self, new: NewRows) -> SourceRows:
        if new.day not in self._parts:
            part = SourceRows(self._name, self._format)
            self._parts[new.day] = new.sources[self._name] = part
        return self._parts[new.day]


def _own_days(rows: pa.Table) -> DayNos:
    """Day of each row's ts_recv, ``_NO_DAY`` where it has none that can be used."""
    ts = Column.of(rows["ts_recv"])
    days: DayNos = ts.values // NS_PER_DAY
    unusable = (ts.values < MIN_TS) | (ts.values >= MAX_TS)  # nulls are 0
    days[unusable] = _NO_DAY
    return days


def _distinct(days: DayNos) -> DayNos:
    # Sorting is dear, and one day is the rule.
    return days[:1].copy() if (days == days[0]).all() else np.unique(days)


def _filled(days: DayNos, before: int) -> DayNos:
    """Give rows without a day that of the row before, or of the first one that has one."""
    has = days != _NO_DAY
    if has.all():
        return days
    last = np.maximum.accumulate(np.where(has, np.arange(len(days)), -1))
    first = int(days[np.argmax(has)]) if has.any() else _NO_DAY
    lead = before if before != _NO_DAY else first
    return np.where(last >= 0, days[last], lead)


def days_of(path: Path, kind: Format, options: ReadOptions) -> set[date]:
    """UTC days on which rows of a recording fall; reads it, but judges nothing.

    Raises:
        DataError: as the format's reader, and if no row has a time.
    """
    day_nos: set[int] = set()
    for batch in kind.load()(path, options):
        if len(batch.rows):
            day_nos |= set(_distinct(_own_days(batch.rows)).tolist())
        day_nos |= {
            one.ts_recv // NS_PER_DAY
            for one in batch.rejected
            if one.ts_recv is not None and MIN_TS <= one.ts_recv < MAX_TS
        }
    day_nos.discard(_NO_DAY)
    if not day_nos:
        raise DataError("no row has a time that can be used", source=str(path))
    return {day_of(day_no * NS_PER_DAY) for day_no in day_nos}


def digest(files: Sequence[Path]) -> str:
    """SHA-256 of a recording: of its file, or of its files' digests."""
    digests = []
    for file in files:
        with file.open("rb") as opened:
            digests.append(hashlib.file_digest(opened, "sha256").hexdigest())
    if len(digests) == 1:
        return digests[0]
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()
