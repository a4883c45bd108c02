"""The engine's state file held to the exchange's own records: pure, and to the last unit."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from tests.torture.state_file import Kept
from tests.torture.venue import VenueOrder, VenueRecords

#: What can be wrong.
KINDS = ("lost", "twice", "unexplained")
_ZERO = Decimal(0)


@dataclass(slots=True)
class Findings:
    """What is wrong, a line each: what got lost, what happened twice, what nothing explains."""

    lost: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    unexplained: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.lost or self.twice or self.unexplained)

    def lines(self) -> list[str]:
        """Give all of them, named by their kind."""
        return [f"{kind}: {line}" for kind in KINDS for line in getattr(self, kind)]


def check_intents(venue: VenueRecords, kept: Kept, found: Findings) -> None:
    """See that each order at the venue was written down: asked while the engine is dead."""
    written = {*kept.logged, *(order.client_id for order in kept.orders)}
    found.lost += [
        f"order {order.client_id} reached the venue, and its intent was not on the disk"
        for order in venue.orders
        if order.client_id not in written
    ]


def audit(venue: VenueRecords, kept: Kept, before: Mapping[str, Decimal], found: Findings) -> None:
    """Hold the state file to the venue once every cycle is said to have ended.

    ``before`` is what the account had, free, when the state file was made; nothing was on hold.
    """
    found.lost += [f"cycle {cycle} has not ended" for cycle in kept.open]
    _check_orders(venue, kept, found)
    _check_plans(venue, kept, found)
    _check_balances(venue, kept, before, found)


def _check_orders(venue: VenueRecords, kept: Kept, found: Findings) -> None:
    """Each order of the venue's once, and known to the engine with all that it filled."""
    by_client: defaultdict[str, list[VenueOrder]] = defaultdict(list)
    for order in venue.orders:
        by_client[order.client_id].append(order)
    written = {order.client_id: order for order in kept.orders}
    for client_id, same in by_client.items():
        if len(same) > 1:
            found.twice.append(f"order {client_id} is {len(same)} times at the venue")
        if client_id not in written and any(order.filled for order in same):
            found.lost.append(f"order {client_id} filled at the venue, and the engine has none")
    fills: defaultdict[str, list[Decimal]] = defaultdict(lambda: [_ZERO] * 3)
    names = {order.order_id: order.client_id for order in venue.orders}
    for fill in venue.fills:
        sums = fills[names.get(fill.order_id, f"of venue's id {fill.order_id}")]
        for k, amount in enumerate((fill.size, fill.funds, fill.fee)):
            sums[k] += amount
    for client_id in {*fills, *written}:
        ours = written.get(client_id)
        booked = [_ZERO] * 3 if ours is None else [ours.filled, ours.funds, ours.fee]
        if booked != fills[client_id]:
            found.lost.append(
                f"order {client_id}: size, funds and fee are {_said(fills[client_id])} at the "
                f"venue, {_said(booked)} in the state file"
            )
    for order in venue.orders:
        if order.active:
            found.unexplained.append(f"order {order.client_id} is still open at the venue")


def _check_plans(venue: VenueRecords, kept: Kept, found: Findings) -> None:
    """No cycle gave more than it had: what two orders of one leg would make it do.

    Of its start currency that is what it began with, whatever came back; of any other what it
    got. Told from the venue's fills alone, each counted for the cycle its client id names.

    Legs that leave together are lent what they give, and what one of them does not get is bought
    back: for their cycles two orders of one leg are looked for as such, among those that the
    state file has not down as bringing something home.
    """
    _check_legs_sent_together(venue, kept, found)
    cycles = {cycle.id: cycle for cycle in kept.cycles}
    names = {order.order_id: order.client_id.rpartition("-")[0] for order in venue.orders}
    had: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
    gave: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for fill in venue.fills:
        name = names.get(fill.order_id, "")
        for currency, by in fill.changes().items():
            if by < 0:
                gave[name, currency] -= by
            elif name in cycles and currency != cycles[name].start:
                had[name, currency] += by
    for cycle in kept.cycles:
        had[cycle.id, cycle.start] = cycle.initial
    for (name, currency), amount in gave.items():
        most = had[name, currency]
        if name in cycles and not cycles[name].together and amount > most:
            found.twice.append(f"cycle {name} gave {amount:f} {currency} of the {most:f} it had")


def _check_legs_sent_together(venue: VenueRecords, kept: Kept, found: Findings) -> None:
    """Each leg that left with the others is traded by one order, and what brings home by others."""
    home = {order.client_id for order in kept.orders if order.leg is None}
    together = {cycle.id for cycle in kept.cycles if cycle.together}
    legs = Counter(
        (order.client_id.rpartition("-")[0], f"{order.symbol} {order.side}")
        for order in venue.orders
        if order.filled and order.client_id not in home
    )
    for (cycle, leg), count in legs.items():
        if count > 1 and cycle in together:
            found.twice.append(f"{count} orders of cycle {cycle} traded its leg {leg}")


def _check_balances(
    venue: VenueRecords, kept: Kept, before: Mapping[str, Decimal], found: Findings
) -> None:
    """What the account had and what all cycles changed is what it has."""
    ours = defaultdict(Decimal, before)
    for cycle in kept.cycles:
        for currency, by in cycle.changes.items():
            ours[currency] += by
    for currency in sorted({*ours, *venue.free}):
        theirs = venue.free.get(currency, _ZERO)
        if theirs != ours[currency]:
            found.unexplained.append(
                f"the account has {theirs:f} {currency}, and should have {ours[currency]:f}"
            )
    found.unexplained += [
        f"{amount:f} {currency} is on hold" for currency, amount in venue.hold.items() if amount
    ]


def _said(amounts: Iterable[Decimal]) -> str:
    return " / ".join(f"{amount:f}" for amount in amounts)
