-- description: Cycles of the engine that are not there with exactly the orders and changes of state they had.
-- on: strategy_cycles
-- blocking: yes
with

orders as (
    select venue, day, account, cycle, count(*) as orders
    from strategy_orders
    group by venue, day, account, cycle
),

moves as (
    select venue, day, account, cycle, count(*) as transitions
    from strategy_transitions
    group by venue, day, account, cycle
)

select
    cycles.venue,
    cycles.day,
    cycles.account,
    cycles.cycle,
    cycles.orders,
    orders.orders as orders_found,
    cycles.transitions,
    moves.transitions as transitions_found
from strategy_cycles as cycles
left join orders
    on cycles.venue = orders.venue
    and cycles.day = orders.day
    and cycles.account = orders.account
    and cycles.cycle = orders.cycle
left join moves
    on cycles.venue = moves.venue
    and cycles.day = moves.day
    and cycles.account = moves.account
    and cycles.cycle = moves.cycle
where
    cycles.orders <> coalesce(orders.orders, 0)
    or cycles.transitions <> coalesce(moves.transitions, 0)
