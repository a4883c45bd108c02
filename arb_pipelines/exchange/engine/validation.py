"""Whether an order may be placed at all: its fields, increments and bounds."""

from __future__ import annotations

import re
from decimal import Decimal

from arb_pipelines.exchange.engine.money import ZERO, admissible
from arb_pipelines.exchange.engine.orders import NewOrder, OrderType, TimeInForce
from arb_pipelines.exchange.engine.refusals import (
    below_min_funds,
    off_increment,
    out_of_bounds,
    parameter,
)
from arb_pipelines.exchange.engine.symbols import ListedSymbol

_CLIENT_OID = re.compile(r"[A-Za-z0-9_-]{1,40}\Z")


def check(request: NewOrder, listed: ListedSymbol) -> None:
    """Check an order against its symbol's limits.

    Raises:
        Refused: 400100 for fields that do not go together, 600100 for increments and
            bounds, 600101 for less than the minimum funds.
    """
    if request.client_oid is not None and not _CLIENT_OID.match(request.client_oid):
        raise parameter("clientOid must be 1 to 40 letters, digits, underscores or hyphens")
    if request.hidden or request.iceberg:
        raise parameter("hidden and iceberg orders are not supported by this exchange")
    if request.type is OrderType.LIMIT:
        _check_limit(request, listed)
    else:
        _check_market(request, listed)


def _check_limit(request: NewOrder, listed: ListedSymbol) -> None:
    if request.price is None or request.size is None or request.funds is not None:
        raise parameter("a limit order takes price and size, not funds")
    if request.post_only and request.time_in_force in (TimeInForce.IOC, TimeInForce.FOK):
        raise parameter("postOnly does not go with timeInForce IOC or FOK")
    if (request.cancel_after_s is not None) != (request.time_in_force is TimeInForce.GTT):
        raise parameter("cancelAfter and timeInForce GTT go together")
    if request.cancel_after_s is not None and request.cancel_after_s <= 0:
        raise parameter("cancelAfter must be a positive number of seconds")
    _check_amount("price", request.price, listed.price_increment)
    check_size(request.size, listed)
    if request.price * request.size < listed.min_funds:
        raise below_min_funds(listed.min_funds, listed.quote)


def _check_market(request: NewOrder, listed: ListedSymbol) -> None:
    if request.price is not None or request.post_only or request.cancel_after_s is not None:
        raise parameter("a market order takes neither price, postOnly nor cancelAfter")
    if request.size is not None and request.funds is None:
        check_size(request.size, listed)
    elif request.funds is not None and request.size is None:
        _check_amount("funds", request.funds, listed.quote_increment)
        if request.funds < max(listed.min_funds, listed.quote_min_size):
            raise below_min_funds(max(listed.min_funds, listed.quote_min_size), listed.quote)
        if request.funds > listed.quote_max_size:
            raise out_of_bounds("funds", "above", listed.quote_max_size)
    else:
        raise parameter("a market order takes either size or funds")


def check_size(size: Decimal, listed: ListedSymbol) -> None:
    """Check a base size against increment, minimum and maximum.

    Raises:
        Refused: 400100 or 600100.
    """
    _check_amount("size", size, listed.base_increment)
    if size < listed.base_min_size:
        raise out_of_bounds("size", "below", listed.base_min_size)
    if size > listed.base_max_size:
        raise out_of_bounds("size", "above", listed.base_max_size)


def _check_amount(field: str, value: Decimal, increment: Decimal) -> None:
    if not admissible(value) or value <= ZERO:
        raise parameter(f"{field} must be above zero and have no more than 18 decimals")
    if value % increment != ZERO:
        raise off_increment(field)
