"""What came of each order and of each cycle, as values: the ledger's rows before any table.

An order manager tells them as they happen; a backtest gathers them into records, a
live session into its own tables. Symbols and cycles are numbers of the universe's
``CycleSet``, executions are numbered as they begin.
"""

from __future__ import annotations

from dataclasses import dataclass

from arb_pipelines.trading.ledger import Parts
from arb_pipelines.trading.orders import Fill

#: Share of the input that may be left out without an execution counting as a residual.
LEFT_OUT = 0.01


@dataclass(frozen=True, slots=True)
class LegReport:
    """One order of a cycle, when it has ended.

    ``number`` counts the execution's orders from 0. ``order`` and ``planned_*`` are
    in the leg's own currencies; ``parts`` split the fill, in start currency.
    """

    execution: int
    number: int
    unwinds: bool
    symbol: int
    side: int
    ts_sent: int
    ts_filled: int
    best_px: float
    limit_px: float
    order: float
    planned_spent: float
    planned_received: float
    done: Fill
    parts: Parts


@dataclass(frozen=True, slots=True)
class CycleReport:
    """One execution of a cycle, when it has ended; amounts in start currency.

    ``gross`` and ``predicted`` are edges as fractions. ``fell_short`` tells that a
    leg after the first was not filled whole (of legs that left at once: any),
    ``cancelled`` that a person took it back between its legs. ``missing`` is what such
    legs took from other balances and could not buy back, valued at the decision: it was
    not the cycle's to sell, so it is taken off ``returned``, and ``residual_value`` is
    less by it.
    """

    execution: int
    cycle: int
    ts_signal: int
    ts_end: int
    legs: int
    legs_filled: int
    unwind_orders: int
    fell_short: bool
    committed: float
    gross: float
    predicted: float
    spent: float
    returned: float
    expected_profit: float
    fee: float
    slippage: float
    latency: float
    residual: float
    unwind: float
    residual_value: float
    cancelled: bool = False
    missing: float = 0.0

    @property
    def profit(self) -> float:
        """What came back less what was spent; what is left over counts nothing.

        What is missing counts in full, since ``returned`` is without it.
        """
        return self.returned - self.spent


Report = LegReport | CycleReport
