"""The SMA cross on bars, for research and the optimiser: parameters in, an outcome out.

    bars = bar_arrays(read_bars(lake, "binance", ["ETH-BTC"], first, last), "ETH-BTC")
    outcome = run_sma_cross(bars, SmaCross(fast=24, slow=96, fraction=0.5, fee_reserve_bps=10),
                            BarExecution(commission=BpsCommission(bps=10)), cash=10.0)
    outcome.final_value, outcome.equity, round_trips(outcome)

It runs the kernel. A study runs over all its bars at once and cuts ``equity``, whose
entry ``i`` belongs to the close of bar ``i``, into its periods.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from arb_pipelines.backtest.bars.arrays import BarArrays
from arb_pipelines.backtest.bars.costs import costs_of, rules_of
from arb_pipelines.backtest.bars.execution import BarExecution
from arb_pipelines.backtest.bars.kernel import FILL, Columns, Floats, Records, replay
from arb_pipelines.market.graph import BUY
from arb_pipelines.trading.sma_cross import SmaCross

#: A position from flat to flat; prices are averages, ``fees`` and ``profit`` (net) in quote.
ROUND_TRIP = np.dtype(
    [
        ("ts_entry", np.int64),
        ("ts_exit", np.int64),
        ("size", np.float64),
        ("entry_px", np.float64),
        ("exit_px", np.float64),
        ("fees", np.float64),
        ("profit", np.float64),
    ]
)


@dataclass(frozen=True, slots=True)
class BarOutcome:
    """What a run came to; amounts in quote currency.

    ``fills`` are records of ``kernel.FILL`` in order of time, the one that closes the
    position at the end included; ``price`` gives theirs. ``equity`` has one entry a
    bar, at its close; ``final_value`` is the cash after closing. ``rejected`` counts
    orders that would have spent more than there was.
    """

    fills: Records = field(repr=False)
    equity: Floats = field(repr=False)
    fees: float
    final_value: float
    rejected: int

    @property
    def price(self) -> Floats:
        """Price of each fill, slippage included, fee not; quote per base."""
        price: Floats = self.fills["funds"] / self.fills["size"]
        return price


def run_sma_cross(
    bars: BarArrays,
    params: SmaCross,
    execution: BarExecution = BarExecution(),  # noqa: B008 - frozen
    *,
    cash: float = 10_000.0,
) -> BarOutcome:
    """Run the SMA cross over one symbol's bars, from ``cash`` (quote) and no position.

    Equal arguments give equal results, bit for bit.
    """
    columns = Columns(
        bars.ts_open, bars.open, bars.high, bars.low, bars.close, bars.volume, bars.interval_ns
    )
    fills, equity = np.empty(len(bars) + 1, FILL), np.empty(len(bars))
    totals = replay(
        columns, rules_of(params, execution), costs_of(execution), float(cash), fills, equity
    )
    return BarOutcome(
        fills[: totals.fills].copy(), equity, totals.fees, totals.cash, totals.rejected
    )


def round_trips(outcome: BarOutcome) -> Records:
    """Join an outcome's fills into ``ROUND_TRIP`` records, in order of time.

    Fills of one order that was carried over several bars are one entry or exit.
    """
    fills = outcome.fills
    buys = fills["side"] == BUY
    begins = np.flatnonzero(buys & ~np.concatenate(([False], buys[:-1])))
    trips = np.zeros(len(begins), ROUND_TRIP)
    if not len(begins):
        return trips

    def total(name: str, of: npt.NDArray[np.bool_]) -> Floats:
        sums: Floats = np.add.reduceat(np.where(of, fills[name], 0.0), begins)
        return sums

    paid, got = total("funds", buys), total("funds", ~buys)
    trips["ts_entry"] = fills["ts"][begins]
    trips["ts_exit"] = fills["ts"][np.append(begins[1:], len(fills)) - 1]
    trips["size"] = total("size", buys)
    trips["entry_px"], trips["exit_px"] = paid / trips["size"], got / total("size", ~buys)
    trips["fees"] = total("fee", buys) + total("fee", ~buys)
    trips["profit"] = got - paid - trips["fees"]
    return trips
