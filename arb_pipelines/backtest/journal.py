"""What a run on books tells, gathered into the records that the kernel gives too."""

from __future__ import annotations

import numpy as np

from arb_pipelines.backtest.records import LEG, TRADE, LegStatus, Outcome, TradeStatus
from arb_pipelines.backtest.scenario import Int64
from arb_pipelines.market.cycles import CycleSet
from arb_pipelines.trading.events import Book, CycleSignal, Ended, Event, Refused, Signal
from arb_pipelines.trading.gate import REFUSALS
from arb_pipelines.trading.reports import LEFT_OUT, CycleReport, LegReport, Report

_CODE = {name: code for code, name in enumerate(REFUSALS)}


class Journal:
    """Hears everything that is published, and keeps what an ``Outcome`` is made of."""

    def __init__(self, cycles: CycleSet) -> None:
        self._start = cycles.start
        self._trades: list[CycleReport] = []
        self._legs: list[LegReport] = []
        self._signals: Int64 = np.zeros(len(cycles.currencies), np.int64)
        self._refused: Int64 = np.zeros((len(cycles.currencies), len(REFUSALS)), np.int64)
        self._updates = 0

    def hear(self, event: Event | Report) -> None:
        """Write down one event."""
        match event:
            case Book():
                self._updates += 1
            case CycleSignal():
                self._signals[self._start[event.cycle]] += 1
            case Refused():
                self._refuse(event.signal, event.reason)
            case Ended(declined=str(reason)):
                self._refuse(event.approved.signal, reason)
            case LegReport():
                self._legs.append(event)
            case CycleReport():
                self._trades.append(event)
            case _:
                pass

    def outcome(self) -> Outcome:
        """Give the records in the kernel's form."""
        trades = sorted(self._trades, key=lambda trade: trade.execution)
        legs = sorted(self._legs, key=lambda leg: (leg.execution, leg.number))
        return Outcome(
            _records(TRADE, [_trade(trade) for trade in trades]),
            _records(LEG, [_leg(leg) for leg in legs]),
            self._signals,
            self._refused,
            self._updates,
        )

    def _refuse(self, signal: Signal, reason: str) -> None:
        if isinstance(signal, CycleSignal):
            self._refused[self._start[signal.cycle], _CODE[reason]] += 1


def _records(dtype: np.dtype[np.void], rows: list[dict[str, float]]) -> np.ndarray:
    names = dtype.names or ()
    return np.array([tuple(row[name] for name in names) for row in rows], dtype)


def _trade(report: CycleReport) -> dict[str, float]:
    facts = {name: getattr(report, name) for name in TRADE.names or () if hasattr(report, name)}
    return facts | {"trade_no": report.execution, "status": trade_status(report)}


def _leg(report: LegReport) -> dict[str, float]:
    facts = {name: getattr(report, name) for name in LEG.names or () if hasattr(report, name)}
    return (
        facts
        | {"trade_no": report.execution, "leg_no": report.number, "status": leg_status(report)}
        | report.parts._asdict()
        | {name: getattr(report.done, name) for name in ("size", "funds", "spent", "received")}
    )


def leg_status(report: LegReport) -> LegStatus:
    """Say how an order ended."""
    if report.done.size <= 0.0:
        return LegStatus.MISSED
    return LegStatus.PARTIAL if report.done.short else LegStatus.FILLED


def trade_status(report: CycleReport) -> TradeStatus:
    """Say how an execution ended."""
    if not report.spent > 0.0:
        return TradeStatus.MISSED
    if not report.fell_short:
        return TradeStatus.COMPLETED
    if report.residual > LEFT_OUT * report.spent:
        return TradeStatus.RESIDUAL
    return TradeStatus.UNWOUND
