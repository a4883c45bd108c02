"""One update after another: fair price, quote, levels, in whole ticks and lots.

The only sequential part of the generator, in numba. All randomness comes in as
arrays drawn beforehand, so the kernel is a pure function of them and the state.
"""

from __future__ import annotations

from typing import NamedTuple

import numba as nb
import numpy as np
import numpy.typing as npt

from arb_pipelines.generator.arithmetic import exponential
from arb_pipelines.generator.parameters import Quoting
from arb_pipelines.market.graph import BUY

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: Kinds of update. ``FORCED`` requotes always; ``PLANT`` begins and ``HEAL`` ends a dislocation.
ORDINARY, FORCED, PLANT, HEAL = 0, 1, 2, 3
_NS_PER_S = 1e9
_NS_PER_MS = 1_000_000
#: The venue's clock is 2 to 20 ms before ours, in whole milliseconds.
_LATENCY_LEAST_NS, _LATENCY_SPAN_NS = 2_000_000, 18_000_000
#: A best size lies within a factor e**2 of its middle; deeper levels hold more.
_SIZE_SPAN, _SIZE_GROWTH = 4.0, 0.6
#: Share of sizes that an update without a requote changes.
_SIZES_CHANGED = 0.4
#: A gap between levels is 0.3 to 1.8 half spreads, at least one tick.
_GAP_LEAST, _GAP_SPAN = 0.3, 1.5


class Scale(NamedTuple):
    """Start price in ticks, ticks in one unit of price, and the smallest size in lots."""

    price_ticks: Floats
    ticks_per_unit: Floats
    min_lots: Ints


class QuoteState(NamedTuple):
    """What is carried from update to update; shapes ``(n,)``, of the books ``(n, depth)``."""

    followed: Floats
    error: Floats
    last_ns: Ints
    last_event_ns: Ints
    update_id: Ints
    frozen: Ints
    bid_ticks: Ints
    bid_lots: Ints
    ask_ticks: Ints
    ask_lots: Ints


class Updates(NamedTuple):
    """What happens, in order: shapes ``(n,)``, of ``uniforms`` ``(n, uniforms_an_update)``.

    ``fair`` is the log of the fair price relative to the start. ``plant`` is the
    dislocation that a ``PLANT`` or ``HEAL`` is about.
    """

    ts_ns: Ints
    symbol: Ints
    kind: Ints
    plant: Ints
    fair: Floats
    shock: Floats
    uniforms: Floats


class Plants(NamedTuple):
    """Planted dislocations: legs ``(k, 3)``; ``seen`` receives the edge after rounding to ticks."""

    leg_symbol: Ints
    leg_side: Ints
    moved: Ints
    gross: float
    seen: Floats


class Output(NamedTuple):
    """States of the books after each update; shapes ``(n,)``, of the books ``(n, depth)``."""

    ts_event: Ints
    update_id: Ints
    bid_ticks: Ints
    bid_lots: Ints
    ask_ticks: Ints
    ask_lots: Ints


def initial_state(ts_ns: int, n_symbols: int, depth: int) -> QuoteState:
    """Nothing quoted yet at ``ts_ns``."""
    return QuoteState(
        followed=np.zeros(n_symbols),
        error=np.zeros(n_symbols),
        last_ns=np.full(n_symbols, ts_ns, np.int64),
        last_event_ns=np.zeros(n_symbols, np.int64),
        update_id=np.zeros(n_symbols, np.int64),
        frozen=np.zeros(n_symbols, np.int64),
        bid_ticks=np.zeros((n_symbols, depth), np.int64),
        bid_lots=np.zeros((n_symbols, depth), np.int64),
        ask_ticks=np.zeros((n_symbols, depth), np.int64),
        ask_lots=np.zeros((n_symbols, depth), np.int64),
    )


def empty_output(n: int, depth: int) -> Output:
    """Room for ``n`` states."""
    books = [np.empty((n, depth), np.int64) for _ in range(4)]
    return Output(np.empty(n, np.int64), np.empty(n, np.int64), *books)


def uniforms_an_update(depth: int) -> int:
    """Random numbers an update takes: requote, latency, and a size and a gap a level and side."""
    return 2 + 4 * depth


