-- description: Executions of sessions that are not there with exactly the orders they say they sent.
-- on: live_executions
-- blocking: yes
with

legs as (
    select
        strategy,
        day,
        session,
        trade_no,
        count(*) filter (where kind = 'cycle') as legs,
        count(*) filter (where kind = 'unwind') as unwind_orders
    from live_legs
    group by strategy, day, session, trade_no
)

select
    executions.strategy,
    executions.day,
    executions.session,
    executions.trade_no,
    executions.legs,
    legs.legs as legs_found,
    executions.unwind_orders,
    legs.unwind_orders as unwind_orders_found
from live_executions as executions
left join legs
    on executions.strategy = legs.strategy
    and executions.day = legs.day
    and executions.session = legs.session
    and executions.trade_no = legs.trade_no
where
    executions.legs <> coalesce(legs.legs, 0)
    or executions.unwind_orders <> coalesce(legs.unwind_orders, 0)
