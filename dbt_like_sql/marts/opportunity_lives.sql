-- description: How often, how long and how far each cycle stood above the scan's threshold.
-- grain: one cycle of a day with at least one opportunity
-- units: lives ms from first to last sight; edges bps; size in the cycle's start currency
-- materialized: table
-- partition_by: venue, day
with

opportunities as (
    select * from opportunities
),

lives as (
    select
        venue,
        day,
        cycle_key,
        start_currency,
        length,
        updates,
        peak_gross_bps,
        peak_net_bps,
        top_size_start,
        (ts_last - ts_first) / 1e6 as life_ms
    from opportunities
),

final as (
    select
        venue,
        day,
        cycle_key,
        start_currency,
        length,
        count(*) as lives,
        sum(updates) as updates,
        median(life_ms) as median_life_ms,
        max(life_ms) as longest_life_ms,
        max(peak_gross_bps) as best_gross_bps,
        max(peak_net_bps) as best_net_bps,
        median(top_size_start) as median_top_size_start
    from lives
    group by venue, day, cycle_key, start_currency, length
)

select * from final
