"""The rules of book rows and the kernel that applies them, one pass over the columns."""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np
import numpy.typing as npt

from arb_pipelines.clock import NS_PER_DAY

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.uint8]

#: Why a row is not accepted, by code; 0 is accepted. A row that breaks several
#: rules is refused for the one with the lowest code.
REASONS = (
    "",
    "other segment",
    "no time",
    "time out of range",
    "unknown symbol",
    "nan",
    "non-positive price",
    "negative size",
    "zero size",
    "crossed",
    "levels not ordered",
    "time backwards",
    "duplicate",
    "other day",
)
(
    _ACCEPTED,
    _OTHER_SEGMENT,
    _NO_TIME,
    _OUT_OF_RANGE,
    _UNKNOWN_SYMBOL,
    _NAN,
    _NON_POSITIVE,
    _NEGATIVE,
    _ZERO,
    _CROSSED,
    _NOT_ORDERED,
    _BACKWARDS,
    _DUPLICATE,
    OTHER_DAY,
) = range(len(REASONS))

_NONE = len(REASONS)  # above every reason

#: Times outside 2009 (the first coin) to 2100 come from a wrong unit or a broken clock.
MIN_TS = 14_245 * NS_PER_DAY
MAX_TS = 47_482 * NS_PER_DAY


@nb.njit(nogil=True, cache=True)
def judge_rows(
    columns: tuple[Any, ...],
    sides: tuple[Any, ...],
    code: npt.NDArray[np.int32],
    known: npt.NDArray[np.bool_],
    day: npt.NDArray[np.int32],
    other_segment: Bools,
    last: tuple[Any, ...],
    reasons: Codes,
) -> None:
    ts, has_ts, uid, has_uid, bp, has_bp, bs, has_bs, ap, has_ap, az, has_az = columns
    b_at, b_px, b_sz, a_at, a_px, a_sz = sides
    last_ts, last_uid, last_has_uid, last_top, last_count, last_levels, last_row = last
    for i in range(len(reasons)):
        if len(other_segment) and other_segment[i]:
            reasons[i] = _OTHER_SEGMENT
            continue
        if len(has_ts) and not has_ts[i]:
            reasons[i] = _NO_TIME
            continue
        t = ts[i]
        if t < MIN_TS or t >= MAX_TS:
            reasons[i] = _OUT_OF_RANGE
            continue
        s = code[i]
        if not known[day[i] if len(day) else 0, s]:
            reasons[i] = _UNKNOWN_SYMBOL
            continue

        has_bid = not len(has_bp) or has_bp[i]
        has_ask = not len(has_ap) or has_ap[i]
        reason = min(
            _top_reason(has_bid, bp[i], not len(has_bs) or has_bs[i], bs[i]),
            _top_reason(has_ask, ap[i], not len(has_az) or has_az[i], az[i]),
            _levels_reason(b_px[b_at[i] : b_at[i + 1]], b_sz[b_at[i] : b_at[i + 1]], -1.0),
            _levels_reason(a_px[a_at[i] : a_at[i + 1]], a_sz[a_at[i] : a_at[i + 1]], 1.0),
        )
        if has_bid and has_ask and bp[i] >= ap[i]:
            reason = min(reason, _CROSSED)
        if reason != _NONE:
            reasons[i] = reason
            continue

        has_id = not len(has_uid) or has_uid[i]
        n_bids, n_asks = b_at[i + 1] - b_at[i], a_at[i + 1] - a_at[i]
        if t < last_ts[s]:
            reasons[i] = _BACKWARDS
            continue
        if (
            t == last_ts[s]
            and has_id == last_has_uid[s]
            and (not has_id or uid[i] == last_uid[s])
            and _same(has_bid, bp[i], bs[i], last_top[s, 0], last_top[s, 1])
            and _same(has_ask, ap[i], az[i], last_top[s, 2], last_top[s, 3])
            and n_bids == last_count[s, 0]
            and n_asks == last_count[s, 1]
        ):
            j = last_row[s]
            if j >= 0:
                equal = (
                    _equal(b_px, b_at[i], b_px[b_at[j] :], n_bids)
                    and _equal(b_sz, b_at[i], b_sz[b_at[j] :], n_bids)
                    and _equal(a_px, a_at[i], a_px[a_at[j] :], n_asks)
                    and _equal(a_sz, a_at[i], a_sz[a_at[j] :], n_asks)
                )
            else:
                equal = (
                    _equal(b_px, b_at[i], last_levels[s, 0], n_bids)
                    and _equal(b_sz, b_at[i], last_levels[s, 1], n_bids)
                    and _equal(a_px, a_at[i], last_levels[s, 2], n_asks)
                    and _equal(a_sz, a_at[i], last_levels[s, 3], n_asks)
                )
            if equal:
                reasons[i] = _DUPLICATE
                continue

        last_ts[s] = t
        last_has_uid[s] = has_id
        last_uid[s] = uid[i]
        last_top[s, 0] = bp[i] if has_bid else np.nan
        last_top[s, 1] = bs[i] if has_bid else np.nan
        last_top[s, 2] = ap[i] if has_ask else np.nan
        last_top[s, 3] = az[i] if has_ask else np.nan
        last_count[s, 0] = n_bids
        last_count[s, 1] = n_asks
        last_row[s] = i

    # The next batch compares with rows that are gone by then.
    for s in range(len(last_row)):
        j = last_row[s]
        if j >= 0:
            n_bids, n_asks = last_count[s]
            last_levels[s, 0, :n_bids] = b_px[b_at[j] : b_at[j + 1]]
            last_levels[s, 1, :n_bids] = b_sz[b_at[j] : b_at[j + 1]]
            last_levels[s, 2, :n_asks] = a_px[a_at[j] : a_at[j + 1]]
            last_levels[s, 3, :n_asks] = a_sz[a_at[j] : a_at[j + 1]]
            last_row[s] = -1


@nb.njit(nogil=True, cache=True)
def _top_reason(has_px: bool, px: float, has_sz: bool, sz: float) -> int:
    if not has_px:  # an empty side; feeds write its size as null or 0
        return _NAN if has_sz and sz != 0.0 else _NONE
    if not has_sz or not np.isfinite(px) or not np.isfinite(sz):
        return _NAN
    if px <= 0.0:
        return _NON_POSITIVE
    if sz <= 0.0:
        return _NEGATIVE if sz < 0.0 else _ZERO
    return _NONE


@nb.njit(nogil=True, cache=True)
def _levels_reason(px: Floats, sz: Floats, direction: float) -> int:
    reason = _NONE
    for k in range(len(px)):
        reason = min(reason, _top_reason(True, px[k], True, sz[k]))
        if k and (px[k] - px[k - 1]) * direction <= 0.0:
            reason = min(reason, _NOT_ORDERED)
    return reason


@nb.njit(nogil=True, cache=True)
def _same(has: bool, px: float, sz: float, last_px: float, last_sz: float) -> bool:
    if not has:
        return bool(np.isnan(last_px))
    return px == last_px and sz == last_sz


@nb.njit(nogil=True, cache=True)
def _equal(values: Floats, start: int, others: Floats, count: int) -> bool:
    same = 0
    while same < count and values[start + same] == others[same]:
        same += 1
    return same == count
