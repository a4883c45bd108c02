"""A cycle priced again in ``Decimal``, with the venue's increments, minimums and fees.

The order path starts here: the one place where a float becomes a ``Decimal``.
Each leg spends what the leg before delivered, sized down to the increment; what
that leaves is its dust. What cannot be ordered is refused with a reason.

Amounts keep 18 decimals, which no venue exceeds and the lake's columns hold:
what is received rounds down to them, what is spent rounds up, so that neither
is ever flattered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_UP, Context, Decimal, localcontext
from enum import StrEnum

from arb_pipelines.market.graph import BUY
from arb_pipelines.market.symbols import FeeSide, Market

#: Smallest amount told apart.
ATOM = Decimal("1e-18")
#: Share of a value by which a float may miss its step and still be on that step.
FLOAT_ERROR = Decimal("1e-12")
_ZERO, _ONE = Decimal(0), Decimal(1)
_CONTEXT = Context(prec=80, rounding=ROUND_DOWN)


class RefusalReason(StrEnum):
    """Why a cycle cannot be ordered as it is."""

    OFF_TICK = "best price is not a multiple of the price increment"
    NO_DEPTH = "not enough depth"
    BELOW_MIN_SIZE = "below the minimum size"
    ABOVE_MAX_SIZE = "above the maximum size"
    BELOW_MIN_FUNDS = "below the minimum funds"
    NO_PROFIT = "no profit after rounding"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A cycle that cannot be ordered; ``leg`` counts from 0, ``None`` for the whole cycle."""

    reason: RefusalReason
    leg: int | None = None

    def __str__(self) -> str:
        return str(self.reason) if self.leg is None else f"{self.reason} on leg {self.leg}"


@dataclass(frozen=True, slots=True)
class ExactLeg:
    """One leg to price: its market, taker fee as a fraction, side, and levels best first.

    ``levels`` are (price, size), asks for a buy and bids for a sell.
    """

    market: Market
    side: int
    fee: Decimal
    levels: Sequence[tuple[Decimal, Decimal]]


@dataclass(frozen=True, slots=True)
class PricedLeg:
    """What a leg would do. ``spent``, ``dust`` in the currency given, ``received`` in the other.

    ``size`` is base, a multiple of the increment; ``limit_price`` the worst
    level used; ``funds`` the traded value and ``fee`` in the currency the
    venue takes it. ``dust`` is what the leg had and could not spend.
    """

    symbol: str
    side: int
    size: Decimal
    limit_price: Decimal
    funds: Decimal
    fee: Decimal
    spent: Decimal
    received: Decimal
    dust: Decimal


@dataclass(frozen=True, slots=True)
class PricedCycle:
    """A cycle that can be ordered. ``profit`` is what comes back less what the first leg spends.

    Dust of later legs is in hand, but counts for nothing.
    """

    legs: tuple[PricedLeg, ...]
    spent: Decimal
    received: Decimal
    profit: Decimal


def decimal_of(value: float) -> Decimal:
    """Give the shortest decimal that reads as ``value``: what the venue sent, up to 15 digits."""
    return Decimal(repr(float(value)))


def round_down(value: Decimal, increment: Decimal | None) -> Decimal:
    """Round down to a multiple of ``increment``; ``None`` leaves the value as it is."""
    return value if increment is None else _to_multiple(value, increment, ROUND_DOWN)


def limit_price(price: Decimal, increment: Decimal | None, side: int) -> Decimal:
    """Round a limit to the tick on the side of never paying more: a buy down, a sell up."""
    if increment is None:
        return price
    return _to_multiple(price, increment, ROUND_DOWN if side == BUY else ROUND_UP)


def exact_level(price: float, size: float, increment: Decimal | None) -> tuple[Decimal, Decimal]:
    """Make a level of a book exact: a price within float error of a tick is that tick."""
    return on_step(price, increment), decimal_of(size)


def on_step(value: float, increment: Decimal | None) -> Decimal:
    """Make a float exact: within float error of a multiple of ``increment`` it is that multiple."""
    exact = decimal_of(value)
    if increment is None:
        return exact
    step = _to_multiple(exact, increment, ROUND_HALF_EVEN)
    return step if abs(step - exact) <= FLOAT_ERROR * exact else exact


