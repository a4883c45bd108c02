-- description: Searched windows that do not have the trials they say they have, numbered without holes; one that is being searched, or was interrupted, says nothing yet.
-- on: optimization_trials
-- blocking: yes
with

trials as (
    select
        study,
        window_name,
        count(*) as trials,
        max(trial_no) + 1 as numbers,
        count(*) filter (where state = 'complete') as complete,
        count(*) filter (where state = 'pruned') as pruned,
        count(*) filter (where state = 'failed') as failed
    from optimization_trials
    group by study, window_name
)

select
    study,
    window_name,
    best.trials,
    trials.trials as trials_found,
    trials.numbers
from optimization_best as best
left join trials using (study, window_name)
where
    best.trials <> coalesce(trials.trials, 0)
    or trials.numbers <> trials.trials
    or best.complete <> trials.complete
    or best.pruned <> trials.pruned
    or best.failed <> trials.failed
