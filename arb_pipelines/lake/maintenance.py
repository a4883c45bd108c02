"""Upkeep of the lake: flush, merge, expire, clean. Safe beside running writers and readers.

Every step is a transaction of its own under the writers' lock. A file is
deleted only a day after the last snapshot that refers to it has gone, or, if no
snapshot ever did, a day after it was written: longer than any query or commit
takes. For the same reason a snapshot stays for a day at least.
"""

from __future__ import annotations

from dataclasses import dataclass

from arb_pipelines.clock import NS_PER_DAY, NS_PER_S, now_ns
from arb_pipelines.errors import ConfigError
from arb_pipelines.lake.store import Lake

#: Files below this size are merged with their neighbours in the partition.
SMALL_FILE_BYTES = 16 << 20

_GRACE_NS = NS_PER_DAY


@dataclass(frozen=True, slots=True)
class Upkeep:
    """What one run of maintenance did."""

    flushed_rows: int
    merged_files: int
    expired_snapshots: int
    kept_for_runs: int
    deleted_files: int


@dataclass(frozen=True, slots=True)
class TableSize:
    """One table of the newest snapshot. ``rows`` includes those still in the catalog."""

    table: str
    rows: int
    files: int
    bytes: int


def maintain(lake: Lake, *, keep_days: int = 30, now: int | None = None) -> Upkeep:
    """Flush inlined rows, merge small files, expire old snapshots, delete what nobody needs.

    A snapshot is kept for ``keep_days``, and for as long after a run that read
    it, so that every run of the last ``keep_days`` can be repeated on exactly
    what it saw. The newest snapshot always stays. ``now`` is in ns; default the
    clock's.

    Raises:
        ConfigError: ``keep_days`` is less than 1, or the lake was opened read-only.
    """
    if keep_days < 1:
        raise ConfigError(f"cannot keep {keep_days} days; give 1 or more", source="--keep-days")
    now = now_ns() if now is None else now
    grace = f"older_than => to_timestamp({(now - _GRACE_NS) / NS_PER_S})"
    flushed = flush(lake)
    with lake.alone() as connection:
        merged = connection.execute(
            f"CALL ducklake_merge_adjacent_files('lake', max_file_size => {SMALL_FILE_BYTES})"
        ).fetchall()
    oldest = now - keep_days * NS_PER_DAY
    with lake.alone() as connection:
        old = [
            int(version)
            for (version,) in connection.execute(
                "SELECT snapshot_id FROM lake.snapshots() WHERE epoch_ns(snapshot_time) < ? "
                "AND snapshot_id < (SELECT max(snapshot_id) FROM lake.snapshots())",
                [oldest],
            ).fetchall()
        ]
        read = {
            int(version)
            for (version,) in connection.execute(
                "SELECT DISTINCT lake_snapshot FROM runs WHERE ts_started >= ?", [oldest]
            ).fetchall()
        }
        expired = [version for version in old if version not in read]
        if expired:
            connection.execute(f"CALL ducklake_expire_snapshots('lake', versions => {expired})")
    with lake.alone() as connection:
        gone = connection.execute(f"CALL ducklake_cleanup_old_files('lake', {grace})").fetchall()
        gone += connection.execute(
            f"CALL ducklake_delete_orphaned_files('lake', {grace})"
        ).fetchall()
    return Upkeep(
        flushed_rows=flushed,
        merged_files=sum(int(before) for _, _, before, _ in merged),
        expired_snapshots=len(expired),
        kept_for_runs=len(old) - len(expired),
        deleted_files=len(gone),
    )


def flush(lake: Lake) -> int:
    """Move rows that wait in the catalog to files, which are quicker to read; return how many."""
    with lake.alone() as connection:
        done = connection.execute("CALL ducklake_flush_inlined_data('lake')").fetchall()
    return sum(int(rows) for _, _, rows in done)


def sizes(lake: Lake) -> list[TableSize]:
    """Rows, files and bytes of every table, by name."""
    with lake.reading() as connection:
        files = connection.execute(
            "SELECT table_name, file_count, file_size_bytes "
            "FROM ducklake_table_info('lake') ORDER BY table_name"
        ).fetchall()
        found = []
        for name, count, size in files:
            rows = connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()
            found.append(TableSize(name, int(rows[0]) if rows else 0, int(count), int(size)))
    return found
