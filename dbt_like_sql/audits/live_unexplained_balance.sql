-- description: Currencies whose balance at the venue has changed by something else than the session's orders, when nothing was in flight last.
-- on: live_metrics
-- blocking: yes
with

newest as (
    select
        strategy,
        day,
        session,
        label as currency,
        ts,
        value as unexplained
    from live_metrics
    where name = 'unexplained'
    qualify row_number() over (partition by session, label order by flush_no desc) = 1
),

amounts as (
    select session, from_currency as currency, spent as amount from live_legs
    union all
    select session, to_currency as currency, received as amount from live_legs
),

turnovers as (
    select session, currency, sum(amount) as turnover
    from amounts
    group by session, currency
)

select
    newest.strategy,
    newest.day,
    newest.session,
    newest.currency,
    newest.ts,
    newest.unexplained,
    turnovers.turnover
from newest
left join turnovers
    on newest.session = turnovers.session
    and newest.currency = turnovers.currency
where abs(newest.unexplained) > 1e-9 * greatest(coalesce(turnovers.turnover, 0), 1)
