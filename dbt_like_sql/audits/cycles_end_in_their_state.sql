-- description: Cycles of the engine whose last change of state is not the state they are in, or is no end.
-- on: strategy_cycles
-- blocking: yes
with

last_moves as (
    select
        venue,
        day,
        account,
        cycle,
        to_state,
        ts
    from strategy_transitions
    qualify row_number() over (
        partition by venue, day, account, cycle
        order by step_no desc
    ) = 1
)

select
    cycles.venue,
    cycles.day,
    cycles.account,
    cycles.cycle,
    cycles.state,
    last_moves.to_state as last_state,
    cycles.ts_ended,
    last_moves.ts as ts_last
from strategy_cycles as cycles
left join last_moves
    on cycles.venue = last_moves.venue
    and cycles.day = last_moves.day
    and cycles.account = last_moves.account
    and cycles.cycle = last_moves.cycle
where
    last_moves.to_state is distinct from cycles.state
    or last_moves.ts is distinct from cycles.ts_ended
    or cycles.state not in ('completed', 'failed')
