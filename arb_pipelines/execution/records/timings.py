"""How long a session takes, stage by stage, in memory that does not grow.

A histogram has buckets whose width grows with the value, so that a percentile is right to
within ``PRECISION`` of itself, whatever it is and however many were counted.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from enum import StrEnum
from itertools import accumulate

#: Buckets that each power of two is cut into, as a power of two itself.
_CUTS = 5
#: Most by which a percentile is above the value it stands for, as a share of it.
PRECISION = 2.0**-_CUTS
#: The longest time that has a bucket of its own, ns: some 18 minutes.
_LONGEST = (1 << 40) - 1


class Stage(StrEnum):
    """What takes time, from the venue's book to the last fill."""

    LAG = "lag"  # receipt of a book to its being judged, of some of them
    BOOK = "book"  # the venue's time of a book to its receipt, clocks as they stand
    SIGNAL = "signal"  # receipt of a book to the approval of its signal
    FIRST_ORDER = "first_order"  # approval to the first order sent
    ANSWER = "answer"  # an order sent to the venue's answer
    FILL = "fill"  # an order sent to its end known
    NEXT_LEG = "next_leg"  # a leg's end known to the next order sent
    CYCLE = "cycle"  # receipt of a book to the end of what came of it


@dataclass(frozen=True, slots=True)
class Spread:
    """What a stage took, µs."""

    count: int
    p50_us: float
    p99_us: float
    max_us: float


class Histogram:
    """Durations, counted; ``add`` is for one thread, reading for any."""

    __slots__ = ("_buckets", "_longest", "count")

    def __init__(self) -> None:
        self._buckets = [0] * (_bucket(_LONGEST) + 1)
        self._longest = 0
        self.count = 0

    def add(self, ns: int) -> None:
        """Count one duration; one below 0, which a clock set back makes, counts as 0."""
        ns = max(ns, 0)
        self._buckets[_bucket(min(ns, _LONGEST))] += 1
        self._longest = max(self._longest, ns)
        self.count += 1

    def percentiles_ns(self, *shares: float) -> tuple[int, ...]:
        """For each share (0 to 1), the least duration that so many of all do not exceed.

        Never below the true one, and above it by at most ``PRECISION``; 0 if none was counted.
        """
        reached = [*accumulate(self._buckets)]
        if not reached[-1]:
            return (0,) * len(shares)
        wanted = (max(1.0, share * reached[-1]) for share in shares)
        return tuple(
            min(_upper_edge(bisect_left(reached, least)), self._longest) for least in wanted
        )

    def spread(self) -> Spread:
        """Give count, median, 99th percentile and maximum."""
        p50, p99 = self.percentiles_ns(0.50, 0.99)
        return Spread(self.count, p50 / 1e3, p99 / 1e3, self._longest / 1e3)


class Timings:
    """A histogram a stage."""

    def __init__(self) -> None:
        self._stages = {stage: Histogram() for stage in Stage}

    def add(self, stage: Stage, since: int | None, until: int | None) -> None:
        """Count the time between two moments, ns; nothing if one of them is not known."""
        if since is not None and until is not None:
            self._stages[stage].add(until - since)

    def spreads(self) -> dict[Stage, Spread]:
        """Give what each stage took that has happened."""
        return {stage: held.spread() for stage, held in self._stages.items() if held.count}


def _bucket(ns: int) -> int:
    """Number of a duration's bucket; those below ``2 ** (_CUTS + 1)`` have one each."""
    shift = max(0, ns.bit_length() - _CUTS - 1)
    return (shift << _CUTS) + (ns >> shift)


def _upper_edge(bucket: int) -> int:
    """The longest duration in a bucket, ns."""
    shift = max(0, (bucket >> _CUTS) - 1)
    within = bucket - (shift << _CUTS)
    return ((within + 1) << shift) - 1
