"""How much memory one call may add to its process, and how much it did.

Both are the operating system's own accounts of the process. So they are a call's
only where the process runs one call at a time, and no module of ours pretends to
know them elsewhere.
"""

from __future__ import annotations

import mmap
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from arb_pipelines.containers.calls import one_line
from arb_pipelines.errors import ConfigError

MIB = 1 << 20
_MOST_MIB = 1 << 30
_STATUS = Path("/proc/self/status")
_CLEAR_REFS = Path("/proc/self/clear_refs")


@dataclass(frozen=True, slots=True)
class _Limit:
    """A limit that is in force, and the one that was before it."""

    mib: int
    before: tuple[int, int]

    def lift(self) -> None:
        resource.setrlimit(resource.RLIMIT_DATA, self.before)


_in_force: _Limit | None = None


@contextmanager
def limited(limit_mib: int | None) -> Iterator[None]:
    """Let the process add at most ``limit_mib`` to its data within the block.

    Data is what RLIMIT_DATA counts: heap and private writable mappings, not files
    mapped read-only. Memory that the process had freed but not given back is used
    first and does not count. Native code that cannot bear a refused allocation may
    abort the process instead of raising. The limit is lifted by the error that it
    causes, so that what tidies up has memory; None is the limit of the block around.

    Raises:
        MemoryError: the block needed more.
        ConfigError: the operating system does not enforce the limit.
    """
    global _in_force
    around = _in_force
    limit = around if limit_mib is None else _impose(limit_mib)
    if limit is None:
        yield
        return
    _in_force = limit
    try:
        yield
    except MemoryError as error:
        limit.lift()
        reason = f"needed more than its limit of {limit.mib} MiB: {one_line(error)}"
        raise MemoryError(reason) from None
    finally:
        _in_force = around
        if limit is not around:
            limit.lift()


def _impose(limit_mib: int) -> _Limit:
    check_limit(limit_mib)
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    most = _status_bytes("VmData") + limit_mib * MIB
    for other in (soft, hard):
        most = most if other == resource.RLIM_INFINITY else min(most, other)
    resource.setrlimit(resource.RLIMIT_DATA, (most, hard))
    return _Limit(limit_mib, (soft, hard))


def check_limit(limit_mib: int) -> None:
    """Refuse a memory limit that is none, or that nobody would enforce.

    Raises:
        ConfigError: it is below 1 MiB or beyond any machine's, or allocations pass it on
            this system.
    """
    if not 1 <= limit_mib <= _MOST_MIB:
        raise ConfigError(
            f"{limit_mib} MiB: give at least 1, at most {_MOST_MIB}", source="memory_limit_mib"
        )
    if not _is_enforced():
        raise ConfigError(
            "this system does not enforce RLIMIT_DATA (Linux 4.7 and later do); "
            "leave the limit out, or limit the processes with the system's own means",
            source="memory_limit_mib",
        )


@lru_cache(maxsize=1)
def _is_enforced() -> bool:
    if not _STATUS.exists():
        return False
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    room, asked = 16 * MIB, 64 * MIB
    try:
        resource.setrlimit(resource.RLIMIT_DATA, (_status_bytes("VmData") + room, hard))
        mmap.mmap(-1, asked, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS).close()
    except OSError:
        return True
    except ValueError:  # a hard limit below that: it is enforced all the more
        return True
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
    return False


class PeakMeter:
    """The most resident memory the process had above what it had at the start, in bytes.

    Linux keeps the peak (VmHWM) and lets a process reset its own.
    """

    def __init__(self) -> None:
        self._before: int | None = None
        try:
            _CLEAR_REFS.write_text("5")
            self._before = _status_bytes("VmRSS")
        except OSError:
            return

    def read(self) -> int | None:
        """Give the peak since the start; None where the system does not tell."""
        if self._before is None:
            return None
        return max(0, _status_bytes("VmHWM") - self._before)


def _status_bytes(field: str) -> int:
    for line in _STATUS.read_text().splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return int(value.split()[0]) * 1024
    raise OSError(f"{_STATUS} does not tell {field}")
