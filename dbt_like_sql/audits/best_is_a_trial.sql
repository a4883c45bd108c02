-- description: Windows whose best is no feasible trial of theirs with the same parameters and value.
-- on: optimization_best
-- blocking: yes
select
    best.study,
    best.window_name,
    best.trial_no,
    best.value,
    trials.state,
    trials.feasible,
    trials."values"[1] as trial_value
from optimization_best as best
left join optimization_trials as trials
    on best.study = trials.study
    and best.window_name = trials.window_name
    and best.trial_no = trials.trial_no
where
    best.trial_no is not null
    and not coalesce(
        trials.state = 'complete'
        and trials.feasible
        and trials.params = best.params
        and trials."values"[1] = best.value,
        false
    )
