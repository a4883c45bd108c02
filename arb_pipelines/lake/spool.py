"""Rows on their way into the lake: Parquet files on disk, written beside the checking.

The files have the lake's own layout, so that a partition that is already in
order is adopted as it stands instead of being written a second time. A folder
of a process that died is removed by the next.
"""

from __future__ import annotations

import contextlib
import shutil
import uuid
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import filelock
import pyarrow as pa
import pyarrow.parquet as pq

from arb_pipelines.lake.parquet import ROW_GROUP_ROWS, parquet_writer

_MOST_OPEN = 64
_IN_FLIGHT = 2


@contextlib.contextmanager
def spool_folder(root: Path) -> Iterator[Path]:
    """A folder of this process under ``root``, gone at the end; also removes those of the dead."""
    root.mkdir(parents=True, exist_ok=True)
    for leftover in root.glob("*.lock"):
        with contextlib.suppress(filelock.Timeout), filelock.FileLock(leftover, blocking=False):
            shutil.rmtree(leftover.with_suffix(""), ignore_errors=True)
            leftover.unlink(missing_ok=True)
    folder = root / uuid.uuid4().hex
    lock = filelock.FileLock(folder.with_suffix(".lock"))
    with lock:
        folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            Path(lock.lock_file).unlink(missing_ok=True)


class Writer:
    """One thread that writes, so that reading and checking go on meanwhile.

    At most ``_IN_FLIGHT`` tables wait; more make the caller wait. An error of a
    write is raised by a later call.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="spool")
        self._waiting: deque[Future[None]] = deque()
        self._open: OrderedDict[Path, pq.ParquetWriter] = OrderedDict()
        self._parts: dict[Path, list[Path]] = {}

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)
        for writer in self._open.values():
            writer.close()

    def append(self, stem: Path, rows: pa.Table) -> None:
        """Write ``rows`` behind those already written under ``stem``."""
        self._submit(self._append, stem, rows)

    def finish(self, stem: Path) -> list[Path]:
        """Wait until everything under ``stem`` is on disk; give its files in order."""
        self._submit(self._close, stem)
        while self._waiting:
            self._waiting.popleft().result()
        return list(self._parts.get(stem, []))

    def _submit(self, work: Callable[..., None], *arguments: object) -> None:
        while len(self._waiting) >= _IN_FLIGHT:
            self._waiting.popleft().result()
        self._waiting.append(self._pool.submit(work, *arguments))

    def _append(self, stem: Path, rows: pa.Table) -> None:
        if stem not in self._open:
            if len(self._open) >= _MOST_OPEN:  # a recording of many days; spare file handles
                self._open.popitem(last=False)[1].close()
            parts = self._parts.setdefault(stem, [])
            parts.append(stem.with_name(f"{stem.name}-{len(parts)}.parquet"))
            self._open[stem] = parquet_writer(parts[-1], rows.schema)
        self._open.move_to_end(stem)
        # At the first batch of another dictionary a Parquet writer goes over to plain text.
        self._open[stem].write_table(rows.unify_dictionaries(), row_group_size=ROW_GROUP_ROWS)

    def _close(self, stem: Path) -> None:
        if stem in self._open:
            self._open.pop(stem).close()


class Spool:
    """The rows of one table of one partition, gathered into large row groups."""

    def __init__(self, stem: Path, writer: Writer) -> None:
        self._stem, self._writer = stem, writer
        self._gathered: list[pa.Table] = []
        self._gathered_rows = 0
        self.rows = 0

    def add(self, rows: pa.Table) -> None:
        """Take ``rows`` behind those before."""
        if not len(rows):
            return
        self._gathered.append(rows)
        self._gathered_rows += len(rows)
        self.rows += len(rows)
        if self._gathered_rows >= ROW_GROUP_ROWS:
            self.flush()

    def flush(self) -> None:
        """Let go of the rows in memory."""
        if self._gathered:
            rows = pa.concat_tables(self._gathered)
            self._gathered, self._gathered_rows = [], 0
            self._writer.append(self._stem, rows)

    def finish(self) -> list[Path]:
        """Files with all rows, in order; none if there were no rows."""
        self.flush()
        return self._writer.finish(self._stem)
