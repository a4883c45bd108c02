-- description: What a strategy earned on a day, and how far it fell short of what it predicted.
-- grain: one strategy, day and start currency with at least one trade that spent something
-- units: amounts in start currency; bps of the input used, weighted by it; held_ms
-- materialized: table
-- partition_by: strategy, day
with

trades as (
    select * from stg_backtest_trades
),

final as (
    select
        strategy,
        venue,
        day,
        start_currency,
        count(*) as trades,
        count(*) filter (where profit > 0) / count(*) as win_rate,
        count(*) filter (where status <> 'completed') as unfinished,
        sum(spent) as spent,
        sum(profit) as net_profit,
        sum(predicted_bps * spent) / sum(spent) as predicted_bps,
        sum(profit) / sum(spent) * 1e4 as effective_bps,
        min(effective_bps) as worst_bps,
        max(effective_bps) as best_bps,
        median(held_ms) as median_held_ms
    from trades
    group by strategy, venue, day, start_currency
)

select * from final
