-- description: What sessions did beside what the backtest of the same strategy and day did; one that only one of them has stands alone.
-- grain: one strategy, venue, day, mode and start currency; mode is empty where there was no session
-- units: amounts in start currency; bps of the input used; more_* is live minus backtest
-- materialized: view
with

live as (
    select
        strategy,
        venue,
        day,
        mode,
        start_currency,
        count(*) as trades,
        sum(spent) as spent,
        sum(profit) as net_profit,
        sum(profit) / sum(spent) * 1e4 as effective_bps,
        sum(fee_bps * spent) / sum(spent) as fee_bps,
        sum(slippage_bps * spent) / sum(spent) as slippage_bps,
        sum(latency_bps * spent) / sum(spent) as latency_bps,
        median(held_ms) as median_held_ms
    from stg_live_executions
    group by strategy, venue, day, mode, start_currency
),

replayed as (
    select
        strategy,
        venue,
        day,
        start_currency,
        count(*) as trades,
        sum(spent) as spent,
        sum(profit) as net_profit,
        sum(profit) / sum(spent) * 1e4 as effective_bps,
        sum(fee_bps * spent) / sum(spent) as fee_bps,
        sum(slippage_bps * spent) / sum(spent) as slippage_bps,
        sum(latency_bps * spent) / sum(spent) as latency_bps,
        median(held_ms) as median_held_ms
    from stg_backtest_trades
    group by strategy, venue, day, start_currency
),

final as (
    select
        coalesce(live.strategy, replayed.strategy) as strategy,
        coalesce(live.venue, replayed.venue) as venue,
        coalesce(live.day, replayed.day) as day,
        coalesce(live.mode, '') as mode,
        coalesce(live.start_currency, replayed.start_currency) as start_currency,
        live.trades as live_trades,
        replayed.trades as backtest_trades,
        live.spent as live_spent,
        replayed.spent as backtest_spent,
        live.net_profit as live_profit,
        replayed.net_profit as backtest_profit,
        live.effective_bps as live_bps,
        replayed.effective_bps as backtest_bps,
        live.effective_bps - replayed.effective_bps as more_bps,
        live.fee_bps - replayed.fee_bps as more_fee_bps,
        live.slippage_bps - replayed.slippage_bps as more_slippage_bps,
        live.latency_bps - replayed.latency_bps as more_latency_bps,
        live.median_held_ms as live_median_held_ms,
        replayed.median_held_ms as backtest_median_held_ms
    from live
    full outer join replayed
        on live.strategy = replayed.strategy
        and live.venue = replayed.venue
        and live.day = replayed.day
        and live.start_currency = replayed.start_currency
)

select * from final
