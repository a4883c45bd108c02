-- description: Backtest trades that spent something, with UTC times and the parts of their cost in bps.
-- grain: one execution of a cycle that used some input
-- units: amounts in start currency; *_bps of the input used; held_ms from decision to last fill
-- materialized: view
with

backtest_trades as (
    select * from backtest_trades
),

spent_something as (
    select *
    from backtest_trades
    where spent > 0
),

final as (
    select
        strategy,
        venue,
        day,
        trade_no,
        cycle_key,
        start_currency,
        status,
        make_timestamp_ns(ts_signal) as signalled_at,
        (ts_end - ts_signal) / 1e6 as held_ms,
        spent,
        returned,
        profit,
        expected_profit,
        gross_bps,
        predicted_bps,
        effective_bps,
        fee / spent * 1e4 as fee_bps,
        slippage / spent * 1e4 as slippage_bps,
        latency / spent * 1e4 as latency_bps,
        residual / spent * 1e4 as residual_bps,
        unwind_cost / spent * 1e4 as unwind_bps
    from spent_something
)

select * from final
