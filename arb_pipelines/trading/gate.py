"""The gate every signal passes before any money is committed.

A signal is refused with a reason, never with an exception; the reasons are
counted, since "why not more trades" is the first question asked of a backtest.
The order of the checks is part of the meaning: a signal is counted under the
first that refuses it.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from arb_pipelines.market.cycles import CycleSet
from arb_pipelines.trading.kelly import Returns, committed_share
from arb_pipelines.trading.rules import Rules

Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]


class Refusal(IntEnum):
    """Why a signal did not become an execution."""

    NONE = 0
    STALE = 1  # a leg's book is older than max_age_ms
    COOL_DOWN = 2  # the same symbols traded less than cool_down_ms ago
    SLOTS = 3  # as many executions in flight as there are slots
    TRIANGLE = 4  # the same set of symbols is in flight
    SYMBOL = 5  # one of its symbols is in flight
    START_CURRENCY = 6  # its start currency is in flight
    FUNDS = 7  # nothing of the start currency is free, or Kelly commits nothing of it
    DEPTH = 8  # what is left of the levels earns less: only where who signals does not see that
    MINIMUM = 9  # a leg would fall below an increment or a minimum
    EDGE = 10  # after rounding the whole earns less than min_profit_bps


#: Reasons as they are written in tables, indexed by code.
REFUSALS: Sequence[str] = tuple(reason.name.lower() for reason in Refusal)


class Gate(NamedTuple):
    """What is in flight, and who rests. Changed by ``enter`` and ``leave`` alone.

    ``busy_*`` count executions in flight by symbol set, symbol and start
    currency; ``rest_until`` is in ns, by symbol set; ``in_flight`` has one
    element.
    """

    busy_set: Int32
    busy_symbol: Int32
    busy_start: Int32
    rest_until: Int64
    in_flight: Int32


def open_gate(sets: int, symbols: int, currencies: int) -> Gate:
    """Make a gate with nothing in flight."""
    return Gate(
        np.zeros(sets, np.int32),
        np.zeros(symbols, np.int32),
        np.zeros(currencies, np.int32),
        np.full(sets, np.iinfo(np.int64).min, np.int64),
        np.zeros(1, np.int32),
    )


def symbol_sets(cycles: CycleSet) -> Int32:
    """Number the sets of symbols: cycles over the same symbols share a number."""
    numbers: dict[frozenset[int], int] = {}
    return np.array(
        [
            numbers.setdefault(frozenset(legs[:length].tolist()), len(numbers))
            for legs, length in zip(cycles.leg_symbol, cycles.length, strict=True)
        ],
        np.int32,
    )


@njit(cache=True)
def refusal(
    gate: Gate, rules: Rules, legs: Int32, symbol_set: int, start: int, updated: Int64, now: int
) -> int:
    """Check a signal against all that does not need its size; a ``Refusal`` code.

    ``legs`` are the cycle's symbols, ``updated`` the receipt (ns) of each
    symbol's newest book.
    """
    for symbol in legs:
        if now - updated[symbol] > rules.max_age_ns:
            return Refusal.STALE.value
    if now < gate.rest_until[symbol_set]:
        return Refusal.COOL_DOWN.value
    if gate.in_flight[0] >= rules.slots:
        return Refusal.SLOTS.value
    if rules.apart_triangle and gate.busy_set[symbol_set] > 0:
        return Refusal.TRIANGLE.value
    if rules.apart_symbol:
        for symbol in legs:
            if gate.busy_symbol[symbol] > 0:
                return Refusal.SYMBOL.value
    if rules.apart_start and gate.busy_start[start] > 0:
        return Refusal.START_CURRENCY.value
    return Refusal.NONE.value


@njit(cache=True)
def budget(rules: Rules, share: float, free: float) -> float:
    """Most of the start currency that one cycle may use; 0 if nothing is free.

    ``share`` of what is free is what ``kelly.committed_share`` gives.
    """
    return max(0.0, min(share * free, rules.amount, free))


@njit(cache=True)
def enter(gate: Gate, legs: Int32, symbol_set: int, start: int) -> None:
    """Note an execution that begins."""
    gate.in_flight[0] += 1
    gate.busy_set[symbol_set] += 1
    gate.busy_start[start] += 1
    for symbol in legs:
        gate.busy_symbol[symbol] += 1


@njit(cache=True)
def admit(
    gate: Gate,
    rules: Rules,
    legs: Int32,
    symbol_set: int,
    start: int,
    updated: Int64,
    now: int,
    returns: Returns,
    free: float,
    most: float,
) -> tuple[int, float]:
    """Let a signal enter, unless something refuses it; a ``Refusal`` code and its budget.

    The arguments are those of ``refusal``, ``kelly.committed_share`` and ``budget``, all in one
    call, since calls from Python cost more than what they do; ``most`` bounds the budget.
    """
    reason = refusal(gate, rules, legs, symbol_set, start, updated, now)
    if reason != Refusal.NONE.value:
        return reason, 0.0
    most = min(budget(rules, committed_share(rules, returns), free), most)
    if not most > 0.0:
        return Refusal.FUNDS.value, 0.0
    enter(gate, legs, symbol_set, start)
    return Refusal.NONE.value, most


@njit(cache=True)
def leave(gate: Gate, rules: Rules, legs: Int32, symbol_set: int, start: int, now: int) -> None:
    """Note an execution that has ended; its symbols rest from ``now`` on."""
    gate.in_flight[0] -= 1
    gate.busy_set[symbol_set] -= 1
    gate.busy_start[start] -= 1
    for symbol in legs:
        gate.busy_symbol[symbol] -= 1
    gate.rest_until[symbol_set] = now + rules.cool_down_ns
