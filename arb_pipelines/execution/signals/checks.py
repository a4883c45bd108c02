"""Whether a signal from outside agrees with the session it is for: cycle, terms, books, volume.

Pure questions to what the session trades and sees; each answer is ``None``, or says what,
where, and what to do. In which order they are asked belongs in ``intake``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

import numpy as np

from arb_pipelines.errors import DataError
from arb_pipelines.execution.signals.wire import Level, WireLeg, WireSignal
from arb_pipelines.market.graph import BUY, SELL
from arb_pipelines.market.symbols import FeeSide, Market
from arb_pipelines.trading.book_shelf import BookShelf
from arb_pipelines.trading.cycles.universe import TradedCycles
from arb_pipelines.trading.events import Book, Floats
from arb_pipelines.trading.planning import small_leg

_SIDES = {"buy": BUY, "sell": SELL}
_PARAMS = {"buy": "funds", "sell": "size"}
_ZERO = Decimal(0)
#: No price or size is as large.
_BEYOND = 1e30


@dataclass(frozen=True, slots=True)
class SessionTerms:
    """What a session trades, and on which terms; ``fees`` are fractions by symbol."""

    traded: TradedCycles
    markets: Mapping[str, Market]
    fees: Mapping[str, Decimal]
    live: bool

    def cycle_of(self, signal: WireSignal) -> int:
        """Find the cycle a signal means, and check all that it says about it.

        Raises:
            DataError: it does not agree with the session; ``source`` is the field.
        """
        if signal.live != self.live:
            mode = "live" if self.live else "on paper"
            raise DataError(
                f"this session trades {mode}; give {str(self.live).lower()}", source="live"
            )
        _check_walk(signal)
        numbered = [self._leg(k, leg) for k, leg in enumerate(signal.legs)]
        through = min((self.traded.through[symbol] for symbol, _ in numbered), key=len)
        wanted = tuple(numbered)
        for cycle in through:
            if self.traded.legs[cycle] == wanted:
                return cycle
        raise DataError(
            f"no cycle of this session begins with {signal.primary_quote} and goes this way; "
            "send those of its strategy's universe",
            source="triangle_key",
        )

    def _leg(self, k: int, leg: WireLeg) -> tuple[int, int]:
        where = f"legs[{k}]"
        symbol = self.traded.number.get(leg.pair)
        if symbol is None:
            raise DataError(
                f"{leg.pair!r} is not traded by this session; send cycles of its universe",
                source=f"{where}.pair",
            )
        market, fee = self.markets[leg.pair], self.fees[leg.pair]
        in_quote = market.fee_side is FeeSide.QUOTE or leg.side == "sell"
        for name, theirs, ours in (
            ("base_min_size", leg.base_min_size, market.base_min_size or _ZERO),
            ("base_increment", leg.base_increment, market.base_increment or _ZERO),
            ("quote_increment", leg.quote_increment, market.quote_increment or _ZERO),
            ("fee_rate", leg.fee_rate, fee),
            ("fee_currency", leg.fee_currency, market.quote if in_quote else market.base),
        ):
            if theirs != ours:
                raise DataError(
                    f"{_text(theirs)} is not what the venue tells this session; give {_text(ours)}",
                    source=f"{where}.{name}",
                )
        return symbol, _SIDES[leg.side]


def book_of(signal: WireSignal, leg: int, ts_recv: int, ts_event: int) -> Book:
    """Give the book attached to a leg as the session holds books; times in ns.

    Raises:
        DataError: it is no book: empty, crossed, or not best first.
    """
    attached, where = signal.books[leg], f"books[{leg}]"
    bid_px, bid_sz = _side(attached.bids, -1.0, f"{where}.bids")
    ask_px, ask_sz = _side(attached.asks, 1.0, f"{where}.asks")
    if bid_px[0] >= ask_px[0]:
        raise DataError(
            f"it is crossed, bid {bid_px[0]:g} and ask {ask_px[0]:g}; send a whole book",
            source=where,
        )
    return Book(signal.legs[leg].pair, ts_recv, bid_px, bid_sz, ask_px, ask_sz, ts_event)


def too_small(
    signal: WireSignal,
    cycle: int,
    traded: TradedCycles,
    shelf: BookShelf,
    newer: Mapping[str, Book],
) -> str | None:
    """Say which leg the starting volume cannot trade, at the price that each meets first.

    That is by the books in ``newer``, by symbol, or else by those of the shelf.
    """
    symbols, sides = traded.leg_arrays(cycle)
    bests = np.zeros(len(symbols))
    for k, leg in enumerate(signal.legs):
        if (book := newer.get(leg.pair)) is not None:
            bests[k] = book.ask_px[0] if _SIDES[leg.side] == BUY else book.bid_px[0]
    small, have = small_leg(
        traded.terms, shelf.px, shelf.left, symbols, sides, bests, float(signal.starting_volume)
    )
    if small < 0:
        return None
    leg = signal.legs[small]
    if math.isnan(have):
        return f"legs[{small}]: no price of {leg.pair} is known; attach its book"
    base, _, quote = leg.pair.partition("-")
    given = quote if leg.side == "buy" else base
    return (
        f"starting_volume: at the best prices legs[{small}] has {have:g} {given} for its "
        f"{leg.side} of {leg.pair}, which takes no less than {leg.base_min_size:f} {base} in steps "
        f"of {leg.base_increment:f}; send more"
    )


def _check_walk(signal: WireSignal) -> None:
    """Check that legs follow one another and close.

    Raises:
        DataError: they do not.
    """
    pairs = [leg.pair for leg in signal.legs]
    if signal.triangle_key != pairs:
        raise DataError(f"these are not the pairs of the legs; give {pairs}", source="triangle_key")
    if len(signal.books) != len(pairs):
        raise DataError(
            f"{len(signal.books)} books for {len(pairs)} legs; give one a leg", source="books"
        )
    ends = list(_ends(signal.legs))
    for k, ((_, got), (given, _)) in enumerate(pairwise(ends)):
        if got != given:
            raise DataError(
                f"it gives {given}, and the leg before gets {got}; put the legs in order",
                source=f"legs[{k + 1}]",
            )
    start, end = ends[0][0], ends[-1][1]
    if start != end:
        raise DataError(f"they begin with {start} and end with {end}; close them", source="legs")
    if signal.primary_quote != start:
        raise DataError(
            f"{signal.primary_quote!r} is not what the legs begin with; give {start}",
            source="primary_quote",
        )


def _ends(legs: list[WireLeg]) -> Iterator[tuple[str, str]]:
    """Name the currency each leg gives and the one it gets.

    Raises:
        DataError: a pair has no two currencies, or a leg's order carries the wrong amount.
    """
    for k, leg in enumerate(legs):
        base, _, quote = leg.pair.partition("-")
        if not base or not quote:
            raise DataError(
                f"{leg.pair!r} has no base and quote; write it as BTC-USDT",
                source=f"legs[{k}].pair",
            )
        if leg.order_param != _PARAMS[leg.side]:
            raise DataError(
                f"a {leg.side} does not carry {leg.order_param}; give {_PARAMS[leg.side]}",
                source=f"legs[{k}].order_param",
            )
        yield (quote, base) if leg.side == "buy" else (base, quote)


def _side(levels: list[Level], worse: float, where: str) -> tuple[Floats, Floats]:
    """Give prices and sizes; each further price goes the way of ``worse``.

    Raises:
        DataError: there are none, they are out of order, or one is no number above zero.
    """
    if not levels:
        raise DataError("it is empty; attach a book with both sides", source=where)
    prices, sizes = [], []
    last = -worse * _BEYOND
    for level in levels:
        price, size = _floats(level)
        if not (0.0 < price < _BEYOND and 0.0 < size < _BEYOND):
            raise DataError(
                f"{level[0]} and {level[1]} are no price and size above zero; leave them out",
                source=where,
            )
        if not (price - last) * worse > 0.0:
            raise DataError("its levels are not best first; sort them", source=where)
        prices.append(price)
        sizes.append(size)
        last = price
    return _frozen(prices), _frozen(sizes)


def _floats(level: Level) -> tuple[float, float]:
    try:
        return float(level[0]), float(level[1])
    except ValueError:  # a signalling NaN, which Decimal reads and float does not
        return 0.0, 0.0


def _frozen(values: list[float]) -> Floats:
    column = np.array(values, np.float64)
    column.setflags(write=False)
    return column


def _text(value: Decimal | str) -> str:
    return value if isinstance(value, str) else f"{value.normalize():f}"
