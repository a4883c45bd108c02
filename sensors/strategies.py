"""Make every strategy file a partition of the backtests."""

import dagster as dg

from arb_pipelines.lake.store import Lake
from arb_pipelines.research.strategies import load_strategies
from assets.jobs import backtest
from assets.partitions import STRATEGIES


@dg.sensor(
    job=backtest,
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Adds a partition for each strategy file in the strategies folder. A partition "
    "stays when its file goes: its results are still in the lake.",
)
def new_strategies(
    context: dg.SensorEvaluationContext, lake: dg.ResourceParam[Lake]
) -> dg.SensorResult | dg.SkipReason:
    """Compare the folder with the partitions; a broken file is named, not fatal."""
    strategies, errors = load_strategies(lake.settings.strategies)
    for error in errors:
        context.log.error(f"strategy file left out: {error}")
    known = set(context.instance.get_dynamic_partitions(str(STRATEGIES.name)))
    if not (new := sorted(strategies.keys() - known)):
        return dg.SkipReason(f"no new strategy; {len(errors)} broken files")
    return dg.SensorResult(dynamic_partitions_requests=[STRATEGIES.build_add_request(new)])
