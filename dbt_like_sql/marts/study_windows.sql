-- description: What each window's search found, what it held out of sample, and how lucky it may be.
-- grain: one window of a study that was searched
-- units: value in the study's first objective; profits in value currency; *_a_day of UTC days; seconds
-- materialized: table
-- partition_by: study, window_name
with

best as (
    select * from optimization_best
),

trials as (
    select * from optimization_trials
),

spread as (
    select
        study,
        window_name,
        count(*) filter (where feasible) as feasible,
        median("values"[1]) filter (where state = 'complete') as median_value,
        stddev_samp("values"[1]) filter (where state = 'complete') as value_deviation,
        sum(ts_ended - ts_started) / 1e9 as trial_seconds
    from trials
    group by study, window_name
),

final as (
    select
        best.study,
        best.window_name,
        best.train_first,
        best.train_last,
        best.test_first,
        best.test_last,
        best.trial_no,
        best.params,
        best.value,
        best.test_value,
        spread.median_value,
        spread.value_deviation,
        best.net_profit / (best.train_last - best.train_first + 1) as net_profit_a_day,
        best.test_net_profit / (best.test_last - best.test_first + 1) as test_net_profit_a_day,
        test_net_profit_a_day / nullif(net_profit_a_day, 0) as profit_kept,
        best.sharpe,
        best.test_sharpe,
        best.max_drawdown,
        best.test_max_drawdown,
        best.deflated_sharpe,
        best.pbo,
        best.stability,
        best.trials,
        best.complete,
        best.pruned,
        best.failed,
        coalesce(spread.feasible, 0) as feasible,
        best.seconds,
        spread.trial_seconds,
        best.workers,
        best.digest
    from best
    left join spread
        on best.study = spread.study
        and best.window_name = spread.window_name
)

select * from final
