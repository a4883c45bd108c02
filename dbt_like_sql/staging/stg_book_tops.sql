-- description: Accepted book tops with both sides present, with mid price, spread and UTC time.
-- grain: one two-sided state of a symbol's best bid and ask
-- units: prices quote per base; sizes base; spread_bps of the mid price; ts_* ns since the epoch
-- materialized: view
with

book_tops as (
    select * from book_tops
),

two_sided as (
    select
        venue,
        day,
        row_no,
        symbol,
        ts_event,
        ts_recv,
        bid_px,
        bid_sz,
        ask_px,
        ask_sz,
        (bid_px + ask_px) / 2 as mid_px
    from book_tops
    where bid_px is not null and ask_px is not null
),

final as (
    select
        venue,
        day,
        row_no,
        symbol,
        make_timestamp_ns(ts_recv) as received_at,
        ts_event,
        ts_recv,
        bid_px,
        bid_sz,
        ask_px,
        ask_sz,
        mid_px,
        (ask_px - bid_px) / mid_px * 1e4 as spread_bps
    from two_sided
)

select * from final
