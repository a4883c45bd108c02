"""What an order would meet in the book: pure look-ahead, nothing moves.

A plan is made before anything is held or traded, so that fill-or-kill, post-only and
the hold of a market order by size have one answer, and a refused order leaves no trace.

Source: KuCoin's description of its matching engine, self-trade prevention (the taker's
word alone counts) and price protection (a market order fills within ``priceLimitRate``
of the best price, the rest is cancelled).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

import msgspec

from arb_pipelines.exchange.engine.book import Book, FeedLiquidity
from arb_pipelines.exchange.engine.money import ONE, ZERO
from arb_pipelines.exchange.engine.orders import (
    NewOrder,
    OrderType,
    SelfTradePrevention,
    Side,
    TimeInForce,
    WorkingOrder,
)
from arb_pipelines.exchange.engine.symbols import ListedSymbol


class Meeting(msgspec.Struct, frozen=True):
    """The order trades ``size`` at ``price`` with ``maker``, or with the feed (``None``)."""

    maker: WorkingOrder | None
    price: Decimal
    size: Decimal


class SelfTrade(msgspec.Struct, frozen=True):
    """The order met one of its own account: ``maker_size`` of that is cancelled.

    ``taker_amount`` of the order itself is, in its own unit: base, or quote by funds.
    """

    maker: WorkingOrder
    maker_size: Decimal
    taker_amount: Decimal


@dataclass(slots=True)
class Plan:
    """What would happen, in order; ``remaining`` of the order (base or quote) is left.

    ``stopped`` says that self-trade prevention forbids what is left to rest.
    """

    remaining: Decimal
    steps: list[Meeting | SelfTrade] = field(default_factory=list)
    size: Decimal = ZERO
    funds: Decimal = ZERO
    stopped: bool = False


def plan(book: Book, listed: ListedSymbol, user: str, request: NewOrder) -> Plan:
    """Walk the opposite side, best price and longest wait first, as ``request`` would."""
    by_funds = request.size is None
    amount = request.funds if by_funds else request.size
    assert amount is not None
    plan = Plan(amount)
    worst = _worst_price(book, listed, request)
    if worst is None:
        return plan
    buys = request.side is Side.BUY
    for price, queue in book.opposite(request.side).queues():
        if price > worst if buys else price < worst:
            break
        for waiting in queue.waiting.values():
            wanted = plan.remaining
            if by_funds:
                wanted = wanted // (price * listed.base_increment) * listed.base_increment
            if wanted <= ZERO:
                return plan
            maker = None if isinstance(waiting, FeedLiquidity) else waiting
            if maker is not None and maker.user == user and request.stp is not None:
                _prevent(plan, maker, price, wanted, by_funds, request.stp)
            else:
                there = waiting.remaining
                size = wanted if wanted < there else there
                plan.steps.append(Meeting(maker, price, size))
                plan.size += size
                plan.funds += price * size
                plan.remaining -= price * size if by_funds else size
                # What is left of funds cannot pass by an offer it could not exhaust: a
                # sell's would suffice for one more increment at a worse price.
                if size < there:
                    return plan
            if plan.stopped:
                return plan
    return plan


def must_not_trade(request: NewOrder, planned: Plan) -> bool:
    """Tell whether an order is cancelled before anything of it trades."""
    if request.post_only:
        return bool(planned.steps) or planned.stopped
    whole_or_not = request.type is OrderType.LIMIT and request.time_in_force is TimeInForce.FOK
    return whole_or_not and planned.size != request.size


def may_rest(request: NewOrder) -> bool:
    """Tell whether what remains of an order waits in the book."""
    return request.type is OrderType.LIMIT and request.time_in_force in (
        TimeInForce.GTC,
        TimeInForce.GTT,
    )


def _worst_price(book: Book, listed: ListedSymbol, request: NewOrder) -> Decimal | None:
    """Give the last price the order may trade at; ``None`` where there is nothing to meet."""
    best = book.opposite(request.side).best()
    if best is None or request.type is OrderType.LIMIT:
        return None if best is None else request.price
    if request.side is Side.BUY:
        return best * (ONE + listed.price_limit_rate)
    return best * (ONE - listed.price_limit_rate)


def _prevent(
    plan: Plan,
    maker: WorkingOrder,
    price: Decimal,
    wanted: Decimal,
    by_funds: bool,
    stp: SelfTradePrevention,
) -> None:
    """Put what ``stp`` does to the two orders into the plan instead of a trade."""
    if stp is SelfTradePrevention.CO:
        plan.steps.append(SelfTrade(maker, maker.remaining, ZERO))
    elif stp is SelfTradePrevention.CN:
        plan.stopped = True
    elif stp is SelfTradePrevention.CB:
        plan.steps.append(SelfTrade(maker, maker.remaining, ZERO))
        plan.stopped = True
    else:
        smaller = min(wanted, maker.remaining)
        taken = price * smaller if by_funds else smaller
        plan.steps.append(SelfTrade(maker, smaller, taken))
        plan.remaining -= taken
        plan.stopped = smaller == wanted
