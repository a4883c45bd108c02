-- description: Days that have markets and no cycle among them: nothing could ever be found there.
-- on: cycles
-- blocking: yes
select markets.venue, markets.day, count(*) as markets
from markets
anti join cycles on markets.venue = cycles.venue and markets.day = cycles.day
group by markets.venue, markets.day
