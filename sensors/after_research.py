"""Backtest every strategy of a venue once the venue's research has succeeded."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import date

import dagster as dg

from arb_pipelines.lake.store import Lake
from arb_pipelines.research.strategies import load_strategies
from assets.jobs import backtest, research
from assets.partitions import (
    STRATEGIES,
    VENUE_DAYS,
    StrategyDay,
    keys_of_run,
    partition_tags,
    venue_days,
)


@dg.run_status_sensor(
    run_status=dg.DagsterRunStatus.SUCCESS,
    monitored_jobs=[research],
    request_job=backtest,
    minimum_interval_seconds=10,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Requests the backtests of a venue's strategies for the days of a research run, "
    "one run a strategy that says what is in hand, once.",
)
def backtests_after_research(
    context: dg.RunStatusSensorContext, lake: dg.ResourceParam[Lake]
) -> Iterator[dg.RunRequest]:
    """Request the same days, which lie in a row, for each strategy of the run's venue."""
    run, instance = context.dagster_run, context.instance
    days: dict[str, list[date]] = defaultdict(list)
    for part in venue_days(keys_of_run(run.tags, VENUE_DAYS, instance)):
        days[part.venue].append(part.day)
    strategies, _ = load_strategies(lake.settings.strategies)
    for name, strategy in strategies.items():
        if (traded := days.get(strategy.exchange)) and strategy.balances is not None:
            instance.add_dynamic_partitions(str(STRATEGIES.name), [name])
            first, last = StrategyDay(name, min(traded)).key, StrategyDay(name, max(traded)).key
            yield dg.RunRequest(run_key=f"{run.run_id}|{name}", tags=partition_tags(first, last))
