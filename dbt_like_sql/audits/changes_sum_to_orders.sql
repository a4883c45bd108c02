-- description: Cycles of the engine whose changes of a balance are not the sum of what their orders spent, received and paid in fees.
-- on: strategy_cycles
-- blocking: yes
with

moved as (
    select venue, day, account, cycle, from_currency as currency, -spent as amount
    from strategy_orders
    union all
    select venue, day, account, cycle, to_currency as currency, received as amount
    from strategy_orders
    union all
    select venue, day, account, cycle, fee_currency as currency, -fee as amount
    from strategy_orders
    where fee_currency not in (from_currency, to_currency)
),

of_orders as (
    select
        venue,
        day,
        account,
        cycle,
        currency,
        sum(amount) as changed,
        sum(abs(amount)) as turnover
    from moved
    group by venue, day, account, cycle, currency
),

named as (
    select
        venue,
        day,
        account,
        cycle,
        changes,
        unnest(json_keys(changes)) as currency
    from strategy_cycles
),

of_cycles as (
    select
        venue,
        day,
        account,
        cycle,
        currency,
        cast(json_extract_string(changes, '$."' || currency || '"') as double) as changed
    from named
)

select
    coalesce(of_cycles.venue, of_orders.venue) as venue,
    coalesce(of_cycles.day, of_orders.day) as day,
    coalesce(of_cycles.account, of_orders.account) as account,
    coalesce(of_cycles.cycle, of_orders.cycle) as cycle,
    coalesce(of_cycles.currency, of_orders.currency) as currency,
    coalesce(of_cycles.changed, 0) as changed,
    coalesce(of_orders.changed, 0) as changed_by_orders
from of_cycles
full outer join of_orders
    on of_cycles.venue = of_orders.venue
    and of_cycles.day = of_orders.day
    and of_cycles.account = of_orders.account
    and of_cycles.cycle = of_orders.cycle
    and of_cycles.currency = of_orders.currency
where
    abs(coalesce(of_cycles.changed, 0) - coalesce(of_orders.changed, 0))
    > 1e-12 * greatest(coalesce(of_orders.turnover, 0), abs(coalesce(of_cycles.changed, 0)))
