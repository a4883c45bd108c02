"""The code location: every asset, check, job, sensor, schedule and resource, put together.

The only place that knows them all. Tests and the headless demo build their own
with ``build_defs``; Dagster's processes load ``defs``. Nothing is implemented here.
"""

from collections.abc import Mapping
from pathlib import Path

import dagster as dg

import assets
from assets.jobs import backtest, optimize, reconcile, research
from assets.sessions import live_session_job
from assets.upkeep import maintenance
from resources.lake import LakeResource
from sensors.after_research import backtests_after_research
from sensors.daily import reconcile_yesterday, research_yesterday, upkeep_daily
from sensors.engine import breached_risk_limits, cycles_that_stick
from sensors.failures import alert_on_failure
from sensors.landing import landed_files
from sensors.sessions import session_health, sessions
from sensors.strategies import new_strategies
from sensors.studies import new_studies


def build_defs(
    *, home: Path | None = None, loggers: Mapping[str, dg.LoggerDefinition] | None = None
) -> dg.Definitions:
    """Put a fresh code location together.

    ``home`` is the ``ARB_HOME`` of its lake, default the environment's;
    ``loggers`` replace Dagster's console. A run is one process: its steps are
    short, and a process a step would cost more than the step.
    """
    return dg.Definitions(
        assets=dg.load_assets_from_package_module(assets, include_specs=True),
        asset_checks=dg.load_asset_checks_from_package_module(assets),
        jobs=[research, backtest, optimize, reconcile, live_session_job, maintenance],
        schedules=[research_yesterday, reconcile_yesterday, upkeep_daily],
        sensors=[
            landed_files,
            new_strategies,
            new_studies,
            backtests_after_research,
            sessions,
            session_health,
            breached_risk_limits,
            cycles_that_stick,
            alert_on_failure,
        ],
        resources={"lake": LakeResource(home=None if home is None else str(home))},
        executor=dg.in_process_executor,
        loggers=loggers,
    )


defs = build_defs()
