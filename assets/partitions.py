"""How the lake's tables are cut into Dagster partitions.

Books and what follows from them lie by venue and day, backtests by strategy and
day, searches by study and window. All but days are dynamic: a sensor adds one when
it first sees it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple, Protocol

import dagster as dg

from arb_pipelines.clock import parse_day

_ONE, _FIRST, _LAST = (
    "dagster/partition",
    "dagster/asset_partition_range_start",
    "dagster/asset_partition_range_end",
)

#: Old recordings fit from here on; the running day is there too, for live books.
_DAYS = dg.DailyPartitionsDefinition("2017-01-01", end_offset=1)


class RangeablePartitions(dg.MultiPartitionsDefinition):
    """Two-dimensional partitions whose backfills may hand several days to one run.

    Dagster's own definition tags a run with the dimensions of its first
    partition. A run over a range that has such tags forgets the range and
    covers that partition alone (dagster issues 28861, 30786), without a word;
    so runs get the whole key as their tag, and not its parts.
    """

    def get_tags_for_partition_key(self, partition_key: str) -> Mapping[str, str]:
        """Tag a run with its partition key."""
        return {_ONE: partition_key}


VENUES = dg.DynamicPartitionsDefinition(name="venue")
STRATEGIES = dg.DynamicPartitionsDefinition(name="strategy")
VENUE_DAYS = RangeablePartitions({"venue": VENUES, "day": _DAYS})
STRATEGY_DAYS = RangeablePartitions({"strategy": STRATEGIES, "day": _DAYS})

#: Dagster crosses every study with every window; one that a study does not have stays empty.
STUDIES = dg.DynamicPartitionsDefinition(name="study")
WINDOWS = dg.DynamicPartitionsDefinition(name="window")
STUDY_WINDOWS = RangeablePartitions({"study": STUDIES, "window": WINDOWS})

#: A process a partition costs seconds, so a backfill hands several days to each run.
SEVERAL_DAYS_A_RUN = dg.BackfillPolicy.multi_run(max_partitions_per_run=7)

#: A search takes minutes and all cores, and is continued by itself if it was interrupted.
ONE_WINDOW_A_RUN = dg.BackfillPolicy.multi_run(max_partitions_per_run=1)

#: A strategy's day follows from that day of the books, whatever their venue.
SAME_DAY = dg.MultiPartitionMapping(
    {"day": dg.DimensionPartitionMapping("day", dg.IdentityPartitionMapping())}
)


class VenueDay(NamedTuple):
    """One partition of ``VENUE_DAYS``."""

    venue: str
    day: date

    @property
    def key(self) -> str:
        """Partition key as Dagster writes it: dimensions in order of their names."""
        return f"{self.day}|{self.venue}"


class StrategyDay(NamedTuple):
    """One partition of ``STRATEGY_DAYS``."""

    strategy: str
    day: date

    @property
    def key(self) -> str:
        """Partition key as Dagster writes it: dimensions in order of their names."""
        return f"{self.day}|{self.strategy}"


class StudyWindow(NamedTuple):
    """One partition of ``STUDY_WINDOWS``; its columns in the lake are named as here."""

    study: str
    window_name: str

    @property
    def key(self) -> str:
        """Partition key as Dagster writes it: dimensions in order of their names."""
        return f"{self.study}|{self.window_name}"


def venue_days(keys: Iterable[str]) -> list[VenueDay]:
    """Read partition keys of ``VENUE_DAYS``, such as a run's ``context.partition_keys``."""
    return [
        VenueDay(owner, parse_day(day)) for day, _, owner in (key.partition("|") for key in keys)
    ]


def strategy_days(keys: Iterable[str]) -> list[StrategyDay]:
    """Read partition keys of ``STRATEGY_DAYS``, such as a run's ``context.partition_keys``."""
    return [StrategyDay(*part) for part in venue_days(keys)]


def study_windows(keys: Iterable[str]) -> list[StudyWindow]:
    """Read partition keys of ``STUDY_WINDOWS``, such as a run's ``context.partition_keys``."""
    return [StudyWindow(*key.split("|")) for key in keys]


class Part(Protocol):
    """A partition: a named tuple of partition columns with Dagster's key of it."""

    @property
    def key(self) -> str: ...
    def _asdict(self) -> dict[str, Any]: ...


class Cut(NamedTuple):
    """One way of cutting tables: its partitions, how a backfill runs them, how keys are read."""

    partitions: dg.MultiPartitionsDefinition
    backfill: dg.BackfillPolicy
    read_keys: Callable[[Iterable[str]], Sequence[Part]]


#: By the first of a table's partition columns.
CUTS: Mapping[str, Cut] = {
    "venue": Cut(VENUE_DAYS, SEVERAL_DAYS_A_RUN, venue_days),
    "strategy": Cut(STRATEGY_DAYS, SEVERAL_DAYS_A_RUN, strategy_days),
    "study": Cut(STUDY_WINDOWS, ONE_WINDOW_A_RUN, study_windows),
}


def partition_tags(first: str, last: str) -> dict[str, str]:
    """Tags of a run over the partitions from ``first`` to ``last``, one owner's days in a row."""
    return {_FIRST: first, _LAST: last}


def keys_of_run(
    tags: Mapping[str, str], definition: dg.MultiPartitionsDefinition, instance: dg.DagsterInstance
) -> Sequence[str]:
    """Partition keys a run covers, read from its tags; none for a run without partitions."""
    if _ONE in tags:
        return [tags[_ONE]]
    if _FIRST not in tags:
        return []
    return definition.get_partition_keys_in_range(
        dg.PartitionKeyRange(tags[_FIRST], tags[_LAST]), dynamic_partitions_store=instance
    )
