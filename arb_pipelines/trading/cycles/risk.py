"""Whether a cycle may be traded now, and with how much: the gate, then the budget."""

from __future__ import annotations

import math

from arb_pipelines.errors import InvariantBroken
from arb_pipelines.trading.book_shelf import BookShelf
from arb_pipelines.trading.cycles.universe import TradedCycles
from arb_pipelines.trading.events import Approved, CycleSignal, Ended, Refused, Signal
from arb_pipelines.trading.gate import REFUSALS, Refusal, admit, leave, open_gate
from arb_pipelines.trading.kelly import no_returns, note_return
from arb_pipelines.trading.portfolio import Portfolio


class CycleRisk:
    """The gate of one session, and the share of what is free that a cycle may use."""

    def __init__(self, traded: TradedCycles, shelf: BookShelf, portfolio: Portfolio) -> None:
        self._traded, self._shelf, self._portfolio = traded, shelf, portfolio
        cycles = traded.cycles
        sets = int(traded.symbol_set.max()) + 1 if len(cycles) else 0
        self._gate = open_gate(sets, len(cycles.symbols), len(cycles.currencies))
        self._returns = no_returns(traded.rules)

    def review(self, signal: Signal) -> Approved | Refused:
        """Let a cycle pass and take its place in the gate, or name the check that stops it."""
        traded, asked = self._traded, _asked(signal)
        cycle = asked.cycle
        start = traded.start(cycle)
        symbols, _ = traded.leg_arrays(cycle)
        reason, most = admit(
            self._gate,
            traded.rules,
            symbols,
            int(traded.symbol_set[cycle]),
            start,
            self._shelf.updated,
            asked.ts,
            self._returns,
            self._portfolio.free(traded.cycles.currencies[start]),
            math.inf if asked.most is None else asked.most,
        )
        if reason != Refusal.NONE:
            return Refused(signal, REFUSALS[reason])
        return Approved(signal, most)

    def on_ended(self, ended: Ended) -> None:
        """Free the cycle's place and count its return; its symbols rest, if it sent an order."""
        cycle = _asked(ended.approved.signal).cycle
        symbols, _ = self._traded.leg_arrays(cycle)
        symbol_set = int(self._traded.symbol_set[cycle])
        resting = self._gate.rest_until[symbol_set]
        start = self._traded.start(cycle)
        leave(self._gate, self._traded.rules, symbols, symbol_set, start, ended.ts)
        note_return(self._returns, ended.spent, ended.profit)
        if ended.declined is not None:
            self._gate.rest_until[symbol_set] = resting


def _asked(signal: Signal) -> CycleSignal:
    if not isinstance(signal, CycleSignal):
        raise InvariantBroken(f"{signal} is no signal to trade a cycle")
    return signal