@nb.njit(cache=True, nogil=True)
def run(
    updates: Updates,
    rule: Quoting,
    scale: Scale,
    plants: Plants,
    state: QuoteState,
    output: Output,
) -> None:
    """Apply ``updates`` to ``state``, and write the book after each into ``output``."""
    depth = state.bid_ticks.shape[1]
    for i in range(len(updates.ts_ns)):
        s, kind, drawn = updates.symbol[i], updates.kind[i], updates.uniforms[i]
        mid = _mid(updates, i, rule, state)
        if kind == HEAL:
            for leg_symbol in plants.leg_symbol[updates.plant[i]]:
                state.frozen[leg_symbol] = 0
        requoted = kind in (FORCED, HEAL) or drawn[0] < rule.requote[s]
        if kind == PLANT:
            _plant(updates.plant[i], plants, scale, state)
        elif requoted and not state.frozen[s]:
            _requote(s, mid, rule, scale, state, drawn[2 + 2 * depth :])
        _resize(s, kind != ORDINARY or requoted, rule, scale, state, drawn[2 : 2 + 2 * depth])

        latency = _LATENCY_LEAST_NS + np.int64(_LATENCY_SPAN_NS * drawn[1])
        event = (updates.ts_ns[i] - latency) // _NS_PER_MS * _NS_PER_MS
        state.last_event_ns[s] = max(state.last_event_ns[s], event)
        state.update_id[s] += 1
        output.ts_event[i] = state.last_event_ns[s]
        output.update_id[i] = state.update_id[s]
        output.bid_ticks[i], output.bid_lots[i] = state.bid_ticks[s], state.bid_lots[s]
        output.ask_ticks[i], output.ask_lots[i] = state.ask_ticks[s], state.ask_lots[s]


@nb.njit(cache=True)
def _mid(updates: Updates, i: int, rule: Quoting, state: QuoteState) -> float:
    """Log of the mid a maker would quote now, relative to the start price."""
    s, fair = updates.symbol[i], updates.fair[i]
    elapsed_s = (updates.ts_ns[i] - state.last_ns[s]) / _NS_PER_S
    state.last_ns[s] = updates.ts_ns[i]
    state.followed[s] = fair + (state.followed[s] - fair) * exponential(-elapsed_s / rule.lag_s[s])
    memory = exponential(-elapsed_s / rule.error_s[s])
    fresh = rule.error[s] * np.sqrt(1.0 - memory * memory) * updates.shock[i]
    state.error[s] = state.error[s] * memory + fresh
    most = rule.half_spread[s] + rule.slack[s]
    off = state.followed[s] + state.error[s] - fair
    return float(fair + min(max(off, -most), most))


@nb.njit(cache=True)
def _requote(
    s: int, mid: float, rule: Quoting, scale: Scale, state: QuoteState, gaps: Floats
) -> None:
    """Quote around ``mid``: bids round down to a tick, asks up."""
    depth = state.bid_ticks.shape[1]
    price = scale.price_ticks[s] * exponential(mid)
    half = price * rule.half_spread[s]
    bid = int(np.floor(price - half))
    ask = max(int(np.ceil(price + half)), bid + 1)
    for level in range(depth):
        state.bid_ticks[s, level], state.ask_ticks[s, level] = bid, ask
        bid -= _gap_ticks(half, gaps[level])
        ask += _gap_ticks(half, gaps[depth + level])


@nb.njit(cache=True)
def _gap_ticks(half: float, drawn: float) -> int:
    return max(1, int(half * (_GAP_LEAST + _GAP_SPAN * drawn)))


@nb.njit(cache=True)
def _resize(
    s: int, every: bool, rule: Quoting, scale: Scale, state: QuoteState, drawn: Floats
) -> None:
    """Draw sizes anew: all of them, or the share that changes without a requote."""
    depth = state.bid_ticks.shape[1]
    share = 1.0 if every else _SIZES_CHANGED
    for k in range(2 * depth):
        if drawn[k] < share:
            level = k % depth
            middle = rule.top_lots[s] * (1.0 + _SIZE_GROWTH * level)
            lots = np.int64(middle * exponential(_SIZE_SPAN * (drawn[k] / share - 0.5)))
            lots = max(lots, scale.min_lots[s])
            if k < depth:
                state.bid_lots[s, level] = lots
            else:
                state.ask_lots[s, level] = lots


@nb.njit(cache=True)
def _plant(k: int, plants: Plants, scale: Scale, state: QuoteState) -> None:
    """Move the whole book of one leg until the cycle's edge is at least ``gross``."""
    others = 1.0
    for leg in range(plants.leg_symbol.shape[1]):
        state.frozen[plants.leg_symbol[k, leg]] = 1
        if leg != plants.moved[k]:
            others *= _rate(plants.leg_symbol[k, leg], plants.leg_side[k, leg], scale, state)
    s, side = plants.leg_symbol[k, plants.moved[k]], plants.leg_side[k, plants.moved[k]]
    unit, wanted = scale.ticks_per_unit[s], 1.0 + plants.gross
    if side == BUY:
        target = np.int64(np.floor(others / wanted * unit))
        move = target - state.ask_ticks[s, 0]
    else:
        target = np.int64(np.ceil(wanted / others * unit))
        move = target - state.bid_ticks[s, 0]
    for level in range(state.bid_ticks.shape[1]):
        state.bid_ticks[s, level] += move
        state.ask_ticks[s, level] += move
    plants.seen[k] = others * _rate(s, side, scale, state) - 1.0


@nb.njit(cache=True)
def _rate(s: int, side: int, scale: Scale, state: QuoteState) -> float:
    """What one unit becomes over a leg, before fees."""
    unit = scale.ticks_per_unit[s]
    if side == BUY:
        return float(unit / state.ask_ticks[s, 0])
    return float(state.bid_ticks[s, 0] / unit)
