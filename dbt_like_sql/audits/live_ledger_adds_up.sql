-- description: Executions of sessions whose parts do not add up to the difference between expected and realised profit.
-- on: live_executions
-- blocking: yes
select
    strategy,
    day,
    session,
    trade_no,
    expected_profit,
    profit,
    fee + slippage + latency + residual + unwind_cost as explained
from live_executions
where
    abs(expected_profit - profit - (fee + slippage + latency + residual + unwind_cost))
    > 1e-9 * greatest(abs(committed), 1)
    or profit <> returned - spent