def price_cycle(legs: Sequence[ExactLeg], amount: Decimal) -> PricedCycle | Refusal:
    """Price ``legs`` in turn, the first with ``amount`` of the start currency.

    The refusal of the first leg that has one is the answer.
    """
    priced = price_legs(legs, amount)
    if isinstance(priced, Refusal):
        return priced
    spent, have = priced[0].spent, priced[-1].received
    if have <= spent:
        return Refusal(RefusalReason.NO_PROFIT)
    with localcontext(_CONTEXT):
        return PricedCycle(priced, spent, have, have - spent)


def price_legs(legs: Sequence[ExactLeg], amount: Decimal) -> tuple[PricedLeg, ...] | Refusal:
    """Price ``legs`` in turn, the first with ``amount``, whether they come to a profit or not.

    The refusal of the first leg that has one is the answer.
    """
    priced: list[PricedLeg] = []
    with localcontext(_CONTEXT):
        have = _atoms_down(amount)
        for k, leg in enumerate(legs):
            result = _price_buy(leg, have) if leg.side == BUY else _price_sell(leg, have)
            if isinstance(result, RefusalReason):
                return Refusal(result, k)
            priced.append(result)
            have = result.received
    return tuple(priced)


def _price_buy(leg: ExactLeg, have: Decimal) -> PricedLeg | RefusalReason:
    budget = have / (_ONE + leg.fee) if _takes_quote(leg) else have
    budget = round_down(budget, leg.market.quote_increment)
    size, left = _ZERO, budget
    for price, available in _reachable(leg):
        if price * available >= left:
            size += left / price
            left = _ZERO
            break
        size += available
        left -= price * available
    return _price(leg, size, left > _ZERO, have)


def _price_sell(leg: ExactLeg, have: Decimal) -> PricedLeg | RefusalReason:
    short = have > sum((available for _, available in _reachable(leg)), _ZERO)
    return _price(leg, have, short, have)


def _price(leg: ExactLeg, size: Decimal, short: bool, have: Decimal) -> PricedLeg | RefusalReason:
    market = leg.market
    levels = _reachable(leg)
    if not levels:
        return RefusalReason.OFF_TICK if leg.levels else RefusalReason.NO_DEPTH
    if short:
        return RefusalReason.NO_DEPTH
    size = round_down(size, market.base_increment or ATOM)
    if size <= _ZERO or size < (market.base_min_size or _ZERO):
        return RefusalReason.BELOW_MIN_SIZE
    if market.base_max_size is not None and size > market.base_max_size:
        return RefusalReason.ABOVE_MAX_SIZE
    funds, worst, left = _ZERO, levels[0][0], size
    for price, available in levels:
        taken = min(available, left)
        funds, worst, left = funds + price * taken, price, left - taken
        if not left:
            break
    if funds < (market.min_funds or _ZERO):
        return RefusalReason.BELOW_MIN_FUNDS
    if leg.side != BUY:
        spent, received = size, _atoms_down(funds * (_ONE - leg.fee))
        funds = _atoms_down(funds)
        fee = funds - received
    elif _takes_quote(leg):
        spent, received = _atoms_up(funds * (_ONE + leg.fee)), size
        funds = _atoms_up(funds)
        fee = spent - funds
    else:
        spent = funds = _atoms_up(funds)
        received = _atoms_down(size * (_ONE - leg.fee))
        fee = size - received
    return PricedLeg(
        symbol=market.symbol,
        side=leg.side,
        size=size,
        limit_price=worst,
        funds=funds,
        fee=fee,
        spent=spent,
        received=received,
        dust=have - spent,
    )


def _takes_quote(leg: ExactLeg) -> bool:
    return leg.market.fee_side is FeeSide.QUOTE


def _reachable(leg: ExactLeg) -> list[tuple[Decimal, Decimal]]:
    """Levels down to the first whose price is no multiple of the tick: no limit reaches it."""
    tick = leg.market.price_increment
    levels = []
    for price, size in leg.levels:
        if price <= _ZERO or size <= _ZERO or price != limit_price(price, tick, BUY):
            break
        levels.append((price, size))
    return levels


def _atoms_down(value: Decimal) -> Decimal:
    return _to_multiple(value, ATOM, ROUND_DOWN)


def _atoms_up(value: Decimal) -> Decimal:
    return _to_multiple(value, ATOM, ROUND_UP)


def _to_multiple(value: Decimal, increment: Decimal, rounding: str) -> Decimal:
    with localcontext(_CONTEXT):
        return (value / increment).quantize(_ONE, rounding=rounding) * increment
