-- description: Differences between the engine's ledger and the venue's own account that nothing explains.
-- on: reconciliations
-- blocking: yes
select
    venue,
    day,
    account,
    kind,
    item,
    symbol,
    currency,
    ours,
    theirs,
    difference,
    verdict,
    why
from reconciliations
where not explained or (verdict = 'matched' and difference <> 0)
