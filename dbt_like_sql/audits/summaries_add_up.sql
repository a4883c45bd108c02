-- description: Summaries that do not say what their trades say.
-- on: backtest_summaries
-- blocking: yes
with

trades as (
    select
        strategy,
        day,
        start_currency,
        count(*) as trades,
        sum(profit) as profit,
        sum(spent) as spent
    from backtest_trades
    group by strategy, day, start_currency
)

select
    summaries.strategy,
    summaries.day,
    summaries.start_currency,
    summaries.trades,
    trades.trades as trades_found,
    summaries.net_profit,
    trades.profit as profit_found
from backtest_summaries as summaries
left join trades
    on summaries.strategy = trades.strategy
    and summaries.day = trades.day
    and summaries.start_currency = trades.start_currency
where
    summaries.trades <> coalesce(trades.trades, 0)
    or abs(summaries.net_profit - coalesce(trades.profit, 0))
    > 1e-9 * greatest(coalesce(trades.spent, 0), 1)
