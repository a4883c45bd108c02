-- description: Windows whose best may be luck; do not trade it: in-sample profit that is a loss out of sample, a deflated Sharpe ratio below 0.95, or a probability of overfitting above a half.
-- on: optimization_best
-- blocking: no
select
    study,
    window_name,
    trial_no,
    net_profit,
    test_net_profit,
    deflated_sharpe,
    pbo
from optimization_best
where
    (net_profit > 0 and test_net_profit <= 0)
    or deflated_sharpe < 0.95
    or pbo > 0.5
