"""Holding the engine's ledger of a day to the venue's own account of it, currency by currency.

Pure: what the state file and the venue say comes in as values (``account_days`` asks them).
Sums are exact; a difference is zero, or its line says what explains it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from arb_pipelines.execution.state.values import OrderStatus, StoredOrder
from arb_pipelines.market.graph import BUY
from arb_pipelines.venues.base import OwnFill

_ZERO = Decimal(0)
Changes = Mapping[str, Decimal]


class Verdict(StrEnum):
    """What a line of a reconciliation comes to."""

    MATCHED = "matched"
    FEE_DIFFERS = "fee_differs"  # the same executions, and another fee than was booked
    OTHERS = "others"  # an order that is not the engine's: a person's, another program's
    DEPOSIT = "deposit"  # a balance grew by what no execution brought
    AMOUNT_DIFFERS = "amount_differs"
    OURS_ONLY = "ours_only"
    THEIRS_ONLY = "theirs_only"  # it has the engine's mark, and the state does not know it
    WITHDRAWN = "withdrawn"  # a balance shrank by what no execution took

    @property
    def explained(self) -> bool:
        """Whether nobody needs to look."""
        return self in (Verdict.MATCHED, Verdict.FEE_DIFFERS, Verdict.OTHERS, Verdict.DEPOSIT)


@dataclass(frozen=True, slots=True)
class Line:
    """One currency of an order or a balance: what it changed by, to us and to the venue.

    ``item`` is the client id of an order (the venue's id where it has none), or the currency
    of a balance.
    """

    kind: str
    item: str
    symbol: str | None
    currency: str
    ours: Decimal
    theirs: Decimal
    verdict: Verdict
    why: str

    @property
    def difference(self) -> Decimal:
        """What the venue says beyond what we say."""
        return self.theirs - self.ours


@dataclass(frozen=True, slots=True)
class Moment:
    """What the account had free by currency at a time when nothing was in flight."""

    ts_ns: int
    free: Changes


def compare_orders(
    orders: Iterable[StoredOrder], fills: Iterable[OwnFill], engine_id: str
) -> list[Line]:
    """Match each order with the venue's executions of it, by client id, else by the venue's id.

    ``fills`` are all of theirs that may be of one of the orders, and those of nobody's.
    """
    by_id = _by_order(fills)
    lines: list[Line] = []
    for order in orders:
        of_client = by_id.pop(order.client_id, [])
        of_venue = by_id.pop(order.order_id, []) if order.order_id else []
        lines += _lines_of(order, [*of_client, *of_venue])
    for name, theirs in by_id.items():
        ours = theirs[0].client_id.startswith(engine_id)
        verdict = Verdict.THEIRS_ONLY if ours else Verdict.OTHERS
        why = (
            "it has this engine's mark, and its state does not know it"
            if ours
            else "no order of this engine: a person's, or another program's"
        )
        for currency, by in sorted(changes_of_fills(theirs).items()):
            lines.append(Line("order", name, theirs[0].symbol, currency, _ZERO, by, verdict, why))
    return lines


def compare_balances(before: Moment, after: Moment, executed: Changes) -> list[Line]:
    """Hold what each balance changed by to what all executions between did to it."""
    lines = []
    for currency in sorted({*before.free, *after.free, *executed}):
        theirs = after.free.get(currency, _ZERO) - before.free.get(currency, _ZERO)
        ours = executed.get(currency, _ZERO)
        if not theirs and not ours:
            continue
        verdict, why = Verdict.MATCHED, "what the executions did to it"
        if theirs > ours:
            verdict, why = Verdict.DEPOSIT, "no execution brought it: a deposit or a transfer in"
        elif theirs < ours:
            verdict = Verdict.WITHDRAWN
            why = "no execution took it: a withdrawal, a transfer out, or an order that holds it"
        lines.append(Line("balance", currency, None, currency, ours, theirs, verdict, why))
    return lines


def changes_of_fills(fills: Iterable[OwnFill]) -> dict[str, Decimal]:
    """What executions did to balances, as the venue tells it."""
    changes: defaultdict[str, Decimal] = defaultdict(Decimal)
    for fill in fills:
        base, _, quote = fill.symbol.partition("-")
        sign = 1 if fill.side == BUY else -1
        changes[base] += sign * fill.size
        changes[quote] -= sign * fill.funds
        changes[fill.fee_currency] -= fill.fee
    return dict(changes)


def summed(changes: Iterable[Changes]) -> dict[str, Decimal]:
    """Add changes up by currency."""
    total: defaultdict[str, Decimal] = defaultdict(Decimal)
    for each in changes:
        for currency, by in each.items():
            total[currency] += by
    return dict(total)


def _by_order(fills: Iterable[OwnFill]) -> dict[str, list[OwnFill]]:
    found: dict[str, list[OwnFill]] = {}
    for fill in fills:
        found.setdefault(fill.client_id or fill.order_id, []).append(fill)
    return found


def _lines_of(order: StoredOrder, fills: Sequence[OwnFill]) -> list[Line]:
    ours, theirs = order.changes, changes_of_fills(fills)
    verdict, why = _verdict(order, fills)
    return [
        Line(
            "order",
            order.client_id,
            order.symbol,
            currency,
            ours.get(currency, _ZERO),
            theirs.get(currency, _ZERO),
            verdict,
            why,
        )
        for currency in sorted({*ours, *theirs})
        if ours.get(currency) or theirs.get(currency)
    ]


def _moved(changes: Changes) -> dict[str, Decimal]:
    return {currency: by for currency, by in changes.items() if by}


def _verdict(order: StoredOrder, fills: Sequence[OwnFill]) -> tuple[Verdict, str]:
    size = sum((fill.size for fill in fills), _ZERO)
    funds = sum((fill.funds for fill in fills), _ZERO)
    if not fills and order.filled:
        return Verdict.OURS_ONLY, "the venue lists no execution of it"
    if order.filled == 0 and fills and order.status is not OrderStatus.DONE:
        return Verdict.THEIRS_ONLY, f"the state has it as {order.status}, with nothing filled"
    if (size, funds) != (order.filled, order.funds_filled):
        return Verdict.AMOUNT_DIFFERS, (
            f"booked {order.filled:f} for {order.funds_filled:f}, executed {size:f} for {funds:f}"
        )
    if _moved(changes_of_fills(fills)) != _moved(order.changes):
        took = summed({fill.fee_currency: fill.fee} for fill in fills)
        said = ", ".join(f"{by:f} {currency}" for currency, by in took.items())
        return Verdict.FEE_DIFFERS, (
            f"the venue took {said}; booked is {order.fee:f} {order.fee_currency}"
        )
    return Verdict.MATCHED, "the same to the last unit"
