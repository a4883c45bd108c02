"""Tell people of breached limits and stuck cycles, once each, and note them at the cycles."""

from collections.abc import Sequence

import dagster as dg

from arb_pipelines.alerts import raise_alert
from arb_pipelines.lake.schemas import STRATEGY_CYCLES
from arb_pipelines.lake.store import Lake
from arb_pipelines.research.engine_watch import Trouble, breached_limits, news, stuck_cycles


@dg.sensor(
    minimum_interval_seconds=10,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Tells once of each risk limit whose breach has a strategy paused: among the "
    "alerts (ARB_HOME/logs/alerts.jsonl) and as an observation of strategy_cycles.",
)
def breached_risk_limits(
    context: dg.SensorEvaluationContext, lake: dg.ResourceParam[Lake]
) -> dg.SensorResult:
    """Compare the pauses that stand with those that were told."""
    return told(context, lake, breached_limits(lake.settings))


@dg.sensor(
    minimum_interval_seconds=10,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Tells once of each cycle that does not end by itself: open for longer than "
    "ARB_STUCK_AFTER_S, held by its panic sale, or left by an engine that no longer runs.",
)
def cycles_that_stick(
    context: dg.SensorEvaluationContext, lake: dg.ResourceParam[Lake]
) -> dg.SensorResult:
    """Compare the cycles that stick with those that were told."""
    return told(context, lake, stuck_cycles(lake.settings))


def told(
    context: dg.SensorEvaluationContext, lake: Lake, standing: Sequence[Trouble]
) -> dg.SensorResult:
    """Alert to what is new, and remember what stands."""
    found = news(context.cursor, standing)
    for trouble in found.began:
        raise_alert(lake.settings, trouble.event, **trouble.facts)
    observed = [
        dg.AssetObservation(STRATEGY_CYCLES.name, metadata={"event": one.event, **one.facts})
        for one in found.began
    ]
    said = [f"told of {one.key}: {one.event}" for one in found.began]
    said += [f"{key} is over" for key in found.over]
    said += [f"{one.key} still stands" for one in standing if one not in found.began]
    return dg.SensorResult(
        asset_events=observed, skip_reason="; ".join(said) or "no trouble", cursor=found.cursor
    )
