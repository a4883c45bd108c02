-- description: Trades whose parts do not add up to the difference between expected and realised profit.
-- on: backtest_trades
-- blocking: yes
select
    strategy,
    day,
    trade_no,
    expected_profit,
    profit,
    fee + slippage + latency + residual + unwind_cost as explained
from backtest_trades
where
    abs(expected_profit - profit - (fee + slippage + latency + residual + unwind_cost))
    > 1e-9 * greatest(abs(committed), 1)
    or profit <> returned - spent
