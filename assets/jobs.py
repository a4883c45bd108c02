"""The jobs: a venue's day up to its opportunities, a strategy's backtest of a day, a search; and
what the engine did on a venue's day, which asks the venue.

The first three are three because a Dagster job has one partitions definition. A sensor starts
the second when the first has succeeded; a search is asked for by a person.
"""

import dagster as dg

# sessions fill their tables themselves; the models over them are a strategy's, as a backtest's are
_BACKTESTS = dg.AssetSelection.groups("backtest").downstream() | dg.AssetSelection.groups(
    "live", include_sources=True
).downstream(include_self=False)
_SEARCHES = dg.AssetSelection.groups("optimization").downstream()
_ENGINE = dg.AssetSelection.groups("engine")

research = dg.define_asset_job(
    "research",
    selection=dg.AssetSelection.all() - _BACKTESTS - _SEARCHES - _ENGINE,
    description="Markets, books, universe, opportunities and SQL models of a venue's day.",
)

backtest = dg.define_asset_job(
    "backtest",
    selection=_BACKTESTS,
    description="Trades, legs, summaries and SQL models of a strategy's day.",
)

optimize = dg.define_asset_job(
    "optimize",
    selection=_SEARCHES,
    description="Trials, best and SQL models of a window of a study.",
)

reconcile = dg.define_asset_job(
    "reconcile",
    selection=_ENGINE,
    description="Ended cycles of a venue's day, and whether the venue tells the same of them.",
)
