-- description: Spread, depth at the top and update rate of each symbol in each hour.
-- grain: one symbol and one UTC hour with at least one two-sided state
-- units: spreads bps of the mid; updates_per_second over the whole hour; sizes in base; gaps ms
-- materialized: table
-- partition_by: venue, day
with

tops as (
    select * from stg_book_tops
),

spaced as (
    select
        venue,
        day,
        symbol,
        date_trunc('hour', received_at::timestamp) as hour,
        spread_bps,
        bid_sz,
        ask_sz,
        (ts_recv - lag(ts_recv) over by_arrival) / 1e6 as gap_ms
    from tops
    window by_arrival as (partition by venue, day, symbol order by row_no)
),

final as (
    select
        venue,
        day,
        symbol,
        hour,
        count(*) as updates,
        count(*) / 3600.0 as updates_per_second,
        avg(spread_bps) as mean_spread_bps,
        median(spread_bps) as median_spread_bps,
        min(spread_bps) as min_spread_bps,
        max(spread_bps) as max_spread_bps,
        median(bid_sz) as median_bid_sz,
        median(ask_sz) as median_ask_sz,
        max(gap_ms) as longest_gap_ms
    from spaced
    group by venue, day, symbol, hour
)

select * from final
