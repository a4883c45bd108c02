"""What to do about the market: strategies, sizes, orders, the gate, unwinding, the ledger.

Decisions only. No I/O, no clock, no state that a caller did not hand in: a
backtest, a paper session and a live one call the same functions with the same
arguments and so decide the same. How an order comes to be filled is not decided
here: that is the venue's, or the backtest's model of it.

The functions that run once a signal are compiled (numba) so that the backtest
kernel can call them from inside its loop; from Python they are called like any
other. They take one symbol's or one cycle's arrays and return numbers.
"""
