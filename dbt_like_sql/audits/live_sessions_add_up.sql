-- description: Sessions that have ended and do not have the executions they say they had since their last start.
-- on: live_sessions
-- blocking: yes
with

executions as (
    select
        executions.session,
        count(*) as executions,
        count(*) filter (where executions.status = 'filled') as filled,
        count(*) filter (where executions.status = 'residual') as residual
    from live_executions as executions
    inner join live_sessions as sessions
        on executions.session = sessions.session
        and executions.ts_decided >= sessions.ts_started
    group by executions.session
)

select
    sessions.strategy,
    sessions.day,
    sessions.session,
    sessions.state,
    sessions.executions,
    executions.executions as executions_found,
    sessions.filled,
    executions.filled as filled_found,
    sessions.residual,
    executions.residual as residual_found
from live_sessions as sessions
left join executions on sessions.session = executions.session
where
    sessions.state in ('ended', 'failed')
    and (
        sessions.executions <> coalesce(executions.executions, 0)
        or sessions.filled <> coalesce(executions.filled, 0)
        or sessions.residual <> coalesce(executions.residual, 0)
    )
