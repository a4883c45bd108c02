-- description: Where the orders of a strategy lost against the decision, by symbol and side.
-- grain: one strategy, day, start currency, symbol, side and kind of order
-- units: value and cost parts in start currency at the decision's prices; *_bps of the value given
-- materialized: table
-- partition_by: strategy, day
with

legs as (
    select * from backtest_legs
),

trades as (
    select * from backtest_trades
),

final as (
    select
        legs.strategy,
        legs.venue,
        legs.day,
        trades.start_currency,
        legs.symbol,
        legs.side,
        legs.kind,
        count(*) as orders,
        count(*) filter (where legs.status = 'filled') as filled_whole,
        sum(legs.expected) as value_given,
        sum(legs.filled) as value_received,
        sum(legs.fee) as fee,
        sum(legs.slippage) as slippage,
        sum(legs.latency) as latency,
        sum(legs.fee) / nullif(sum(legs.expected), 0) * 1e4 as fee_bps,
        sum(legs.slippage) / nullif(sum(legs.expected), 0) * 1e4 as slippage_bps,
        sum(legs.latency) / nullif(sum(legs.expected), 0) * 1e4 as latency_bps
    from legs
    inner join trades
        on legs.strategy = trades.strategy
        and legs.day = trades.day
        and legs.trade_no = trades.trade_no
    group by
        legs.strategy,
        legs.venue,
        legs.day,
        trades.start_currency,
        legs.symbol,
        legs.side,
        legs.kind
)

select * from final
