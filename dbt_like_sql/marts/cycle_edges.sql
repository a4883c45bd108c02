-- description: Gross edge of each cycle, sampled at the end of every second in which all its symbols moved.
-- grain: one cycle of a day with at least one sample
-- units: edges are gross (before fees), bps; a share is of the samples; samples are seconds
-- materialized: table
-- partition_by: venue, day
with

cycles as (
    select * from cycles
),

legs as (
    select * from cycle_legs
),

tops as (
    select * from int_tops_by_second
),

leg_rates as (
    select
        legs.venue,
        legs.day,
        legs.cycle_no,
        tops.second,
        case legs.side when 'buy' then 1 / tops.ask_px else tops.bid_px end as rate
    from legs
    inner join tops
        on legs.venue = tops.venue
        and legs.day = tops.day
        and legs.symbol = tops.symbol
),

-- A second counts only when every leg has a price of that same second: nothing stale is multiplied.
samples as (
    select
        leg_rates.venue,
        leg_rates.day,
        leg_rates.cycle_no,
        leg_rates.second,
        (product(leg_rates.rate) - 1) * 1e4 as gross_bps
    from leg_rates
    inner join cycles
        on leg_rates.venue = cycles.venue
        and leg_rates.day = cycles.day
        and leg_rates.cycle_no = cycles.cycle_no
    group by leg_rates.venue, leg_rates.day, leg_rates.cycle_no, leg_rates.second, cycles.length
    having count(*) = cycles.length
),

final as (
    select
        samples.venue,
        samples.day,
        cycles.cycle_key,
        cycles.length,
        count(*) as samples,
        avg(samples.gross_bps) as mean_gross_bps,
        median(samples.gross_bps) as median_gross_bps,
        quantile_cont(samples.gross_bps, 0.99) as p99_gross_bps,
        max(samples.gross_bps) as max_gross_bps,
        count(*) filter (where samples.gross_bps > 0) / count(*) as share_above_zero,
        count(*) filter (where samples.gross_bps > 10 * cycles.length) / count(*) as share_above_10_bps_a_leg
    from samples
    inner join cycles
        on samples.venue = cycles.venue
        and samples.day = cycles.day
        and samples.cycle_no = cycles.cycle_no
    group by samples.venue, samples.day, cycles.cycle_key, cycles.length
)

select * from final
