-- description: How long the cycles of a strategy stood in each state before they ended.
-- grain: one strategy, day and state that is no end, with at least one cycle that was in it
-- units: *_ms are times between two changes of state; a state left and entered again counts twice
-- materialized: view
with

moves as (
    select
        *,
        lead(ts) over (
            partition by venue, day, account, cycle
            order by step_no
        ) as ts_left
    from strategy_transitions
),

stays as (
    select
        moves.venue,
        moves.day,
        cycles.strategy,
        cycles.tested,
        moves.account,
        moves.cycle,
        moves.to_state as state,
        (moves.ts_left - moves.ts) / 1e6 as ms
    from moves
    inner join strategy_cycles as cycles
        on moves.venue = cycles.venue
        and moves.day = cycles.day
        and moves.account = cycles.account
        and moves.cycle = cycles.cycle
    where moves.ts_left is not null
),

final as (
    select
        venue,
        strategy,
        day,
        tested,
        state,
        count(distinct account || cycle) as cycles,
        count(*) as stays,
        sum(ms) as total_ms,
        median(ms) as median_ms,
        quantile_cont(ms, 0.99) as p99_ms,
        max(ms) as longest_ms
    from stays
    group by venue, strategy, day, tested, state
)

select * from final
