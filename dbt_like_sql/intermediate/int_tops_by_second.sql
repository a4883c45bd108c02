-- description: The last two-sided top of each symbol in each second in which it was updated.
-- grain: one symbol and one second with at least one update
-- units: second is whole seconds since the epoch; prices quote per base; sizes base
-- materialized: view
with

tops as (
    select * from stg_book_tops
),

final as (
    select
        venue,
        day,
        symbol,
        ts_recv // 1000000000 as second,
        arg_max(bid_px, row_no) as bid_px,
        arg_max(bid_sz, row_no) as bid_sz,
        arg_max(ask_px, row_no) as ask_px,
        arg_max(ask_sz, row_no) as ask_sz,
        count(*) as updates
    from tops
    group by venue, day, symbol, second
)

select * from final
