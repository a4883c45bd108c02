"""Replaying recorded books: two engines with one meaning, and what their results come to.

``reference`` is the readable engine, ``kernel`` the fast one. Both take their
decisions from ``trading`` and give equal results to the last bit, which property
tests hold them to. Neither reads nor writes the lake: that is ``research.backtests``.

The execution model
-------------------
*Books.* The book of a symbol at a time is the newest state received by then
(``ts_recv``). States are applied in order of arrival; at the same nanosecond
books come before orders, and orders before each other as they were sent.

*Decision.* Each update may signal the cycles through its symbol, by the best prices
of which something is left for us. The signals of one update are taken by falling
product, then by the cycle's number; each passes the gate, is sized by what is left of
the levels, and commits its input at once. A decision sees what was received by its
update, that update included, and nothing later.

*Latency.* The first order is at the venue after the decision delay plus a leg
delay; each further order a leg delay after the fill before it. The n-th execution
and the n-th order of a day take the n-th draw of two seeded tables, so that draws
depend on neither engine nor number of workers.

*Fills.* An order fills at once against the levels as they stand when it arrives,
up to its limit; the rest is cancelled. What we take of a level stays gone for us
until an update of the symbol shows that price with another size, or no longer
shows it.

*Unfinished cycles.* A leg that fills in part passes on what it got. When the
cycle can go no further, what is left in other currencies is brought to the start
currency, one order at a time, by the best direct or two-symbol route through the
books of that moment, until nothing is left that the venue would take or the
strategy's number of unwind orders is used up. The rest is reported as residual:
it counts nothing in the profit, and ``residual_value`` says what the books would
pay for it. Unwinding asks for no fresh book.

*Day's end.* Orders still on their way meet the last books of the day. Each day
begins with the strategy's balances and nothing in flight.
"""
