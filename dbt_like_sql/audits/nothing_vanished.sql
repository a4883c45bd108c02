-- description: Sources whose accepted and rejected rows do not add up to the rows read.
-- on: ingests
-- blocking: yes
select venue, day, source, rows_read, rows_accepted, rows_rejected
from ingests
where rows_accepted + rows_rejected <> rows_read
