"""What an engine gives back: one record a trade, one a leg, and the signals it counted.

Symbols, currencies and cycles are numbers here; ``frames`` names them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt

Records = npt.NDArray[Any]
Int64 = npt.NDArray[np.int64]


class TradeStatus(IntEnum):
    """How an execution ended."""

    COMPLETED = 0  # each leg after the first was filled whole
    MISSED = 1  # the first leg found nothing within its limit
    UNWOUND = 2  # a leg fell short, and what was left came back to the start currency
    RESIDUAL = 3  # a leg fell short, and more than a hundredth of the input is still out


class LegStatus(IntEnum):
    """How an order ended."""

    FILLED = 0
    PARTIAL = 1
    MISSED = 2


#: Amounts in start currency except ``gross`` and ``predicted``, which are edges as fractions.
TRADE = np.dtype(
    [
        ("trade_no", np.int64),
        ("cycle", np.int64),
        ("status", np.int64),
        ("ts_signal", np.int64),
        ("ts_end", np.int64),
        ("legs", np.int64),
        ("legs_filled", np.int64),
        ("unwind_orders", np.int64),
        ("committed", np.float64),
        ("gross", np.float64),
        ("predicted", np.float64),
        ("spent", np.float64),
        ("returned", np.float64),
        ("expected_profit", np.float64),
        ("profit", np.float64),
        ("fee", np.float64),
        ("slippage", np.float64),
        ("latency", np.float64),
        ("residual", np.float64),
        ("unwind", np.float64),
        ("residual_value", np.float64),
    ]
)

#: ``order``, ``planned_*``, ``spent`` and ``received`` are in the leg's own currencies, ``size`` in
#: base, ``funds`` in quote; from ``expected`` on, amounts are in start currency.
LEG = np.dtype(
    [
        ("trade_no", np.int64),
        ("leg_no", np.int64),
        ("unwinds", np.int64),
        ("symbol", np.int64),
        ("side", np.int64),
        ("status", np.int64),
        ("ts_sent", np.int64),
        ("ts_filled", np.int64),
        ("best_px", np.float64),
        ("limit_px", np.float64),
        ("order", np.float64),
        ("planned_spent", np.float64),
        ("planned_received", np.float64),
        ("size", np.float64),
        ("funds", np.float64),
        ("spent", np.float64),
        ("received", np.float64),
        ("expected", np.float64),
        ("filled", np.float64),
        ("fee", np.float64),
        ("slippage", np.float64),
        ("latency", np.float64),
    ]
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """Result of one day: ``trades`` by number, ``legs`` by trade and leg, and the counts.

    ``signals`` has shape ``(currencies,)`` and ``refused`` ``(currencies,
    reasons)``, both by start currency. ``updates`` is the number of book states
    replayed.
    """

    trades: Records
    legs: Records
    signals: Int64
    refused: Int64
    updates: int
