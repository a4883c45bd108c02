-- description: How the cycles of a strategy ended on a day, what they earned, and how long they took.
-- grain: one strategy, day, start currency and outcome with at least one cycle that ended
-- units: amounts in start currency; *_ms from when a cycle was written down to its end
-- materialized: view
with

cycles as (
    select * from strategy_cycles
),

final as (
    select
        venue,
        strategy,
        day,
        tested,
        start_currency,
        coalesce(outcome, 'unknown') as outcome,
        count(*) as cycles,
        sum(initial_amount) as committed,
        sum(profit) as profit,
        min(profit) as worst_profit,
        max(profit) as best_profit,
        cast(sum(orders) as bigint) as orders,
        median((ts_ended - ts_started) / 1e6) as median_ms,
        max((ts_ended - ts_started) / 1e6) as longest_ms
    from cycles
    group by venue, strategy, day, tested, start_currency, coalesce(outcome, 'unknown')
)

select * from final
