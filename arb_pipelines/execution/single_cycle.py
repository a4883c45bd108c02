"""One cycle that somebody has decided on himself, carried out leg by leg without a desk.

Each order is in the state file before it leaves, and what it came to before the next: whoever
dies on the way leaves a cycle as any strategy does, and recovery ends it. What the legs leave
is the panic seller's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from arb_pipelines.errors import Fatal, VenueError
from arb_pipelines.execution.recovery.finishing import (
    Books,
    currencies_of,
    rest_of,
    send_leg,
)
from arb_pipelines.execution.recovery.recover import verdict
from arb_pipelines.execution.recovery.values import Engine
from arb_pipelines.execution.state.values import CycleState, NewCycle, Outcome
from arb_pipelines.market.exact import ExactLeg, PricedLeg, Refusal, price_legs
from arb_pipelines.market.symbols import Market, Status
from arb_pipelines.venues.retry import Patience, retrying

_ZERO, _BPS = Decimal(0), Decimal(10_000)
#: A book that is not told is asked for again for some seconds.
_PATIENCE = Patience(attempts=5, first_wait_s=0.1, longest_wait_s=2.0)


@dataclass(frozen=True, slots=True)
class Plan:
    """A cycle to carry out: ``amount`` of ``start`` through ``legs``, symbols with sides.

    ``max_slippage_bps`` bounds the worst level that a leg needs, against the best of its book.
    """

    start: str
    amount: Decimal
    legs: tuple[tuple[str, int], ...]
    orders: Literal["market", "ioc"]
    max_slippage_bps: Decimal


@dataclass(frozen=True, slots=True)
class NotPlanned:
    """Why a cycle is not begun; nothing has left."""

    why: str


async def price_plan(
    books: Books, plan: Plan, markets: Mapping[str, Market], fees: Mapping[str, Decimal]
) -> Sequence[PricedLeg] | NotPlanned:
    """Price all legs at the books of now, each with what the one before brings, fees in.

    Raises:
        VenueError: a book is not told.
    """
    exact = []
    for symbol, side in plan.legs:
        market = markets[symbol]
        if market.status is not Status.TRADING:
            return NotPlanned(f"{symbol} does not trade now")
        levels = await _levels(books, market, side)
        exact.append(ExactLeg(market, side, fees[symbol], levels))
    priced = price_legs(exact, plan.amount)
    if isinstance(priced, Refusal):
        assert priced.leg is not None, "whole cycles are refused for their profit alone"
        return NotPlanned(f"{plan.legs[priced.leg][0]}: {priced.reason}")
    for leg, known in zip(priced, exact, strict=True):
        slips = _slips_bps(leg, known)
        if slips > plan.max_slippage_bps:
            return NotPlanned(
                f"{leg.symbol}: {leg.limit_price.normalize():f} is {slips:.1f} bps from the best "
                f"price, and {float(plan.max_slippage_bps):g} is the bound"
            )
    return priced


async def carry_out(engine: Engine, plan: Plan, new: NewCycle, first: PricedLeg) -> None:
    """Send the legs one after the other, and bring the cycle to its end, or have it held.

    ``first`` is the first leg as it was priced. What the state says of the cycle is the result.

    Raises:
        Transient: the state file cannot be written, or the venue does not answer.
        Fatal, ProtocolViolation: the venue turns us away. As after any error, what is open is
            recovered by the next start.
    """
    store, books = engine.store, Books(engine.snapshot)
    planned = (CycleState.VALIDATING, "plan", "priced and rounded exactly")
    store.begin(new, "asked for by a program", planned)
    short = await _walk(engine, books, plan, new, first)
    await _end(engine, books, new.id, short)
    if short is not None:
        store.remark(new.id, short)


async def _end(engine: Engine, books: Books, name: str, short: str | None) -> None:
    """End a cycle whose legs are over, or have the seller do so; ``short`` is why one fell short.

    Raises:
        Transient: a book is not told.
        Fatal, ProtocolViolation: the venue turns us away.
    """
    store, cycle = engine.store, engine.store.cycle(name)
    profit, why = cycle.gained, short or "every leg filled"
    if not any(cycle.changes.values()):
        state, outcome = CycleState.FAILED, Outcome.NOTHING
        store.end(name, state, outcome, profit=profit, what="ended", why=why)
        return
    async for attempt in retrying(_PATIENCE):
        with attempt:
            rest = await rest_of(engine, books, cycle)
    state, outcome = verdict(store, name)
    unsold = rest.legs or rest.refused or state is not CycleState.COMPLETED
    if unsold and cycle.held:
        await engine.seller.sell(name)
        return
    store.end(name, state, outcome, profit=profit, what="ended", why=why)


async def _walk(
    engine: Engine, books: Books, plan: Plan, new: NewCycle, first: PricedLeg
) -> str | None:
    """Send one leg after the other; say why a leg did not fill."""
    store = engine.store
    for number, (symbol, side) in enumerate(plan.legs):
        cycle, market = store.cycle(new.id), engine.markets[symbol]
        given, _ = currencies_of(market, side)
        in_hand = cycle.held.get(given, _ZERO) if number else plan.amount
        limit = await _limit(engine, books, plan, number, in_hand, first)
        if isinstance(limit, NotPlanned):
            return limit.why
        if store.state_of(new.id) is not CycleState.ACTIVE:
            store.move(new.id, CycleState.ACTIVE, what="intent", why=f"leg {number}: {symbol}")
        order = await send_leg(engine, cycle, number, f"{new.id}-{number}", in_hand, limit)
        if order is None:
            return f"{symbol}: {in_hand:f} {given} is too little for an order"
        if not order.filled:
            return f"{symbol}: {order.reason or 'the order found no counterpart'}"
    return None


async def _limit(
    engine: Engine, books: Books, plan: Plan, number: int, in_hand: Decimal, first: PricedLeg
) -> Decimal | NotPlanned | None:
    """Give the worst level that a leg needs by the book of now; ``None`` for one at market.

    Not planned is one that needs more than the bound.
    """
    if plan.orders == "market":
        return None
    if number == 0:
        return first.limit_price
    symbol = plan.legs[number][0]
    alone = Plan(plan.start, in_hand, (plan.legs[number],), plan.orders, plan.max_slippage_bps)
    try:
        priced = await price_plan(books, alone, engine.markets, engine.fees)
    except VenueError as untold:
        if isinstance(untold, Fatal):
            raise
        return NotPlanned(f"{symbol}: {untold}")
    return priced if isinstance(priced, NotPlanned) else priced[0].limit_price


async def _levels(books: Books, market: Market, side: int) -> Sequence[tuple[Decimal, Decimal]]:
    async for attempt in retrying(_PATIENCE):
        with attempt:
            levels = await books.levels(market, side)
    return levels


def _slips_bps(leg: PricedLeg, known: ExactLeg) -> Decimal:
    best = known.levels[0][0]
    return abs(leg.limit_price - best) / best * _BPS
