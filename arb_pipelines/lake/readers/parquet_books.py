"""Books in Parquet: ``l1``, a best bid and ask a row, and ``depth5``, N levels in wide columns.

Columns of both: the symbol as ``symbol`` or as ``base`` and ``quote``; the time
as ``recv_ns`` (ours, UTC) or ``time`` (a timestamp; zone-less ones are read in
``ReadOptions.timezone``, and stand for both times). Optional: ``event_ms``,
``update_id`` (or ``last_update_id``, ``sequence``), and ``venue``, which holds
the segment: rows of any but ``ReadOptions.segment`` (default ``spot``) are not
taken. Prices and sizes of ``l1`` are ``bid, bid_sz, ask, ask_sz``; of
``depth5`` ``bid_px_1, bid_sz_1, ask_px_1, ask_sz_1, bid_px_2, …``. Other
columns are ignored. NULL is an empty side or level, NaN a bad number.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from arb_pipelines.clock import NS_PER_MS
from arb_pipelines.errors import ConfigError, DataError
from arb_pipelines.lake.readers.base import BOOK_ROWS, Batch, ReadOptions

_UPDATE_IDS = ("update_id", "last_update_id", "sequence")
_NAMES = ("symbol", "base", "quote", "venue")
_L1 = {"bid_px": "bid", "bid_sz": "bid_sz", "ask_px": "ask", "ask_sz": "ask_sz"}
_SIDES = ("bid", "ask")
_DEFAULT_SEGMENT = "spot"

_Columns = Mapping[str, pa.Array]
_Prices = Callable[[_Columns], dict[str, pa.Array]]


def read_l1(path: Path, options: ReadOptions) -> Iterator[Batch]:
    """Read best bids and asks. ``Raises:`` as ``Reader``."""
    with _open(path) as file:
        _require(file, path, [*_L1.values()])
        yield from _batches(file, path, options, [*_L1.values()], _l1_prices)


def read_depth(path: Path, options: ReadOptions) -> Iterator[Batch]:
    """Read N levels a side, whatever N is. ``Raises:`` as ``Reader``."""
    with _open(path) as file:
        found = re.findall(r"^bid_px_(\d+)$", "\n".join(file.schema_arrow.names), re.MULTILINE)
        depth = max(map(int, found), default=1)
        names = [
            f"{side}_{unit}_{level}"
            for side in _SIDES
            for unit in ("px", "sz")
            for level in range(1, depth + 1)
        ]
        _require(file, path, names)
        yield from _batches(file, path, options, names, lambda columns: _depth(columns, depth))


def _open(path: Path) -> pq.ParquetFile:
    if path.stat().st_size == 0:
        raise DataError("the file is empty", source=str(path))
    try:
        names = pq.read_schema(path).names
        file = pq.ParquetFile(path, read_dictionary=[name for name in _NAMES if name in names])
    except (pa.ArrowException, OSError) as error:
        raise DataError(
            f"not a whole Parquet file (truncated, or of another format): {_first_line(error)}",
            source=str(path),
        ) from None
    if file.metadata.num_rows == 0:
        file.close()
        raise DataError("the file holds no rows", source=str(path))
    return file


def _require(file: pq.ParquetFile, path: Path, numbers: list[str]) -> None:
    schema = file.schema_arrow
    missing = [name for name in numbers if name not in schema.names]
    if "symbol" not in schema.names and not {"base", "quote"} <= set(schema.names):
        missing.append("symbol (or base and quote)")
    if "recv_ns" not in schema.names and "time" not in schema.names:
        missing.append("recv_ns (or time)")
    if missing:
        raise DataError(
            f"missing columns {', '.join(missing)}; found {', '.join(schema.names)}",
            source=str(path),
        )
    expected: dict[str, tuple[Callable[[pa.DataType], bool], str]] = {
        **dict.fromkeys(numbers, (_is_number, "a number")),
        **dict.fromkeys(_NAMES, (_is_text, "text")),
        "recv_ns": (pa.types.is_integer, "integer nanoseconds"),
        "event_ms": (pa.types.is_integer, "integer milliseconds"),
        **dict.fromkeys(_UPDATE_IDS, (_is_text_or_integer, "an integer")),
    }
    if "recv_ns" not in schema.names:
        expected["time"] = (pa.types.is_timestamp, "a timestamp")
    for name, (test, what) in expected.items():
        if name in schema.names and not test(schema.field(name).type):
            raise DataError(
                f"column {name} must be {what}, not {schema.field(name).type}", source=str(path)
            )


def _is_number(type_: pa.DataType) -> bool:
    return bool(
        pa.types.is_floating(type_) or pa.types.is_integer(type_) or pa.types.is_decimal(type_)
    )


def _is_text(type_: pa.DataType) -> bool:
    if pa.types.is_dictionary(type_):
        type_ = type_.value_type
    return bool(pa.types.is_string(type_) or pa.types.is_large_string(type_))


def _is_text_or_integer(type_: pa.DataType) -> bool:
    return bool(pa.types.is_integer(type_)) or _is_text(type_)


def _batches(
    file: pq.ParquetFile, path: Path, options: ReadOptions, numbers: list[str], prices: _Prices
) -> Iterator[Batch]:
    present = set(file.schema_arrow.names)
    update_id = next((name for name in _UPDATE_IDS if name in present), None)
    clock = "recv_ns" if "recv_ns" in present else "time"
    wanted = [*_NAMES, clock, "event_ms", *numbers, *([update_id] if update_id else [])]
    reading = file.iter_batches(
        batch_size=options.batch_rows, columns=[name for name in wanted if name in present]
    )
    row = 0
    while True:
        try:
            raw = next(reading, None)
            if raw is None:
                return
            batch = _batch({n: raw.column(n) for n in raw.schema.names}, row, options, prices)
        except (pa.ArrowException, OSError) as error:
            raise DataError(
                f"cannot be read from here on: {_first_line(error)}", source=str(path), row=row
            ) from None
        row += raw.num_rows
        yield batch


def _batch(columns: _Columns, first_row: int, options: ReadOptions, prices: _Prices) -> Batch:
    n = len(next(iter(columns.values())))
    named = _named(columns)
    update_id = next((columns[name] for name in _UPDATE_IDS if name in columns), None)
    values: dict[str, pa.Array] = {
        "row": pa.array(np.arange(first_row, first_row + n)),
        **named,
        **_times(columns, options.timezone),
        **prices(columns),
    }
    if update_id is not None:
        values["update_id"] = update_id.cast(pa.int64())
    rows = pa.table(
        [values[f.name] if f.name in values else pa.nulls(n, f.type) for f in BOOK_ROWS],
        schema=BOOK_ROWS,
    )
    return Batch(rows, other_segment=_other_segment(columns, options.segment))


def _named(columns: _Columns) -> dict[str, pa.Array]:
    """Encode ``symbol``, ``base`` and ``quote``; an absent symbol is made of the other two."""
    parts = {name: _dictionary(columns[name]) for name in _NAMES[:3] if name in columns}
    if "symbol" not in parts:
        base, quote = (parts[name].cast(pa.string()) for name in ("base", "quote"))
        joined = pc.binary_join_element_wise(base, quote, "-")
        parts["symbol"] = pc.dictionary_encode(joined)
    if parts["symbol"].null_count:
        parts["symbol"] = pc.dictionary_encode(pc.fill_null(parts["symbol"].cast(pa.string()), ""))
    return parts


def _dictionary(column: pa.Array) -> pa.DictionaryArray:
    wanted = pa.dictionary(pa.int32(), pa.string())
    if not pa.types.is_dictionary(column.type):
        column = pc.dictionary_encode(column)
    return column.cast(wanted)


def _times(columns: _Columns, timezone: str) -> dict[str, pa.Array]:
    event = columns.get("event_ms")
    if "recv_ns" in columns:
        times = {"ts_recv": columns["recv_ns"].cast(pa.int64())}
        if event is not None:
            times["ts_event"] = pc.multiply_checked(event.cast(pa.int64()), NS_PER_MS)
        return times
    utc = _utc_ns(columns["time"], timezone)
    return {"ts_recv": utc, "ts_event": utc}


def _utc_ns(time: pa.Array, timezone: str) -> pa.Array:
    """Nanoseconds of ``time``; null for a wall-clock time that happened twice or never."""
    stamps = time.cast(pa.timestamp("ns", tz=time.type.tz))
    if stamps.type.tz is None and timezone != "UTC":
        try:
            early, late = (
                pc.assume_timezone(stamps, timezone, ambiguous=side, nonexistent=side)
                for side in ("earliest", "latest")
            )
        except pa.ArrowInvalid:
            raise ConfigError(f"{timezone!r} is not a time zone; write Area/City or UTC") from None
        stamps = pc.if_else(pc.equal(early, late), early, pa.scalar(None, early.type))
    return stamps.cast(pa.int64())


def _other_segment(columns: _Columns, segment: str | None) -> npt.NDArray[np.bool_] | None:
    if "venue" not in columns:
        return None
    same = pc.equal(_dictionary(columns["venue"]), segment or _DEFAULT_SEGMENT)
    mask: npt.NDArray[np.bool_] = pc.invert(pc.fill_null(same, False)).to_numpy(
        zero_copy_only=False
    )
    return mask


def _l1_prices(columns: _Columns) -> dict[str, pa.Array]:
    return {name: columns[column].cast(pa.float64()) for name, column in _L1.items()}


def _depth(columns: _Columns, depth: int) -> dict[str, pa.Array]:
    values: dict[str, pa.Array] = {}
    for side in _SIDES:
        px, sz = (
            [columns[f"{side}_{unit}_{level}"].cast(pa.float64()) for level in range(1, depth + 1)]
            for unit in ("px", "sz")
        )
        known = np.stack([_known(p) | _known(s) for p, s in zip(px, sz, strict=True)], axis=1)
        counts = known.sum(axis=1)
        offsets = pa.array(np.concatenate(([0], np.cumsum(counts))).astype(np.int32))
        for unit, level_columns in (("px", px), ("sz", sz)):
            # A level of which only the price or only the size is there is a bad number.
            wide = np.stack([c.to_numpy(zero_copy_only=False) for c in level_columns], axis=1)
            flat = pa.array(wide[known])
            values[f"{side}s_{unit}"] = pa.ListArray.from_arrays(offsets, flat)
            first = np.minimum(offsets.to_numpy()[:-1], max(len(flat) - 1, 0))
            top = flat.to_numpy()[first] if len(flat) else np.zeros(len(counts))
            values[f"{side}_{unit}"] = pa.array(top, mask=counts == 0)
    return values


def _known(column: pa.Array) -> npt.NDArray[np.bool_]:
    mask: npt.NDArray[np.bool_] = column.is_valid().to_numpy(zero_copy_only=False)
    return mask


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
