-- description: Symbols whose last update is more than 15 minutes older than the venue's: stale books, that never signal.
-- on: book_tops
-- blocking: no
with

last_updates as (
    select venue, day, symbol, count(*) as updates, max(ts_recv) as ts_last
    from book_tops
    group by venue, day, symbol
),

ends as (
    select venue, day, max(ts_last) as ts_end
    from last_updates
    group by venue, day
)

select
    last_updates.venue,
    last_updates.day,
    last_updates.symbol,
    last_updates.updates,
    (ends.ts_end - last_updates.ts_last) // 1000000000 as silent_s
from last_updates
inner join ends on last_updates.venue = ends.venue and last_updates.day = ends.day
where ends.ts_end - last_updates.ts_last > 900000000000
order by silent_s desc, last_updates.symbol
