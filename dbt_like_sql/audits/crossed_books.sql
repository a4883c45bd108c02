-- description: Tops whose bid is at or above the ask; ingest must have rejected them.
-- on: book_tops
-- blocking: yes
select venue, day, row_no, symbol, bid_px, ask_px
from book_tops
where bid_px >= ask_px
