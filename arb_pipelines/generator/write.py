"""A generated market as files: symbol list, a recording a day, and the truth planted in it."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import numpy as np
import numpy.typing as npt
import orjson

from arb_pipelines.clock import NS_PER_MS, NS_PER_S, day_start_ns
from arb_pipelines.errors import ConfigError
from arb_pipelines.generator.planted import Planting, Schedule, schedule
from arb_pipelines.generator.process import MarketProcess, States
from arb_pipelines.generator.symbols import SHAPE, Listing, make_listing
from arb_pipelines.lake.recording.bulk import encode_states
from arb_pipelines.lake.recording.format import Header, SymbolList
from arb_pipelines.lake.recording.writer import RecordingWriter
from arb_pipelines.market.symbols import Market
from arb_pipelines.venues.kucoin.symbols import parse_symbols

_MINUTES_A_DAY = 1440
_VENUE_NAME = re.compile("[a-z0-9_]+")
#: Quiet before the first planted dislocation, so that every book is known.
_SETTLING_NS = NS_PER_S
_ENCODED_ROWS = 5_000
_ARRAYS_DAY = date(2026, 1, 5)

Symbols = npt.NDArray[np.int32]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class GeneratedFile:
    """One file that was written; ``states`` is 0 for what is no recording."""

    path: Path
    states: int
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Generated:
    """What ``generate`` wrote: the symbol list, a recording a day, and the truth file."""

    symbol_list: GeneratedFile
    recordings: tuple[GeneratedFile, ...]
    truth: GeneratedFile
    symbols: int
    states: int
    planted: int


def generate(
    out: Path,
    *,
    days: Sequence[date],
    venue: str = "demo",
    symbols: int = 60,
    minutes: float = 30.0,
    rate: float = 2.0,
    seed: int = 7,
    depth: int = 5,
    planting: Planting | None = None,
    progress: Callable[[int], None] | None = None,
) -> Generated:
    """Write ``symbols.json``, ``<venue>-<day>.jsonl.zst`` a day and ``planted.json`` into ``out``.

    Each day holds the first ``minutes`` after midnight UTC, ``rate`` states a
    second and symbol on average; prices continue from day to day. The same
    arguments write the same bytes. ``progress`` is called with the number of
    states written since its last call.

    Raises:
        ConfigError: arguments that no market can be made of.
    """
    if not 0 < minutes <= _MINUTES_A_DAY or not 0 < rate < math.inf or depth < 1:
        raise ConfigError("minutes must lie in 0..1440, and rate and depth be positive")
    if not _VENUE_NAME.fullmatch(venue):
        raise ConfigError(f"{venue!r} is no name of a venue; use a-z, 0-9 and _")
    listing = make_listing(symbols, seed)
    process = MarketProcess(listing, seed, depth=depth)
    duration_ns = round(minutes * 60 * NS_PER_S)
    n_states = round(rate * symbols * duration_ns / NS_PER_S)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"cannot be made a folder: {error.strerror}", source=str(out)) from None
    document = listing.document()
    symbol_list = _write_json(out / "symbols.json", document)
    recordings: list[GeneratedFile] = []
    truth: list[dict[str, object]] = []
    for day in days:
        start_ns = day_start_ns(day)
        plan = _plan(process, venue, planting, start_ns, duration_ns)
        path = out / f"{venue}-{day}.jsonl.zst"
        part = path.with_name(f".{path.name}.part")
        part.unlink(missing_ok=True)
        header = Header(venue, listing.pairs)
        carried = SymbolList(SHAPE, document)
        with RecordingWriter(
            part, header, symbol_list=carried, flush_ns=None, fsync=False
        ) as writer:
            for states in process.run(start_ns, duration_ns, n_states, plan):
                writer.write_lines(_encoded(states, listing.symbols))
                if progress is not None:
                    progress(len(states))
        part.replace(path)
        recordings.append(_described(path, writer.states))
        truth += plan.truth() if plan is not None else []
    return Generated(
        symbol_list=symbol_list,
        recordings=tuple(recordings),
        truth=_write_json(out / "planted.json", truth),
        symbols=symbols,
        states=sum(recording.states for recording in recordings),
        planted=len(truth),
    )


def listed_markets(listing: Listing, venue: str) -> list[Market]:
    """Markets of the list, through the same parser as any list of its shape."""
    markets = parse_symbols(listing.document(), f"generated list of {venue}")
    return [replace(market, venue=venue) for market in markets]


def market_arrays(
    n_symbols: int, n_updates: int, seed: int, *, rate: float = 2.0
) -> tuple[list[Market], Symbols, Ints, Floats, Floats, Floats, Floats]:
    """Make best bids and asks without files.

    Returns ``markets, symbol, ts, bid_px, bid_sz, ask_px, ask_sz``: ``markets``
    is sorted by symbol and indexed by ``symbol``; the arrays have shape
    ``(n_updates,)``, ``ts`` in ns from 2026-01-05. ``rate`` is states a second
    and symbol.

    Raises:
        ConfigError: fewer updates than symbols.
    """
    listing = make_listing(n_symbols, seed)
    process = MarketProcess(listing, seed, depth=1)
    duration_ns = max(round(n_updates / (rate * n_symbols) * NS_PER_S), NS_PER_S)
    symbol, ts = np.empty(n_updates, np.int32), np.empty(n_updates, np.int64)
    tops = np.empty((4, n_updates))
    done = 0
    for states in process.run(day_start_ns(_ARRAYS_DAY), duration_ns, n_updates):
        part = slice(done, done + len(states))
        symbol[part], ts[part] = states.symbol, states.ts_recv
        sides = (states.bid_px, states.bid_sz, states.ask_px, states.ask_sz)
        for top, side in zip(tops, sides, strict=True):
            top[part] = side[:, 0]
        done += len(states)
    bid_px, bid_sz, ask_px, ask_sz = tops
    return listed_markets(listing, "demo"), symbol, ts, bid_px, bid_sz, ask_px, ask_sz


def _plan(
    process: MarketProcess, venue: str, planting: Planting | None, start_ns: int, duration_ns: int
) -> Schedule | None:
    if planting is None or planting.count == 0:
        return None
    span = (start_ns + process.opening_ns() + _SETTLING_NS, start_ns + duration_ns - NS_PER_MS)
    markets = listed_markets(process.listing, venue)
    return schedule(planting, markets, process.quoting.half_spread, span, process.planted_rng)


def _encoded(states: States, symbols: tuple[str, ...]) -> list[bytes]:
    return [
        encode_states(
            symbols,
            states.symbol[part],
            states.ts_event[part],
            states.ts_recv[part],
            states.update_id[part],
            (states.bid_px[part], states.bid_sz[part]),
            (states.ask_px[part], states.ask_sz[part]),
        )
        for first in range(0, len(states), _ENCODED_ROWS)
        for part in [slice(first, first + _ENCODED_ROWS)]
    ]


def _write_json(path: Path, document: object) -> GeneratedFile:
    path.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2) + b"\n")
    return _described(path, 0)


def _described(path: Path, states: int) -> GeneratedFile:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return GeneratedFile(path, states, path.stat().st_size, digest)
