"""A taker's fee paid in KCS, the venue's own currency, at a discount.

An order that cannot rest is paid for in KCS when it is received with enough of that
free for all it is planned to trade; its price is fixed then. One that may rest pays in
quote, for nobody knows what the account will have when it is filled.

Source: KuCoin's fee page (20 % off where fees are paid in KCS).
"""

from __future__ import annotations

from decimal import ROUND_UP, Context, Decimal

from arb_pipelines.exchange.engine.floor import Floor
from arb_pipelines.exchange.engine.matching import Plan, may_rest
from arb_pipelines.exchange.engine.money import ONE, ZERO
from arb_pipelines.exchange.engine.orders import WorkingOrder

KCS = "KCS"
#: What is paid of a fee, and the step that an amount of KCS is rounded up to.
_SHARE = Decimal("0.8")
_STEP = Decimal("0.00000001")
#: A price need not divide a fee: this is the one place where the engine rounds.
_ROUNDING = Context(prec=60, rounding=ROUND_UP)


def in_kcs(fee: Decimal, price: Decimal) -> Decimal:
    """Give a fee in quote as what is taken of KCS at ``price``, discounted and rounded up."""
    return _ROUNDING.quantize(_ROUNDING.divide(fee * _SHARE, price), _STEP)


def price_to_pay(floor: Floor, order: WorkingOrder, planned: Plan) -> Decimal | None:
    """Give the price of KCS at which an order's fees are paid; ``None`` to pay them in quote.

    It is the best bid for KCS in the order's quote currency.
    """
    if not floor.fees.in_kcs or may_rest(order.request):
        return None
    listed = floor.symbols[order.request.symbol]
    rate = floor.fees.taker_rate(listed)
    if rate <= ZERO:
        return None
    if listed.quote == KCS:
        return ONE
    book = floor.books.get(f"{KCS}-{listed.quote}")
    price = None if book is None else book.bids.best()
    if price is None:
        return None
    most = in_kcs(planned.funds * rate, price) + len(planned.steps) * _STEP
    return price if floor.accounts.balance(order.user, KCS).available >= most else None
