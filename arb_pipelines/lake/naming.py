"""From a source's names of symbols to the venue's markets of each day.

With a list, a name must be on it. Without one, markets are inferred from the
names. How a name is split lives in ``market/inference``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from arb_pipelines.clock import NS_PER_DAY, day_of
from arb_pipelines.market.inference import infer_market
from arb_pipelines.market.symbols import Market


class DayMarkets:
    """The markets of a venue on one day, by any name a source may use.

    ``markets`` are those that the lake has for the day. If a real list is among
    them, nothing is added to it; markets inferred here are in ``inferred``.
    """

    def __init__(self, venue: str, markets: tuple[Market, ...]) -> None:
        self._venue = venue
        listed = [market for market in markets if not market.inferred]
        self._by_name = {market.symbol: market for market in listed}
        self._by_name |= {market.venue_symbol: market for market in listed}
        self.listed = bool(listed)
        self.inferred: dict[str, Market] = {}

    def symbol(self, name: str, base: str | None, quote: str | None) -> str | None:
        """Canonical symbol of ``name``, None if the venue has none such."""
        market = self._by_name.get(name)
        if market is None and self.listed and base and quote:
            market = self._by_name.get(f"{base}-{quote}")
        if market is None and not self.listed:
            market = infer_market(self._venue, name, base, quote)
            if market is not None:
                # Two spellings of one symbol are one market.
                market = self.inferred.setdefault(market.symbol, market)
                self._by_name[name] = market
        return None if market is None else market.symbol


class VenueMarkets:
    """The markets of a venue on every day that turns up, each day loaded once."""

    def __init__(self, venue: str, load: Callable[[date], tuple[Market, ...]]) -> None:
        self._venue, self._load = venue, load
        self._days: dict[int, DayMarkets] = {}

    def on(self, day_no: int) -> DayMarkets:
        """Markets on the day ``day_no``, counted from the epoch."""
        if day_no not in self._days:
            markets = self._load(day_of(day_no * NS_PER_DAY))
            self._days[day_no] = DayMarkets(self._venue, markets)
        return self._days[day_no]


class FileSymbols:
    """Numbers the names in one file, and finds each day's canonical symbols for the numbers."""

    def __init__(self, venue_markets: VenueMarkets) -> None:
        self._markets = venue_markets
        self.names: list[str] = []
        self._parts: list[tuple[str | None, str | None]] = []
        self._code: dict[str, int] = {}
        self._symbols: dict[int, list[str | None]] = {}

    def encode(self, rows: pa.Table) -> npt.NDArray[np.int32]:
        """Number of each row's name, from 0 in order of first sight."""
        column = rows["symbol"].combine_chunks()
        indices: npt.NDArray[np.int32] = column.indices.to_numpy()
        names = column.dictionary.to_pylist()
        present = np.flatnonzero(np.bincount(indices, minlength=len(names))).tolist()
        if any(names[index] not in self._code for index in present):
            first_row = np.empty(len(names), np.int64)
            first_row[indices[::-1]] = np.arange(len(indices))[::-1]
            for index in sorted(present, key=lambda index: first_row[index]):
                self._learn(names[index], rows, int(first_row[index]))
        codes = np.array([self._code.get(name, -1) for name in names], np.int32)
        return codes[indices]

    def _learn(self, name: str, rows: pa.Table, row: int) -> None:
        if name not in self._code:
            self._code[name] = len(self.names)
            self.names.append(name)
            self._parts.append((rows["base"][row].as_py(), rows["quote"][row].as_py()))

    def on(self, day_no: int) -> list[str | None]:
        """Canonical symbol of each number on a day; None where the venue has none."""
        found = self._symbols.setdefault(day_no, [])
        markets = self._markets.on(day_no)
        for name, parts in list(zip(self.names, self._parts, strict=True))[len(found) :]:
            found.append(markets.symbol(name, *parts))
        return found

    def known(self, days: Sequence[int]) -> npt.NDArray[np.bool_]:
        """Whether the venue has symbol s on day ``days[d]``, as ``[d, s]``."""
        known = np.zeros((len(days), len(self.names)), np.bool_)
        for index, day in enumerate(days):
            known[index] = [symbol is not None for symbol in self.on(day)]
        return known
