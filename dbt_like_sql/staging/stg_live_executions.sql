-- description: Executions of sessions that spent something, with UTC times, how long they took, and the parts of their cost in bps.
-- grain: one execution of a cycle in a session that used some input
-- units: amounts in start currency; *_bps of the input used; *_ms from the signal
-- materialized: view
with

live_executions as (
    select * from live_executions
),

spent_something as (
    select *
    from live_executions
    where spent > 0
),

final as (
    select
        session,
        mode,
        strategy,
        venue,
        day,
        trade_no,
        correlation_id,
        cycle_key,
        start_currency,
        status,
        make_timestamp_ns(ts_signal) as signalled_at,
        (ts_first_sent - ts_signal) / 1e6 as first_order_ms,
        (ts_last_fill - ts_signal) / 1e6 as last_fill_ms,
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
