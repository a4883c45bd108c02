"""Orders to any exchange through ccxt. Nothing is ever sent twice: ccxt's retries are off."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from arb_pipelines.clock import steady_ns
from arb_pipelines.errors import Fatal, OutcomeUnknown, Rejected, Transient
from arb_pipelines.venues.base import Accepted, NewOrder
from arb_pipelines.venues.ccxt_any.account import CcxtAccount
from arb_pipelines.venues.ccxt_any.failures import asking
from arb_pipelines.venues.ccxt_any.orders import Listed, request_of

#: Classes of ccxt that send an order marked ``test`` to the exchange's check of orders. Any
#: other would place it.
CHECKS_ORDERS = frozenset({"binance", "kucoin", "mexc"})


class CcxtOrderEntry:
    """Sends orders through an exact client (``OrderEntry``)."""

    def __init__(
        self,
        client: Any,
        account: CcxtAccount,
        listed: Mapping[str, Listed],
        *,
        wall_ns: Callable[[], int] = steady_ns,
    ) -> None:
        self._client, self._account, self._listed = client, account, listed
        self._wall_ns = wall_ns

    async def place(self, order: NewOrder) -> Accepted:
        """Send an order once; follow it from before it leaves."""
        self._account.follow(order)
        sent = self._wall_ns()
        try:
            placed = await self._send(order, {})
        except (Rejected, Transient, Fatal):
            self._account.forget(order.client_id)
            raise
        if not placed.get("id") or placed.get("clientOrderId") not in (None, order.client_id):
            raise OutcomeUnknown(
                f"order {order.client_id}: answered as {placed.get('clientOrderId')!r:.40}; "
                "look it up"
            )
        self._account.placed(order.client_id, str(placed["id"]))
        return Accepted(order.client_id, str(placed["id"]), sent, self._wall_ns())

    async def cancel(self, client_id: str, symbol: str) -> None:
        """Ask once to take an order back, by the exchange's id where it is known."""
        name, order_id = self._listed[symbol].name, self._account.order_id(client_id)
        with asking(f"cancel of order {client_id}", acts=True):
            if order_id:
                await self._client.cancel_order(order_id, name)
            else:
                await self._client.cancel_order_with_client_order_id(client_id, name)

    async def test(self, order: NewOrder) -> None:
        """Have the exchange check an order; nothing reaches the market.

        Raises:
            Rejected: it would be refused, or ccxt's class has no such check.
        """
        if self._client.id not in CHECKS_ORDERS:
            raise Rejected(f"ccxt's {self._client.id} cannot have orders checked; not sent")
        try:
            await self._send(order, {"test": True})
        except OutcomeUnknown as lost:  # there is nothing to come of it
            raise Transient(str(lost)) from None

    async def _send(self, order: NewOrder, marks: Mapping[str, object]) -> Mapping[str, Any]:
        what = f"order {order.client_id}"
        with asking(what, acts=False):
            request = request_of(self._client, order, self._listed[order.symbol])
        with asking(what, acts=True):
            placed: Mapping[str, Any] = await self._client.create_order(
                request.name,
                request.kind,
                request.side,
                request.amount,
                request.price,
                {**request.params, **marks},
            )
        return placed
