-- description: Where the orders of sessions lost against the decision and how long the venue took, by symbol and side.
-- grain: one strategy, day, mode, start currency, symbol, side and kind of order
-- units: value and cost parts in start currency at the decision's prices; *_bps of the value given; *_ms from departure
-- materialized: view
with

legs as (
    select * from live_legs
),

executions as (
    select * from live_executions
),

final as (
    select
        legs.strategy,
        legs.venue,
        legs.day,
        legs.mode,
        executions.start_currency,
        legs.symbol,
        legs.side,
        legs.kind,
        count(*) as orders,
        count(*) filter (where legs.status = 'filled') as filled_whole,
        count(*) filter (where legs.status = 'rejected') as rejected,
        sum(legs.expected) as value_given,
        sum(legs.filled) as value_received,
        sum(legs.fee) as fee,
        sum(legs.slippage) as slippage,
        sum(legs.latency) as latency,
        sum(legs.fee) / nullif(sum(legs.expected), 0) * 1e4 as fee_bps,
        sum(legs.slippage) / nullif(sum(legs.expected), 0) * 1e4 as slippage_bps,
        sum(legs.latency) / nullif(sum(legs.expected), 0) * 1e4 as latency_bps,
        median((legs.ts_answered - legs.ts_sent) / 1e6) as median_answer_ms,
        median((legs.ts_filled - legs.ts_sent) / 1e6) as median_fill_ms
    from legs
    inner join executions
        on legs.session = executions.session
        and legs.strategy = executions.strategy
        and legs.day = executions.day
        and legs.trade_no = executions.trade_no
    group by
        legs.strategy,
        legs.venue,
        legs.day,
        legs.mode,
        executions.start_currency,
        legs.symbol,
        legs.side,
        legs.kind
)

select * from final
