-- description: Partitions whose row_no do not run from 0 without a hole, so that readers cannot trust them.
-- on: book_tops
-- blocking: yes
select
    venue,
    day,
    count(*) as rows_found,
    count(distinct row_no) as numbers_found,
    min(row_no) as first_no,
    max(row_no) as last_no
from book_tops
group by venue, day
having min(row_no) <> 0 or max(row_no) <> count(*) - 1 or count(distinct row_no) <> count(*)
