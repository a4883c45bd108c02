-- description: Breaks in a symbol's update sequence; its book was unusable until the resync.
-- on: book_levels
-- blocking: no
select venue, day, source, symbol, ts_recv, expected, got, resynced_ts
from book_gaps
