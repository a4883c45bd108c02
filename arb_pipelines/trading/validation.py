"""Whether a venue would take an order, and if not, which field is wrong, why, and what would do.

Checked before an order leaves, so that nothing is sent that must come back. The
rules are the market's own, in ``Decimal``; an order's floats are made exact first,
so that a price computed onto its tick counts as on it. A refusal is a value: the
order manager hears of it as of any rejected order.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from arb_pipelines.market.exact import limit_price, on_step, round_down
from arb_pipelines.market.graph import BUY, SELL
from arb_pipelines.market.symbols import Market, Status
from arb_pipelines.trading.events import Order, OrderKind, TimeInForce, currencies
from arb_pipelines.trading.lifecycle import NOISE

_AMOUNTS = ("size", "funds", "limit_px", "stop_px", "reserve")


@dataclass(frozen=True, slots=True)
class Invalid:
    """The first rule an order breaks: the field, why, and what would do instead."""

    field: str
    reason: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.field}: {self.reason}; {self.remedy}"


class OrderValidator:
    """Checks orders against the markets they are for.

    ``available`` says what an order may spend in the currency it gives, as
    ``Portfolio.available`` does; without it balances are not looked at. A balance may
    be missed by float noise (``lifecycle.NOISE``), a rule of the venue may not.
    """

    def __init__(
        self,
        markets: Mapping[str, Market],
        available: Callable[[Order], float] | None = None,
    ) -> None:
        self._markets, self._available = markets, available

    def __call__(self, order: Order) -> Invalid | None:
        """Name the first rule that an order breaks; None if it keeps them all."""
        return next(self._broken(order), None)

    def _broken(self, order: Order) -> Iterator[Invalid]:
        yield from _form(order)
        market = self._markets.get(order.symbol)
        if market is None:
            yield Invalid(
                "symbol",
                f"{order.symbol!r} is not in the venue's list",
                f"one of {_some(self._markets)} would do",
            )
            return
        if market.status is not Status.TRADING:
            yield Invalid(
                "symbol", f"{order.symbol} is {market.status}", "wait until the venue trades it"
            )
        yield from _prices(order, market)
        yield from _amounts(order, market)
        yield from self._balance(order)

    def _balance(self, order: Order) -> Iterator[Invalid]:
        given, _ = currencies(order)
        amount = order.size if order.side == SELL else order.funds
        if amount is not None and order.reserve * (1 + NOISE) < amount:
            yield Invalid(
                "reserve", f"{order.reserve} is less than the {amount} {given} ordered",
                f"set aside at least {amount}",
            )  # fmt: skip
        if self._available is None:
            return
        most = self._available(order)
        if order.reserve > most * (1 + NOISE):
            yield Invalid(
                "reserve", f"{order.reserve} {given} are more than the {most} at hand",
                f"at most {most} would do",
            )  # fmt: skip


def _form(order: Order) -> Iterator[Invalid]:
    """Check what no market needs to be known for."""
    if not order.client_id:
        yield Invalid("client_id", "it is empty", "give one that no other order has")
    if order.side not in (BUY, SELL):
        yield Invalid("side", f"{order.side} is none", f"{BUY} buys and {SELL} sells")
    for name in _AMOUNTS:
        value = getattr(order, name)
        if value is not None and not math.isfinite(value):
            yield Invalid(name, f"{value} is no finite number", "give a number above zero")
        elif value is not None and not value > 0:
            yield Invalid(name, f"{value} is not above zero", "give a number above zero")
    if order.size is not None and order.funds is not None:
        yield Invalid("funds", "size is given too", "give one of the two")
    if order.size is None and order.funds is None:
        yield Invalid("size", "neither size nor funds is given", "give one of the two")
    if order.funds is not None and order.side != BUY:
        yield Invalid("funds", "only a buy carries funds", "give a sell its size in base currency")
    if order.kind is OrderKind.LIMIT and order.limit_px is None:
        yield Invalid("limit_px", "a limit order has none", "give it, or make it a market order")
    if order.kind is not OrderKind.LIMIT and order.limit_px is not None:
        yield Invalid("limit_px", f"a {order.kind} order has one", "leave it out, or make it limit")
    if order.kind is OrderKind.STOP and order.stop_px is None:
        yield Invalid("stop_px", "a stop order has none", "give the price that sets it off")
    if order.kind is not OrderKind.STOP and order.stop_px is not None:
        yield Invalid("stop_px", f"a {order.kind} order has one", "leave it out, or make it a stop")
    if order.kind is OrderKind.STOP and order.time_in_force is not TimeInForce.GTC:
        yield Invalid(
            "time_in_force",
            f"a stop rests until it is touched, and {order.time_in_force} may not rest",
            "gtc would do",
        )
    if order.expires is not None and order.expires <= order.ts:
        yield Invalid(
            "expires", f"{order.expires} is not after {order.ts}", "give a later time, or none"
        )


def _prices(order: Order, market: Market) -> Iterator[Invalid]:
    for name, price in (("limit_px", order.limit_px), ("stop_px", order.stop_px)):
        if price is None or market.price_increment is None:
            continue
        exact = on_step(price, market.price_increment)
        nearest = limit_price(exact, market.price_increment, order.side)
        if nearest != exact:
            nearest = nearest or market.price_increment
            yield Invalid(
                name, f"{price} is no multiple of {_text(market.price_increment)}",
                f"{_text(nearest)} would do",
            )  # fmt: skip


def _amounts(order: Order, market: Market) -> Iterator[Invalid]:
    if order.size is not None:
        size = on_step(order.size, market.base_increment)
        yield from _step("size", size, market.base_increment, market.base_min_size)
        yield from _least("size", size, market.base_min_size, market.base)
        if market.base_max_size is not None and size > market.base_max_size:
            yield Invalid(
                "size", f"{_text(size)} {market.base} are more than the venue's maximum",
                f"at most {_text(market.base_max_size)} would do",
            )  # fmt: skip
        price = order.limit_px if order.limit_px is not None else order.stop_px
        if price is not None and market.min_funds is not None:
            worth = size * on_step(price, market.price_increment)
            if worth < market.min_funds:
                yield Invalid(
                    "size", f"{_text(size)} at {price} is worth {_text(worth)} {market.quote}",
                    f"at least {_text(market.min_funds)} {market.quote} would do",
                )  # fmt: skip
    elif order.funds is not None:
        funds = on_step(order.funds, market.quote_increment)
        yield from _step("funds", funds, market.quote_increment, market.min_funds)
        yield from _least("funds", funds, market.min_funds, market.quote)


def _step(
    name: str, value: Decimal, increment: Decimal | None, least: Decimal | None
) -> Iterator[Invalid]:
    below = round_down(value, increment)
    if increment is not None and below != value:
        would_do = max(below, least or increment)
        yield Invalid(
            name, f"{_text(value)} is no multiple of {_text(increment)}",
            f"{_text(would_do)} would do",
        )  # fmt: skip


def _least(name: str, value: Decimal, least: Decimal | None, currency: str) -> Iterator[Invalid]:
    if least is not None and value < least:
        yield Invalid(
            name, f"{_text(value)} {currency} are less than the venue's minimum",
            f"at least {_text(least)} would do",
        )  # fmt: skip


def _text(value: Decimal) -> str:
    """Write a number out, without an exponent and without zeros at its end."""
    return f"{value.normalize():f}"


def _some(names: Mapping[str, object]) -> str:
    shown = sorted(names)[:5]
    return ", ".join(shown) + (", …" if len(names) > len(shown) else "")
