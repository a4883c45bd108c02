-- description: What the sessions of a strategy earned on a day, how far they fell short of what was predicted, and how fast they were.
-- grain: one strategy, day, mode and start currency with at least one execution that spent something
-- units: amounts in start currency; bps of the input used, weighted by it; *_ms from the signal
-- materialized: view
with

executions as (
    select * from stg_live_executions
),

final as (
    select
        strategy,
        venue,
        day,
        mode,
        start_currency,
        count(distinct session) as sessions,
        count(*) as trades,
        count(*) filter (where profit > 0) / count(*) as win_rate,
        count(*) filter (where status <> 'filled') as unfinished,
        sum(spent) as spent,
        sum(profit) as net_profit,
        sum(predicted_bps * spent) / sum(spent) as predicted_bps,
        sum(profit) / sum(spent) * 1e4 as effective_bps,
        min(effective_bps) as worst_bps,
        max(effective_bps) as best_bps,
        median(first_order_ms) as median_first_order_ms,
        median(held_ms) as median_held_ms,
        quantile_cont(held_ms, 0.99) as p99_held_ms
    from executions
    group by strategy, venue, day, mode, start_currency
)

select * from final
