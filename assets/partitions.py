"""How the lake's tables are cut into Dagster partitions.

Books and what follows from them lie by venue and day, backtests by strategy and
day. Venues and strategies are dynamic: a sensor adds one when it first sees it.
"""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import NamedTuple, Protocol

import dagster as dg

from arb_pipelines.clock import parse_day

#: Old recordings fit from here on; the running day is there too, for live books.
_DAYS = dg.DailyPartitionsDefinition("2017-01-01", end_offset=1)

VENUES = dg.DynamicPartitionsDefinition(name="venue")
STRATEGIES = dg.DynamicPartitionsDefinition(name="strategy")
VENUE_DAYS = dg.MultiPartitionsDefinition({"venue": VENUES, "day": _DAYS})
STRATEGY_DAYS = dg.MultiPartitionsDefinition({"strategy": STRATEGIES, "day": _DAYS})

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


class PartitionedContext(Protocol):
    """What the contexts of assets and of asset checks have in common."""

    @property
    def partition_keys(self) -> Sequence[str]: ...


def venue_days(keys: Iterable[str]) -> list[VenueDay]:
    """Read partition keys of ``VENUE_DAYS``, such as a run's ``context.partition_keys``."""
    return [
        VenueDay(owner, parse_day(day)) for day, _, owner in (key.partition("|") for key in keys)
    ]


def strategy_days(keys: Iterable[str]) -> list[StrategyDay]:
    """Read partition keys of ``STRATEGY_DAYS``, such as a run's ``context.partition_keys``."""
    return [StrategyDay(*part) for part in venue_days(keys)]
