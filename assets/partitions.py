"""How the lake's tables are cut into Dagster partitions.

Books and what follows from them lie by venue and day, backtests by strategy and
day. Venues and strategies are dynamic: a sensor adds one when it first sees it.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import NamedTuple

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

#: A process a partition costs seconds, so a backfill hands several days to each run.
SEVERAL_DAYS_A_RUN = dg.BackfillPolicy.multi_run(max_partitions_per_run=7)

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


def venue_days(keys: Iterable[str]) -> list[VenueDay]:
    """Read partition keys of ``VENUE_DAYS``, such as a run's ``context.partition_keys``."""
    return [
        VenueDay(owner, parse_day(day)) for day, _, owner in (key.partition("|") for key in keys)
    ]


def strategy_days(keys: Iterable[str]) -> list[StrategyDay]:
    """Read partition keys of ``STRATEGY_DAYS``, such as a run's ``context.partition_keys``."""
    return [StrategyDay(*part) for part in venue_days(keys)]


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
