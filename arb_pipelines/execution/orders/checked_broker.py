"""Paper against a real venue: it checks every order, and the books we see fill it.

An order goes to the venue's test of orders, which answers as for an order and lets nothing
reach the market. What the venue would take is filled from the books as they stand when its
answer is here: after a latency that was measured, not assumed. What would have moved the
market does not, so results are those of a trader whom nobody noticed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from decimal import Decimal, localcontext

from arb_pipelines.errors import Unfunded
from arb_pipelines.execution.orders.amounts import EXACT
from arb_pipelines.execution.orders.carrier import Carried, Intent, OrderCarrier, unwritten
from arb_pipelines.market.exact import ATOM, exact_level, round_down
from arb_pipelines.market.graph import BUY
from arb_pipelines.market.symbols import Market
from arb_pipelines.trading.book_shelf import BookShelf
from arb_pipelines.trading.session_rules import SessionRules
from arb_pipelines.venues.base import NewOrder, OrderEntry, OrderReport
from arb_pipelines.venues.status import VenueStatus

_ZERO = Decimal(0)

#: A level of a book: price and size in base.
Level = tuple[Decimal, Decimal]


class CheckedBroker(OrderCarrier):
    """Fills what the venue would take from ``shelf``; ``number`` is by symbol.

    A balance that would not do is no objection: what a paper session has, the account has
    not. A leg that is to rest is tried at once at its limit, as a taker's: what our order would
    be behind in the venue's book, nobody knows. The rest is as in ``OrderCarrier``.
    """

    def __init__(
        self,
        entry: OrderEntry,
        shelf: BookShelf,
        number: Mapping[str, int],
        markets: Mapping[str, Market],
        fees: Mapping[str, Decimal],
        rules: SessionRules,
        *,
        wall_ns: Callable[[], int],
        intent: Intent = unwritten,
        status: VenueStatus | None = None,
    ) -> None:
        super().__init__(
            markets, fees, rules, wall_ns=wall_ns, intent=intent, free=None, status=status
        )
        self._entry, self._shelf, self._number = entry, shelf, number

    async def _send(self, carried: Carried) -> None:
        """Have an order checked, then fill it from the books of that moment."""
        new, market = carried.new, carried.market
        with suppress(Unfunded):  # everything else about it is as it should be
            await self._entry.test(new)
        px, left = self._shelf.levels(self._number[new.symbol], new.side)
        levels = (
            exact_level(price, size, market.price_increment)
            for price, size in zip(px.tolist(), left.tolist(), strict=True)
            if price > 0.0 and size > 0.0
        )
        size, funds = taken(new, levels, market.base_increment)
        self._finish(
            carried,
            OrderReport(
                client_id=new.client_id,
                order_id="",
                symbol=new.symbol,
                side=new.side,
                active=False,
                cancelled=size != new.size,
                size=size,
                funds=funds,
                fee=None,
                fee_currency=None,
                ts_event=self._wall_ns(),
            ),
        )


def taken(
    new: NewOrder, levels: Iterable[Level], base_increment: Decimal | None
) -> tuple[Decimal, Decimal]:
    """Give size and value in quote of what an order takes of ``levels``, best first.

    As ``trading.orders.fill`` does, exactly: no worse than the order's price, and the size
    rounds down to the increment.
    """
    parts: list[Level] = []
    with localcontext(EXACT):
        left = new.size if new.funds is None else new.funds
        assert left is not None
        for price, there in levels:
            if left <= 0 or _beyond(new, price):
                break
            size = min(left if new.funds is None else left / price, there)
            left -= size if new.funds is None else size * price
            parts.append((price, size))
        whole = round_down(sum((size for _, size in parts), _ZERO), base_increment or ATOM)
        funds, size = _ZERO, whole
        for price, part in parts:
            funds += price * min(part, size)
            size -= min(part, size)
    return whole, funds


def _beyond(new: NewOrder, price: Decimal) -> bool:
    if new.price is None:
        return False
    return price > new.price if new.side == BUY else price < new.price
