-- description: Cycles whose legs are not as many as their length or do not return to their start.
-- on: cycles
-- blocking: yes
with

legs as (
    select
        venue,
        day,
        cycle_no,
        count(*) as legs,
        arg_min(from_currency, leg_no) as first_currency,
        arg_max(to_currency, leg_no) as last_currency
    from cycle_legs
    group by venue, day, cycle_no
)

select cycles.venue, cycles.day, cycles.cycle_no, cycles.cycle_key, cycles.length, legs.legs
from cycles
left join legs
    on cycles.venue = legs.venue
    and cycles.day = legs.day
    and cycles.cycle_no = legs.cycle_no
where
    legs.legs is distinct from cycles.length
    or legs.first_currency <> cycles.start_currency
    or legs.last_currency <> cycles.start_currency
