"""What a strategy would have done on a day: trades, legs and summaries."""

from collections.abc import Iterator

import dagster as dg

from arb_pipelines.lake.schemas import BACKTEST_LEGS, BACKTEST_SUMMARIES, BACKTEST_TRADES
from arb_pipelines.lake.store import Lake
from arb_pipelines.research.backtests import run_backtest
from arb_pipelines.research.pictures import equity_picture
from arb_pipelines.research.strategies import find_strategy
from assets.partitions import SAME_DAY, SEVERAL_DAYS_A_RUN, STRATEGY_DAYS, strategy_days
from assets.tables import described, materialized

TABLES = (BACKTEST_TRADES, BACKTEST_LEGS, BACKTEST_SUMMARIES)


@dg.multi_asset(
    specs=[
        dg.AssetSpec(
            table.name,
            deps=[
                dg.AssetDep(name, partition_mapping=SAME_DAY)
                for name in ("markets", "book_tops", "book_levels", "cycle_legs")
            ],
            **described(table, group="backtest", kinds=frozenset({"numba"})),
        )
        for table in TABLES
    ],
    partitions_def=STRATEGY_DAYS,
    backfill_policy=SEVERAL_DAYS_A_RUN,
)
def backtests(
    context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake]
) -> Iterator[dg.MaterializeResult]:
    """Backtest each strategy and day of the run."""
    facts = {}
    for part in strategy_days(context.partition_keys):
        strategy = find_strategy(lake.settings.strategies, part.strategy, for_backtest=True)
        run_backtest(lake, strategy, part.day, run_id=context.run.run_id)
        equity = dg.MetadataValue.md(equity_picture(lake, part.strategy, part.day))
        facts[part] = {"venue": strategy.exchange, "equity_curve": equity}
    yield from materialized(context, lake, TABLES, facts)
