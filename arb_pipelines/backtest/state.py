"""The kernel's memory: books, executions in flight, and what has been counted so far."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from arb_pipelines.backtest.records import LEG, TRADE
from arb_pipelines.backtest.scenario import Scenario
from arb_pipelines.trading.gate import Gate, Refusal, open_gate
from arb_pipelines.trading.kelly import Returns, no_returns

Floats = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]
Int32 = npt.NDArray[np.int32]
UInt8 = npt.NDArray[np.uint8]
Records = npt.NDArray[Any]

#: Indices of ``Tally.counts``.
TRADES, LEGS, ORDERS = range(3)
#: Time of an order that is not on its way.
NEVER = np.iinfo(np.int64).max

#: One execution in flight: the order on its way, and where in its cycle it stands.
FLIGHT = np.dtype(
    [
        ("active", np.int64),
        ("trade", np.int64),
        ("cycle", np.int64),
        ("leg", np.int64),
        ("unwinds", np.int64),
        ("fell_short", np.int64),
        ("holdings", np.int64),
        ("holding", np.int64),
        ("legs_sent", np.int64),
        ("due", np.int64),
        ("sent", np.int64),
        ("order_no", np.int64),
        ("symbol", np.int64),
        ("side", np.int64),
        ("order", np.float64),
        ("limit", np.float64),
        ("best", np.float64),
        ("available", np.float64),
        ("value_after", np.float64),
        ("planned_spent", np.float64),
        ("planned_received", np.float64),
    ]
)


class BookState(NamedTuple):
    """The books as they are now.

    ``rate`` has one gross rate a leg (``2 * symbol + side``) and a last one of
    1. ``px``, ``left``, ``shown`` and ``taken`` have shape ``(symbols, 2,
    depth)``; the second index is the side an order has. ``shown`` holds the
    displayed size where ``taken`` is not 0; ``touched`` marks symbols with such
    a level. ``updated`` is the receipt of the newest state, ns.
    """

    rate: Floats
    px: Floats
    left: Floats
    shown: Floats
    taken: Floats
    touched: UInt8
    updated: Int64


class Flights(NamedTuple):
    """Executions in flight, by slot.

    ``bests``, ``limits``, ``spent``, ``received`` are the plan by leg, ``value``
    the value of one unit before each leg; the levels ``seen`` at the decision
    have one row a leg and a last one for the unwind order on its way. Holdings
    are what an unfinished cycle has in hand, with its value at the decision.
    """

    slots: Records
    bests: Floats
    limits: Floats
    spent: Floats
    received: Floats
    value: Floats
    seen_px: Floats
    seen_left: Floats
    held_currency: Int64
    held_amount: Floats
    held_value: Floats


class Tally(NamedTuple):
    """Balances, records and counts. ``free`` is by currency."""

    gate: Gate
    returns: Returns
    free: Floats
    signals: Int64
    refused: Int64
    counts: Int64
    trades: Records
    legs: Records


class State(NamedTuple):
    """Everything a replay changes."""

    books: BookState
    flights: Flights
    tally: Tally


def new_state(scenario: Scenario, depth: int, room: int = 1024) -> State:
    """Make the state a day begins with; ``room`` is the number of records before they grow."""
    setting = scenario.setting
    symbols, currencies = len(scenario.cycles.symbols), len(scenario.cycles.currencies)
    slots, legs = setting.rules.slots, scenario.cycles.leg_symbol.shape[1]
    held = legs + setting.rules.unwind_orders + 1
    rate = np.zeros(2 * symbols + 1)
    rate[-1] = 1.0
    books = BookState(
        rate=rate,
        px=np.full((symbols, 2, depth), np.nan),
        left=np.zeros((symbols, 2, depth)),
        shown=np.zeros((symbols, 2, depth)),
        taken=np.zeros((symbols, 2, depth)),
        touched=np.zeros(symbols, np.uint8),
        updated=np.zeros(symbols, np.int64),
    )
    flights = Flights(
        slots=np.zeros(slots, FLIGHT),
        bests=np.zeros((slots, legs)),
        limits=np.zeros((slots, legs)),
        spent=np.zeros((slots, legs)),
        received=np.zeros((slots, legs)),
        value=np.zeros((slots, legs + 1)),
        seen_px=np.zeros((slots, legs + 1, depth)),
        seen_left=np.zeros((slots, legs + 1, depth)),
        held_currency=np.zeros((slots, held), np.int64),
        held_amount=np.zeros((slots, held)),
        held_value=np.zeros((slots, held)),
    )
    flights.slots["due"] = NEVER
    sets = int(setting.symbol_set.max()) + 1 if len(setting.symbol_set) else 0
    tally = Tally(
        open_gate(sets, symbols, currencies),
        no_returns(setting.rules),
        scenario.balances.copy(),
        np.zeros(currencies, np.int64),
        np.zeros((currencies, len(Refusal)), np.int64),
        np.zeros(3, np.int64),
        np.zeros(room + slots, TRADE),
        np.zeros(room, LEG),
    )
    return State(books, flights, tally)


def grown(tally: Tally) -> Tally:
    """Give ``tally`` with room for twice as many records."""
    trades, legs = (
        np.concatenate([rows, np.zeros_like(rows)]) for rows in (tally.trades, tally.legs)
    )
    return tally._replace(trades=trades, legs=legs)
