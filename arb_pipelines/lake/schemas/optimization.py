"""Tables of a search for parameters: every trial, and what the best of them is worth.

A study's window is one search: trials on its train days, the best of them once
more on its test days. The column is ``window_name``, since WINDOW is a word of SQL.
"""

from __future__ import annotations

from arb_pipelines.lake.schemas.table import Column, Table

_STUDY = Column("study", "VARCHAR", "Name in the study file")
_WINDOW = Column("window_name", "VARCHAR", "Walk-forward window: 'w00', 'w01', … in order of time")
_STUDY_DIGEST = Column("study_digest", "VARCHAR", "SHA-256 of the study's parameters")
_SEED = Column("seed", "BIGINT", "Seed of the sampler")

OPTIMIZATION_TRIALS = Table(
    "optimization_trials",
    "one trial of a study in one window, measured on the train days; amounts in value currency",
    (
        _STUDY,
        _WINDOW,
        Column("trial_no", "INTEGER", "Order in which the sampler chose them, from 0"),
        Column("state", "VARCHAR", "'complete', 'pruned' or 'failed'"),
        Column("params", "VARCHAR", "JSON of the parameters, sorted by name"),
        Column(
            "values",
            "DOUBLE[]",
            "The study's objectives in its order, over the days done; NULL if failed",
            nullable=True,
        ),
        Column("feasible", "BOOLEAN", "Complete, and within every constraint"),
        Column(
            "on_front",
            "BOOLEAN",
            "Feasible, and no other feasible trial is as good in every objective and better in "
            "one; NULL until the search is over",
            nullable=True,
        ),
        Column("net_profit", "DOUBLE", "Sum over the days done; NULL if failed", nullable=True),
        Column("sharpe", "DOUBLE", "Annual, from block returns; NULL if undefined", nullable=True),
        Column(
            "max_drawdown",
            "DOUBLE",
            "Greatest fall of the profit at block ends; NULL if failed",
            nullable=True,
        ),
        Column("trades", "BIGINT", "Over the days done; NULL if failed", nullable=True),
        Column("periods", "INTEGER", "Train days done: all of them, or fewer if pruned or failed"),
        Column("returns", "DOUBLE[]", "Profit over balance by block of time, days in order"),
        Column("error", "VARCHAR", "One line on what went wrong; NULL if nothing", nullable=True),
        Column("ts_started", "BIGINT", "ns"),
        Column("ts_ended", "BIGINT", "ns"),
        Column("worker", "VARCHAR", "Host and process that measured it: 'host:pid'"),
        _STUDY_DIGEST,
        _SEED,
    ),
    partition_by=("study", "window_name"),
    key=("study", "window_name", "trial_no"),
)

_UNDEFINED = "; NULL if undefined or there is no best"

OPTIMIZATION_BEST = Table(
    "optimization_best",
    "one window of a study: its best feasible trial, in and out of sample, and how lucky it is",
    (
        _STUDY,
        _WINDOW,
        Column("train_first", "DATE", "First day searched on"),
        Column("train_last", "DATE", "Last day searched on"),
        Column("test_first", "DATE", "First day held back; NULL if none", nullable=True),
        Column("test_last", "DATE", "Last day held back; NULL if none", nullable=True),
        Column("trial_no", "INTEGER", "The best; NULL if no trial was feasible", nullable=True),
        Column("params", "VARCHAR", "Its parameters, JSON sorted by name", nullable=True),
        Column("value", "DOUBLE", "First objective, train days" + _UNDEFINED, nullable=True),
        Column("net_profit", "DOUBLE", "Train days" + _UNDEFINED, nullable=True),
        Column("sharpe", "DOUBLE", "Train days, annual" + _UNDEFINED, nullable=True),
        Column("max_drawdown", "DOUBLE", "Train days" + _UNDEFINED, nullable=True),
        Column("trades", "BIGINT", "Train days" + _UNDEFINED, nullable=True),
        Column("test_value", "DOUBLE", "First objective, test days" + _UNDEFINED, nullable=True),
        Column("test_net_profit", "DOUBLE", "Test days" + _UNDEFINED, nullable=True),
        Column("test_sharpe", "DOUBLE", "Test days, annual" + _UNDEFINED, nullable=True),
        Column("test_max_drawdown", "DOUBLE", "Test days" + _UNDEFINED, nullable=True),
        Column("test_trades", "BIGINT", "Test days" + _UNDEFINED, nullable=True),
        Column(
            "test_returns",
            "DOUBLE[]",
            "Profit over balance by block of the test days; NULL without them",
            nullable=True,
        ),
        Column(
            "deflated_sharpe",
            "DOUBLE",
            "Probability that the best's true Sharpe ratio beats the luckiest of as many "
            "worthless trials" + _UNDEFINED,
            nullable=True,
        ),
        Column(
            "pbo",
            "DOUBLE",
            "Probability of backtest overfitting: share of splits in which the best half of the "
            "blocks' winner is below the median in the other" + _UNDEFINED,
            nullable=True,
        ),
        Column(
            "stability",
            "DOUBLE",
            "How much of the best's lead over the median its nearest trials share: 1 on a "
            "plateau, 0 on a needle" + _UNDEFINED,
            nullable=True,
        ),
        Column(
            "unknown",
            "VARCHAR",
            "Why figures above are NULL, one reason a figure; NULL if none is",
            nullable=True,
        ),
        Column("trials", "INTEGER", "Trials asked for and told"),
        Column("complete", "INTEGER", "Those that ran through"),
        Column("pruned", "INTEGER", "Those stopped between days, being hopeless"),
        Column("failed", "INTEGER", "Those that ended in an error"),
        Column("digest", "VARCHAR", "SHA-256 over all trials' parameters, states and values"),
        _STUDY_DIGEST,
        _SEED,
        Column("lake_snapshot", "BIGINT", "Snapshot of the lake the trials read"),
        Column("seconds", "DOUBLE", "Wall time of the search, last run alone"),
        Column("workers", "INTEGER", "Calls in flight at once, last run"),
    ),
    partition_by=("study", "window_name"),
    key=("study", "window_name"),
)
