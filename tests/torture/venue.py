"""What the exchange has on its books, asked by a client that shares nothing with the engine."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tests.torture.processes import ACCOUNT

_TIMEOUT_S = 10.0
_PAGE = 100


@dataclass(frozen=True, slots=True)
class VenueOrder:
    """An order as the exchange has it; ``created_ms`` is its time of arrival."""

    client_id: str
    order_id: str
    symbol: str
    side: str
    filled: Decimal
    funds: Decimal
    fee: Decimal
    active: bool
    created_ms: int


@dataclass(frozen=True, slots=True)
class VenueFill:
    """One trade of an order; ``fee`` is in the symbol's quote currency."""

    order_id: str
    symbol: str
    side: str
    size: Decimal
    funds: Decimal
    fee: Decimal

    def changes(self) -> Mapping[str, Decimal]:
        """Give what it did to the account, by currency."""
        base, _, quote = self.symbol.partition("-")
        if self.side == "buy":
            return {base: self.size, quote: -self.funds - self.fee}
        return {base: -self.size, quote: self.funds - self.fee}


@dataclass(frozen=True, slots=True)
class VenueRecords:
    """All orders and fills since a time, and what the account has now: free and on hold."""

    orders: Sequence[VenueOrder]
    fills: Sequence[VenueFill]
    free: Mapping[str, Decimal]
    hold: Mapping[str, Decimal]


class VenueClient:
    """Asks an exchange for its records, and operates it."""

    def __init__(self, rest: str) -> None:
        self._rest = rest
        self._listed: dict[str, dict[str, Any]] | None = None

    def records(self, symbols: Sequence[str], since_ms: int) -> VenueRecords:
        """Read what happened in ``symbols`` since then, and the balances."""
        orders: list[VenueOrder] = []
        fills: list[VenueFill] = []
        for symbol in symbols:
            active = self._call(f"/api/v1/hf/orders/active?symbol={symbol}")
            done = self._pages(f"/api/v1/hf/orders/done?symbol={symbol}&startAt={since_ms}")
            orders += [_order(document) for document in (*active, *done)]
            fills += [
                _fill(document)
                for document in self._pages(f"/api/v1/hf/fills?symbol={symbol}&startAt={since_ms}")
            ]
        rows = self._call("/api/v1/accounts?type=trade")
        return VenueRecords(
            orders,
            fills,
            {row["currency"]: Decimal(row["available"]) for row in rows},
            {row["currency"]: Decimal(row["holds"]) for row in rows},
        )

    def listed(self, symbol: str) -> dict[str, Any]:
        """Give the terms of a symbol."""
        if self._listed is None:
            entries = self._call("/api/v2/symbols")
            self._listed = {entry["symbol"]: entry for entry in entries}
        return self._listed[symbol]

    def show(self, symbol: str, bid: str, ask: str, size: str) -> None:
        """Show a book of one level a side; another size than before refreshes what was taken."""
        for shown in (f"{size}.5", size):
            levels = {"bids": [[bid, shown]], "asks": [[ask, shown]]}
            self.operate("POST", "/books", {"symbol": symbol, **levels})

    def arm(self, faults: Sequence[Mapping[str, object]]) -> None:
        """Have these faults armed, and no others."""
        self.operate("DELETE", "/faults")
        for fault in faults:
            self.operate("POST", "/faults", fault)

    def cancel_all(self) -> None:
        """Take back every order of the account."""
        self._call("/api/v1/hf/orders/cancelAll", "DELETE")

    def operate(self, method: str, path: str, document: object = None) -> Any:
        """Call an endpoint of the operator's."""
        body = None if document is None else json.dumps(document).encode()
        request = urllib.request.Request(f"{self._rest}/admin{path}", body, method=method)
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:
            return json.load(answer)["data"]

    def _pages(self, path: str) -> Iterator[dict[str, Any]]:
        last = 0
        while True:
            page = self._call(f"{path}&limit={_PAGE}" + (f"&lastId={last}" if last else ""))
            yield from page["items"]
            last = page["lastId"]
            if not last:
                return

    def _call(self, path: str, method: str = "GET") -> Any:
        key, secret, passphrase = ACCOUNT
        now = str(time.time_ns() // 1_000_000)

        def signed(text: str) -> str:
            digest = hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest()
            return base64.b64encode(digest).decode()

        headers = {
            "KC-API-KEY": key,
            "KC-API-SIGN": signed(f"{now}{method}{path}"),
            "KC-API-TIMESTAMP": now,
            "KC-API-PASSPHRASE": signed(passphrase),
            "KC-API-KEY-VERSION": "2",
        }
        request = urllib.request.Request(self._rest + path, headers=headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:
                document = json.load(answer)
        except urllib.error.HTTPError as error:
            document = json.load(error)
        assert document["code"] == "200000", f"{path}: {document}"
        return document["data"]


def _order(document: Mapping[str, Any]) -> VenueOrder:
    return VenueOrder(
        client_id=document["clientOid"],
        order_id=document["id"],
        symbol=document["symbol"],
        side=document["side"],
        filled=Decimal(document["dealSize"]),
        funds=Decimal(document["dealFunds"]),
        fee=Decimal(document["fee"]),
        active=bool(document["active"]),
        created_ms=int(document["createdAt"]),
    )


def _fill(document: Mapping[str, Any]) -> VenueFill:
    symbol = document["symbol"]
    assert document["feeCurrency"] == symbol.partition("-")[2], "fees are taken in quote here"
    return VenueFill(
        order_id=document["orderId"],
        symbol=symbol,
        side=document["side"],
        size=Decimal(document["size"]),
        funds=Decimal(document["funds"]),
        fee=Decimal(document["fee"]),
    )
