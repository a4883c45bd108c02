"""A session's records as bytes, on their way to the process that brings them to the lake.

What packs holds the interpreter's lock, which the loop that trades needs. So records are
packed a few at a time, some 40 µs, with a pause before each few in which the loop may go on.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, TypeVar

import msgspec

from arb_pipelines.execution.records.values import (
    Batch,
    Counts,
    ExecutionRecord,
    LegRecord,
    Metric,
    SessionHead,
    SessionState,
)
from arb_pipelines.market.symbols import Market
from arb_pipelines.turns import Pause, brief_pause

T = TypeVar("T")

#: Records in a piece: an execution with its orders takes some 5 µs, a market 3 µs.
_AT_ONCE = 8


class _Standing(msgspec.Struct, array_like=True):
    """A batch without its records; there are so many pieces of executions, then of orders."""

    number: int
    ts: int
    state: SessionState
    end_reason: str | None
    counts: Counts
    metrics: tuple[Metric, ...]
    executions: int


def packed_batch(batch: Batch, pause: Pause = brief_pause) -> list[bytes]:
    """Give all of a batch but its head, in pieces; ``pause`` comes before each."""
    executions, amended = (
        list(_pieces(records, pause)) for records in (batch.executions, batch.amended)
    )
    standing = _Standing(
        number=batch.number,
        ts=batch.ts,
        state=batch.state,
        end_reason=batch.end_reason,
        counts=batch.counts,
        metrics=batch.metrics,
        executions=len(executions),
    )
    return [_ENCODER.encode(standing), *executions, *amended]


def unpacked_batch(head: SessionHead, pieces: Sequence[bytes]) -> Batch:
    """Make of pieces the batch that they were."""
    standing = _STANDING.decode(pieces[0])
    executions, amended = pieces[1 : 1 + standing.executions], pieces[1 + standing.executions :]
    return Batch(
        head=head,
        number=standing.number,
        ts=standing.ts,
        state=standing.state,
        end_reason=standing.end_reason,
        counts=standing.counts,
        executions=_joined(_EXECUTIONS, executions),
        amended=_joined(_LEGS, amended),
        metrics=standing.metrics,
    )


def packed_markets(markets: Sequence[Market]) -> list[bytes]:
    """Give markets in pieces."""
    return list(_pieces(markets, brief_pause))


def unpacked_markets(pieces: Iterable[bytes]) -> tuple[Market, ...]:
    """Make of pieces the markets that they were."""
    return _joined(_MARKETS, pieces)


def packed_value(value: object) -> list[bytes]:
    """Give any value in pieces, its arrays each as one, uncopied until they are sent."""
    arrays: list[pickle.PickleBuffer] = []
    first = pickle.dumps(value, protocol=5, buffer_callback=arrays.append)
    return [first, *(array.raw() for array in arrays)]  # type: ignore[list-item]


def unpacked_value(pieces: Sequence[bytes]) -> Any:
    """Make of pieces the value that they were; its arrays are read-only."""
    return pickle.loads(pieces[0], buffers=pieces[1:])  # noqa: S301 - our own parent's


def _pieces(values: Sequence[object], pause: Pause) -> Iterator[bytes]:
    for first in range(0, len(values), _AT_ONCE):
        pause()
        yield _ENCODER.encode(values[first : first + _AT_ONCE])


def _joined(
    decoder: msgspec.msgpack.Decoder[tuple[T, ...]], pieces: Iterable[bytes]
) -> tuple[T, ...]:
    return tuple(chain.from_iterable(decoder.decode(piece) for piece in pieces))


def _plain(value: Any) -> object:
    """A number of numpy's as Python has it."""
    return value.item()


_ENCODER = msgspec.msgpack.Encoder(enc_hook=_plain)
_STANDING = msgspec.msgpack.Decoder(_Standing)
_EXECUTIONS = msgspec.msgpack.Decoder(tuple[ExecutionRecord, ...])
_LEGS = msgspec.msgpack.Decoder(tuple[LegRecord, ...])
_MARKETS = msgspec.msgpack.Decoder(tuple[Market, ...])
