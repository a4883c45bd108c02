"""Whether a holding is too small for any order: then it is reported, and not tried again."""

from __future__ import annotations

from decimal import Decimal

from arb_pipelines.market.exact import decimal_of, round_down
from arb_pipelines.market.symbols import Market
from arb_pipelines.trading.panic.carrying import Obstacle, fraction
from arb_pipelines.trading.panic.network import NOBODY
from arb_pipelines.trading.panic.sight import Holding, Sight

_ZERO, _ONE = Decimal(0), Decimal(1)


def is_dust(sight: Sight, holding: Holding) -> bool:
    """Whether the holding is too small to be sold, whatever the books were.

    It is below the minimum of every symbol that trades it, halted or not; or its symbols are
    open, and on every way what it comes to is below a minimum.
    """
    markets = sight.network.markets_of(holding.currency)
    if markets and all(_too_small(sight, holding, market) for market in markets):
        return True
    usable = {step.symbol for step in sight.network.steps_from(holding.currency)} - sight.closed
    return sight.met == {Obstacle.TOO_SMALL} and all(m.symbol in usable for m in markets)


def _too_small(sight: Sight, holding: Holding, market: Market) -> bool:
    """Whether no order of a symbol is as small as the holding; without a price, by its size."""
    assert sight.tops is not None
    sells = market.base == holding.currency
    top = sight.tops.get(market.symbol, NOBODY)
    price = decimal_of(top.bid if sells else top.ask)
    least_size, least_funds = market.base_min_size or _ZERO, market.min_funds or _ZERO
    size = holding.amount
    if not sells:
        if holding.amount < least_funds:
            return True
        if not price:
            return False
        size = holding.amount / price
    size = round_down(size, market.base_increment)
    # a venue holds a sell's limit against its least funds
    funds = size * price * (_ONE - fraction(sight.rules.max_slippage_bps))
    return size <= _ZERO or size < least_size or (price > _ZERO and funds < least_funds)
