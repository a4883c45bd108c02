"""Whether a cycle may be traded now, and with how much: the gate, then the budget."""

from __future__ import annotations

from arb_pipelines.errors import InvariantBroken
from arb_pipelines.trading.book_shelf import BookShelf
from arb_pipelines.trading.cycles.universe import TradedCycles
from arb_pipelines.trading.events import Approved, CycleSignal, Ended, Refused, Signal
from arb_pipelines.trading.gate import (
    REFUSALS,
    Refusal,
    budget,
    enter,
    leave,
    open_gate,
    refusal,
)
from arb_pipelines.trading.kelly import committed_share, no_returns, note_return
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
        cycle = _cycle_of(signal)
        rules, start = self._traded.rules, self._traded.start(cycle)
        symbols, _ = self._traded.leg_arrays(cycle)
        symbol_set = int(self._traded.symbol_set[cycle])
        reason = refusal(
            self._gate, rules, symbols, symbol_set, start, self._shelf.updated, signal.ts
        )
        if reason != Refusal.NONE:
            return Refused(signal, REFUSALS[reason])
        share = committed_share(rules, self._returns)
        most = budget(rules, share, self._portfolio.free(self._traded.cycles.currencies[start]))
        if isinstance(signal, CycleSignal) and signal.most is not None:
            most = min(most, signal.most)
        if not most > 0.0:
            return Refused(signal, REFUSALS[Refusal.FUNDS])
        enter(self._gate, symbols, symbol_set, start)
        return Approved(signal, most)

    def on_ended(self, ended: Ended) -> None:
        """Free the cycle's place and count its return; its symbols rest, if it sent an order."""
        cycle = _cycle_of(ended.approved.signal)
        symbols, _ = self._traded.leg_arrays(cycle)
        symbol_set = int(self._traded.symbol_set[cycle])
        resting = self._gate.rest_until[symbol_set]
        start = self._traded.start(cycle)
        leave(self._gate, self._traded.rules, symbols, symbol_set, start, ended.ts)
        note_return(self._returns, ended.spent, ended.profit)
        if ended.declined is not None:
            self._gate.rest_until[symbol_set] = resting


def _cycle_of(signal: Signal) -> int:
    if not isinstance(signal, CycleSignal):
        raise InvariantBroken(f"{signal} is no signal to trade a cycle")
    return signal.cycle
