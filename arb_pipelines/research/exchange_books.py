"""Books for the local exchange to play: generated, from the lake, or of a recording file.

Each source gives the markets and, lazily, their book states in order of time. They come
in batches: getting the next one may read or generate for a while, walking it does not,
so that the exchange can have the one done in a thread without having to share the
interpreter with the other. What it does with them belongs in ``exchange``.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from arb_pipelines.clock import NS_PER_DAY, NS_PER_S, day_start_ns, parse_day
from arb_pipelines.errors import ConfigError, DataError
from arb_pipelines.lake.recording.format import BookState, Side
from arb_pipelines.market.symbols import FeeSide, Market

if TYPE_CHECKING:
    import pyarrow as pa

    from arb_pipelines.lake.store import Lake

#: Markets are served under this name, whatever venue recorded their books.
VENUE = "kucoin"
_GENERATED_DAY = date(2026, 1, 5)
_GENERATED_RATE = 2.0
_GENERATED_DEPTH = 20
_LAKE_DEPTH = 20
#: Updates and rows of a batch that is generated or read, and rows unpacked at once in its walk.
_GENERATED_BATCH = 4_000
_RECORDED_BATCH = 2_000
_WALKED_ROWS = 32

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Books:
    """Markets, and their books' states in order of receipt, which may never end.

    ``batches`` gives them in parts, each a quick walk, ``states`` one by one: take them
    in one way or the other.
    """

    markets: tuple[Market, ...]
    batches: Iterator[Iterator[BookState]]

    @cached_property
    def states(self) -> Iterator[BookState]:
        """All states, one by one."""
        return itertools.chain.from_iterable(self.batches)


def open_books(source: str, lake: Lake, *, n_symbols: int | None, seed: int) -> Books:
    """Open ``generator``, ``VENUE/DAY`` of the lake, or a recording file.

    ``n_symbols`` of the generator are made (60 without it), of the others the
    first by name are kept (all without it).

    Raises:
        ConfigError: no such source, or no books in it.
        DataError: the recording cannot be read.
    """
    if source == "generator":
        return generated_books(n_symbols or 60, seed)
    if (path := Path(source)).is_file():
        return recorded_books(path, n_symbols)
    venue, slash, day = source.partition("/")
    if not slash:
        raise ConfigError(
            f"{source!r} is no file; give generator, VENUE/YYYY-MM-DD or a recording",
            source="--books",
        )
    return lake_books(lake, venue, parse_day(day), n_symbols)


def generated_books(n_symbols: int, seed: int) -> Books:
    """Make a market that never ends: 2 states a second and symbol, 20 levels a side.

    Raises:
        ConfigError: not 3 to 1,300 symbols.
    """
    from arb_pipelines.generator.process import MarketProcess
    from arb_pipelines.generator.symbols import make_listing
    from arb_pipelines.generator.write import listed_markets

    listing = make_listing(n_symbols, seed)
    process = MarketProcess(listing, seed, depth=_GENERATED_DEPTH)
    n_states = round(_GENERATED_RATE * n_symbols * NS_PER_DAY / NS_PER_S)

    def batches() -> Iterator[Iterator[BookState]]:
        for day in itertools.count():
            start_ns = day_start_ns(_GENERATED_DAY) + day * NS_PER_DAY
            for chunk in process.run(
                start_ns, NS_PER_DAY, n_states, chunk_updates=_GENERATED_BATCH
            ):
                yield _states(
                    listing.symbols, chunk.symbol, chunk.ts_recv,
                    (chunk.bid_px, chunk.bid_sz, chunk.ask_px, chunk.ask_sz),
                )  # fmt: skip

    return Books(tuple(listed_markets(listing, VENUE)), batches())


def lake_books(lake: Lake, venue: str, day: date, n_symbols: int | None) -> Books:
    """Read the books of ``venue`` on ``day``, up to 20 levels a side.

    Raises:
        ConfigError: the lake has no market or no book of that day.
    """
    from arb_pipelines.lake.books import iter_levels
    from arb_pipelines.lake.markets import load_markets

    recorded = lake.query(
        "SELECT DISTINCT symbol FROM book_tops WHERE venue = ? AND day = ?", [venue, day]
    )
    present = set(recorded["symbol"].to_list())
    markets = [m for m in load_markets(lake, venue, day) if m.symbol in present][:n_symbols]
    if not markets:
        raise ConfigError(
            f"the lake has no books of {venue} on {day}; ingest them first", source="--books"
        )
    symbols = [market.symbol for market in markets]

    def batches() -> Iterator[Iterator[BookState]]:
        for part in iter_levels(lake, venue, day, symbols, depth=_LAKE_DEPTH, part_rows=100_000):
            yield _states(
                symbols, part.symbol, part.ts_recv,
                (part.bid_px, part.bid_sz, part.ask_px, part.ask_sz),
            )  # fmt: skip

    return Books(tuple(_served(market) for market in markets), batches())


def recorded_books(path: Path, n_symbols: int | None) -> Books:
    """Read a recording as `arb record` and `arb generate` write it.

    Its own symbol list gives increments and limits; without one they are unknown.

    Raises:
        DataError: it is no such recording, or it names no symbol.
    """
    from arb_pipelines.lake.readers.recording import read_header
    from arb_pipelines.market.inference import infer_market
    from arb_pipelines.venues.symbol_lists import parse_symbol_list

    header, carried = read_header(path)
    listed = parse_symbol_list(carried.document, carried.shape, str(path)) if carried else []
    known = {market.symbol: market for market in listed}
    found = [
        known.get(symbol) or infer_market(header.venue, symbol, *pair)
        for symbol, pair in sorted(header.symbols.items())
    ]
    markets = [market for market in found if market is not None][:n_symbols]
    if not markets:
        raise DataError("the header names no symbol that can be traded", source=str(path))
    return Books(
        tuple(_served(market) for market in markets),
        _recorded_batches(path, {market.symbol for market in markets}),
    )


def _recorded_batches(path: Path, symbols: set[str]) -> Iterator[Iterator[BookState]]:
    from arb_pipelines.lake.readers.base import ReadOptions
    from arb_pipelines.lake.readers.recording import read_recording

    for batch in read_recording(path, ReadOptions(batch_rows=_RECORDED_BATCH)):
        yield _recorded_states(batch.rows, symbols)


def _recorded_states(rows: pa.Table, symbols: set[str]) -> Iterator[BookState]:
    for part in rows.to_batches(max_chunksize=_WALKED_ROWS):
        columns = ("symbol", "ts_recv", "bids_px", "bids_sz", "asks_px", "asks_sz")
        values = (part.column(name).to_pylist() for name in columns)
        for symbol, ts_recv, bids_px, bids_sz, asks_px, asks_sz in zip(*values, strict=True):
            if symbol in symbols:
                bids = tuple(zip(bids_px, bids_sz, strict=True))
                asks = tuple(zip(asks_px, asks_sz, strict=True))
                yield BookState(symbol, ts_recv, bids, asks)


def _served(market: Market) -> Market:
    return replace(market, venue=VENUE, fee_side=FeeSide.QUOTE)


def _states(
    symbols: Sequence[str],
    symbol: npt.NDArray[np.int32],
    ts_recv: npt.NDArray[np.int64],
    sides: tuple[Floats, Floats, Floats, Floats],
) -> Iterator[BookState]:
    bid_px, bid_sz, ask_px, ask_sz = sides
    for row in range(len(ts_recv)):
        yield BookState(
            symbols[symbol[row]],
            int(ts_recv[row]),
            _levels(bid_px[row], bid_sz[row]),
            _levels(ask_px[row], ask_sz[row]),
        )


def _levels(prices: Floats, sizes: Floats) -> Side:
    """Levels up to the first unknown one."""
    pairs = zip(prices.tolist(), sizes.tolist(), strict=True)
    return tuple(itertools.takewhile(lambda level: level[0] == level[0] and level[1] > 0, pairs))
