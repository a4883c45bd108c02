-- description: Rows whose receipt lies before the row that arrived ahead of them, or outside their day.
-- on: book_tops
-- blocking: yes
with

arrivals as (
    select
        venue,
        day,
        row_no,
        symbol,
        ts_recv,
        lag(ts_recv) over (partition by venue, day order by row_no) as ts_before
    from book_tops
)

select venue, day, row_no, symbol, ts_recv, ts_before
from arrivals
where ts_recv < ts_before or make_timestamp_ns(ts_recv)::date <> day
