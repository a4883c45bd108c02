-- description: Changes of state that no cycle makes, or that do not begin where the one before ended.
-- on: strategy_transitions
-- blocking: yes
with

allowed (from_state, to_state) as (
    values
    (null, 'pending'),
    ('pending', 'validating'),
    ('pending', 'failed'),
    ('pending', 'recovering'),
    ('validating', 'active'),
    ('validating', 'failed'),
    ('validating', 'recovering'),
    ('active', 'partially_filled'),
    ('active', 'completed'),
    ('active', 'failed'),
    ('active', 'recovering'),
    ('active', 'panic_selling'),
    ('partially_filled', 'active'),
    ('partially_filled', 'completed'),
    ('partially_filled', 'failed'),
    ('partially_filled', 'recovering'),
    ('partially_filled', 'panic_selling'),
    ('recovering', 'active'),
    ('recovering', 'completed'),
    ('recovering', 'failed'),
    ('recovering', 'panic_selling'),
    ('panic_selling', 'completed'),
    ('panic_selling', 'failed'),
    ('panic_selling', 'recovering')
),

moves as (
    select
        *,
        lag(to_state) over (
            partition by venue, day, account, cycle
            order by step_no
        ) as state_before
    from strategy_transitions
)

select
    moves.venue,
    moves.day,
    moves.account,
    moves.cycle,
    moves.step_no,
    moves.state_before,
    moves.from_state,
    moves.to_state
from moves
left join allowed
    on moves.from_state is not distinct from allowed.from_state
    and moves.to_state = allowed.to_state
where
    allowed.to_state is null
    or moves.from_state is distinct from moves.state_before
