"""Backtests on OHLC bars: what a bar tells of the price between open and close, and no more.

``brokers.bars.BarBroker`` is the readable broker, which a container runs with any
strategy; ``kernel`` the fast engine of one strategy, the SMA cross. They give equal
results to the last bit, which property tests hold them to. For research and
optimisation ``sma_cross.run_sma_cross(bars, params) -> BarOutcome`` is the way in;
``arrays.bar_arrays(frame, symbol)`` makes its bars and refuses bad ones.

The execution model
-------------------
*Time.* A bar is known when it closes. An order takes part in bars of its symbol that
open at or after the order's own time: what is decided at a close meets the next
bar, and no earlier one.

*Path.* Within a bar the price goes from the open to one extreme, to the other, and to
the close. Which extreme comes first is not in the data, so it is a setting. The
*pessimistic* path visits the one that hurts the position first: the low if the net
position in the symbol is long, the high if it is short. If it is flat, the oldest
limit or stop order that is open counts as a position yet to come, which finds the
favourable move over and the adverse one ahead: the high comes first for a buy, the
low for a sell. The *optimistic* path is the other one. The position is the one after
the fills at the open.

*Fills*, in the order of the path; at one price, in the order of submission:

- A market order fills at the open of its first bar, or, with ``market_fill: vwap``,
  at the bar's typical price, (high + low + close) / 3, at its close.
- A limit order that the open meets or betters fills at the open. Else it fills at its
  limit when the path touches it: a buy if low <= limit, a sell if high >= limit.
- A stop order that the open meets or passes fills at the open: a gap is not saved by
  the stop's price. Else it fills at its stop when the path touches it.
- An order that fills on arrival (market, stop, a limit that its first bar's open
  meets) takes: it slips, by the slippage model, a limit never past its limit, and
  pays the taker's fee. A limit that has rested makes: no slippage, the maker's fee.
- A fill at the open has the time of the open. One on the path or at the typical price
  has the time of the close: when in the bar it was is not known.

*Volume.* With ``volume_share`` all orders of a symbol together fill at most that share
of a bar's volume, first come, first served along the path; the rest of an order
waits for the next bar, a triggered stop as a market order. So a bar without volume
fills nothing. Without it volume is not looked at, and such a bar fills at its prices.

*Endings.* IOC and FOK orders do not rest: a limit meets the open of its first bar or
nothing; a stop may wait for its trigger. A FOK order fills whole or not at all. An
order with an expiry takes part in bars that close no later. The first fill of an
order ends the others of its ``oco`` group. An order that would spend more than what
is set aside for it is rejected, whatever has filled of it before.

*The end.* After the last bar open orders are cancelled, and positions are closed at
the last close, with slippage and fee and without regard to volume. Equity is cash
plus the position at the bar's close; its last value is before that closing, the
final value after it.

Not modelled: sizes are not rounded to increments, our orders do not move later bars,
and the queue at a limit's price is empty: a touch is a fill.
"""
