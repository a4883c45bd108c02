"""Many book states to lines at once, for writers that hold columns."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

Floats = npt.NDArray[np.float64]


def encode_states(
    symbols: tuple[str, ...],
    symbol: npt.NDArray[np.int32],
    ts_event: npt.NDArray[np.int64],
    ts_recv: npt.NDArray[np.int64],
    update_id: npt.NDArray[np.int64],
    bids: tuple[Floats, Floats],
    asks: tuple[Floats, Floats],
) -> bytes:
    """Write book lines, as ``encode_state`` does one.

    ``symbol`` indexes ``symbols``; a side is prices and sizes of shape
    ``(n, depth)``, every level known.
    """
    frame = pl.DataFrame(
        {
            "s": pl.Series(np.array(symbols, object)[symbol], dtype=pl.String),
            "e": ts_event,
            "t": ts_recv,
            "u": update_id,
            "b": _pairs(*bids),
            "a": _pairs(*asks),
        }
    )
    text = io.BytesIO()
    frame.write_ndjson(text)
    return text.getvalue()


def _pairs(prices: Floats, sizes: Floats) -> pl.Series:
    """Lists of [price, size], without a Python object a level."""
    n, depth = prices.shape
    numbers = np.stack([prices, sizes], axis=-1).ravel()
    levels = pa.ListArray.from_arrays(np.arange(0, 2 * n * depth + 1, 2, dtype=np.int32), numbers)
    sides = pa.ListArray.from_arrays(np.arange(0, n * depth + 1, depth, dtype=np.int32), levels)
    return pl.Series(pl.from_arrow(sides))
