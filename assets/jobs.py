"""The two jobs: a venue's day up to its opportunities, and a strategy's backtest of a day.

They are two because a Dagster job has one partitions definition; a sensor
starts the second when the first has succeeded.
"""

import dagster as dg

_BACKTESTS = dg.AssetSelection.groups("backtest").downstream()

research = dg.define_asset_job(
    "research",
    selection=dg.AssetSelection.all() - _BACKTESTS,
    description="Markets, books, universe, opportunities and SQL models of a venue's day.",
)

backtest = dg.define_asset_job(
    "backtest",
    selection=_BACKTESTS,
    description="Trades, legs, summaries and SQL models of a strategy's day.",
)
