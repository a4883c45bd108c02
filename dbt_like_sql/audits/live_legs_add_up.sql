-- description: Orders of sessions whose fee, slippage and latency do not add up to what they lost against the decision.
-- on: live_legs
-- blocking: yes
select
    strategy,
    day,
    session,
    trade_no,
    leg_no,
    expected,
    filled,
    fee + slippage + latency as explained
from live_legs
where abs(expected - filled - (fee + slippage + latency)) > 1e-9 * greatest(abs(expected), 1)
