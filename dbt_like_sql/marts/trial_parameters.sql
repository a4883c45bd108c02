-- description: The parameters of every trial as rows, beside what the trial came to.
-- grain: one trial and parameter; a parameter that the trial's others rule out has no row
-- units: value in the study's first objective, net_profit in value currency; number in the parameter's own unit
-- materialized: table
-- partition_by: study, window_name
with

trials as (
    select * from optimization_trials
),

named as (
    select
        study,
        window_name,
        trial_no,
        state,
        feasible,
        "values"[1] as value,
        net_profit,
        params,
        unnest(json_keys(params)) as parameter
    from trials
),

final as (
    select
        study,
        window_name,
        trial_no,
        parameter,
        json_extract_string(params, '$."' || parameter || '"') as choice,
        try_cast(choice as double) as number,
        state,
        feasible,
        value,
        net_profit
    from named
)

select * from final
