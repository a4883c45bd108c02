-- description: Orders whose fee, slippage and latency do not add up to what they lost against the decision.
-- on: backtest_legs
-- blocking: yes
select strategy, day, trade_no, leg_no, expected, filled, fee + slippage + latency as explained
from backtest_legs
where abs(expected - filled - (fee + slippage + latency)) > 1e-9 * greatest(abs(expected), 1)
