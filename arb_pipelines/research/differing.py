"""One signal as two sides tell it: what of it is equal, and the first thing that is not.

Amounts are equal within ``RELATIVE``: a session books decimals, a backtest float64. The size
of a fill is equal to the venue's step, and so is what is ordered where the step is not finer
than ``ASKED`` of it. Why something differs is said in ``agreement_reasons``.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import zip_longest

from arb_pipelines.market.graph import BUY
from arb_pipelines.research.told import OrderTold, SignalTold, Told

#: Share of an amount by which a decimal and a float64 may part.
RELATIVE = 1e-9
#: The same for what is ordered, which may be a tenth of the capital that it is a share of: a
#: finer step (a millionth of a USDT, of 2,000) may be rounded down to on one side alone.
ASKED = 10 * RELATIVE
#: Steps of a symbol's sizes and funds, 0 where they are not known.
Steps = tuple[float, float]
_Key = tuple[int, int, int]


class What(StrEnum):
    """What is compared, in the order in which it comes about."""

    SIGNAL = "signal"  # its time, cycle and product
    DECISION = "decision"  # traded, or the check that refused it
    ORDER = "order"  # symbol, side, amount and limit
    FILL = "fill"  # size, value, what was spent and received, fee


@dataclass(frozen=True, slots=True)
class Pair:
    """A signal on both sides; ``number`` is its place among the session's, or the backtest's."""

    number: int
    session: SignalTold | None
    backtest: SignalTold | None

    @property
    def signal(self) -> SignalTold:
        """The session's, or the backtest's where the session has none."""
        signal = self.session or self.backtest
        assert signal is not None  # one of them made the pair
        return signal

    def orders(self) -> Sequence[tuple[OrderTold | None, OrderTold | None]]:
        """Give the orders in turn, of both sides."""
        ours = self.session.orders if self.session else ()
        theirs = self.backtest.orders if self.backtest else ()
        return tuple(zip_longest(ours, theirs))


@dataclass(frozen=True, slots=True)
class Thing:
    """One thing of a pair: which side has it, and whether both have the same.

    ``order`` counts those of the execution. Only a fill of more than nothing is one that a
    side has; two orders that filled nothing may still differ in how they ended.
    """

    what: What
    order: int | None
    session: bool
    backtest: bool
    equal: bool

    @property
    def both_alike(self) -> bool:
        """Whether both sides have it, and it is the same."""
        return self.session and self.backtest and self.equal


def pairs(session: Told, backtest: Told) -> list[Pair]:
    """Match signals by time and cycle, in order of time; those of one side alone too."""
    ours, theirs = _placed(session), _placed(backtest)
    found = []
    for key in ours.keys() | theirs.keys():
        mine, other = ours.get(key), theirs.get(key)
        number = (mine or other or (0, None))[0]
        found.append(Pair(number, mine[1] if mine else None, other[1] if other else None))
    return sorted(found, key=lambda pair: (pair.signal.ts, pair.number, pair.signal.cycle))


def compared(pair: Pair, steps: Mapping[str, Steps]) -> Iterator[Thing]:
    """Compare a pair, thing by thing; ``steps`` are by symbol."""
    ours, theirs = pair.session, pair.backtest
    there = ours is not None, theirs is not None
    product = decided = False
    if ours is not None and theirs is not None:
        product = close(ours.product, theirs.product)
        decided = ours.decided == theirs.decided
    yield Thing(What.SIGNAL, None, *there, product)
    yield Thing(What.DECISION, None, *there, decided)
    for number, (mine, other) in enumerate(pair.orders()):
        asked = came = False
        if mine is not None and other is not None:
            size_step, funds_step = steps.get(mine.symbol, (0.0, 0.0))
            asked = _same_order(mine, other, funds_step if mine.side == BUY else size_step)
            came = asked and _same_fill(mine, other, size_step)
        yield Thing(What.ORDER, number, mine is not None, other is not None, asked)
        filled = mine is not None and mine.size > 0.0, other is not None and other.size > 0.0
        yield Thing(What.FILL, number, *filled, came)


def _same_order(one: OrderTold, other: OrderTold, step: float) -> bool:
    """Whether two orders ask for the same, the amount to its step or within ``ASKED``."""
    noise = math.isclose(one.amount, other.amount, rel_tol=ASKED)
    return (
        (one.symbol, one.side) == (other.symbol, other.side)
        and (noise or same_size(one.amount, other.amount, step))
        and close(one.limit_px, other.limit_px)
    )


def _same_fill(one: OrderTold, other: OrderTold, step: float) -> bool:
    """Whether two orders came to the same: the size to the step, amounts but for float noise."""
    amounts = ("funds", "spent", "received", "fee")
    return (
        same_size(one.size, other.size, step)
        and (one.ending is None) == (other.ending is None)
        and all(close(getattr(one, name), getattr(other, name)) for name in amounts)
    )


def _placed(told: Told) -> dict[_Key, tuple[int, SignalTold]]:
    """Index signals by time, cycle, and how many of both came before."""
    before: Counter[tuple[int, int]] = Counter()
    placed = {}
    for number, signal in enumerate(told.signals):
        key = signal.ts, signal.cycle
        placed[(*key, before[key])] = number, signal
        before[key] += 1
    return placed


def close(one: float | None, other: float | None) -> bool:
    """Whether two amounts, or none, are equal but for float noise."""
    if one is None or other is None:
        return one is other
    return math.isclose(one, other, rel_tol=RELATIVE)


def same_size(one: float, other: float, step: float) -> bool:
    """Whether two amounts are the same number of steps; a step of 0 is not known."""
    return abs(one - other) < 0.5 * step if step > 0.0 else close(one, other)
