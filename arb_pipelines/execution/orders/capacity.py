"""Capital for legs that rest: those of all strategies on one account compete for it.

One work-stealing allocator a currency decides (``allocation``, docs/allocation.md): an order
nearest to its limit gets what is free, or takes it from the one that is furthest. It is asked
here, told what became of each order, and kept at what the account has. Only first legs
compete: later ones spend what their own cycle brought.

The allocator counts in whole cents; here a cent is a hundred-millionth of the currency.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

import structlog

from arb_pipelines.allocation.allocator import Allocator
from arb_pipelines.allocation.audit import Audit, AuditRow
from arb_pipelines.allocation.decisions import Block, Decision, Enter, Steal
from arb_pipelines.allocation.orders import MarketKind, RestingOrder
from arb_pipelines.allocation.parameters import AllocationSettings
from arb_pipelines.market.graph import BUY
from arb_pipelines.trading.events import Book, Order

_CENTS = Decimal(100_000_000)
#: How often it is decided again while an order waits.
_EVERY_S = 0.1
#: Where neither the venue nor a strategy says how much there is: the venue refuses what is not.
_UNBOUNDED = 10**30

_log = structlog.get_logger()


class _AlwaysOpen:
    """Hours of a market that never closes."""

    def is_open(self, ts_ns: int) -> bool:
        """It is."""
        return True


@dataclass(frozen=True, slots=True)
class CapitalDecided:
    """A decision about an order's claim; its ``kind`` is an event of ``allocation_events``.

    ``amount`` and ``freed`` are in ``currency``: what it binds or needs, and what its ``victim``
    frees. Distances are in percent of the limit.
    """

    kind: str
    why: str
    client_id: str
    symbol: str
    currency: str
    distance_pct: float | None
    amount: Decimal | None
    victim: str | None
    victim_distance_pct: float | None
    freed: Decimal | None


@dataclass(slots=True, eq=False)
class Claim:
    """A desk's order's claim to ``amount`` of a currency, while it rests.

    ``book`` gives the newest book, ``stolen`` is called when it is to be taken back for another,
    ``tell`` with every decision about it. ``blocked`` names what it waits for.
    """

    order: Order
    currency: str
    amount: Decimal
    limit_px: Decimal
    book: Callable[[], Book]
    stolen: Callable[[str], object]
    tell: Callable[[CapitalDecided], object]
    blocked: str = "capacity"
    entered: bool = False
    _decided: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def order_id(self) -> str:
        """The client id of the desk's order."""
        return self.order.client_id

    @property
    def price(self) -> float:
        """The price that has to come to its limit; not above 0 where there is none."""
        book = self.book()
        px = book.ask_px if self.order.side == BUY else book.bid_px
        return float(px[0]) if len(px) else 0.0

    def enter(self) -> None:
        """Let it rest."""
        self.entered = True
        self._decided.set()

    def withdraw(self) -> None:
        """Wait no longer."""
        self._decided.set()

    async def decided(self, within_s: float) -> bool:
        """Wait until it may rest, or is to wait no longer; whether it may."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._decided.wait()
        return self.entered


@dataclass(slots=True, eq=False)
class _Pool:
    """The capital of one currency; ``most`` bounds what may rest of it, where somebody says so."""

    allocator: Allocator
    audit: Audit
    most: Decimal | None = None
    claims: dict[str, Claim] = field(default_factory=dict)


class RestingCapital:
    """Who of an account's strategies may rest orders; ``free`` is what the account has free.

    ``run`` decides again while somebody waits. All calls come from one loop.
    """

    def __init__(
        self,
        free: Callable[[str], Decimal | None],
        wall_ns: Callable[[], int],
        settings: AllocationSettings | None = None,
    ) -> None:
        self._free, self._wall_ns = free, wall_ns
        self._settings = AllocationSettings() if settings is None else settings
        self._pools: dict[str, _Pool] = {}
        self._waiting = asyncio.Event()

    def bound(self, currency: str, most: Decimal) -> None:
        """Let no more of a currency rest than this; the least that a strategy says counts."""
        pool = self._pool(currency)
        pool.most = most if pool.most is None else min(pool.most, most)

    async def enter(self, claim: Claim, within_s: float) -> bool:
        """Wait until an order may rest, for so long at most; whether it may.

        Who may not has left again.
        """
        pool = self._pool(claim.currency)
        pool.claims[claim.order_id] = claim
        pool.allocator.submit(
            RestingOrder(
                claim.order_id,
                claim.order.strategy,
                claim.order.symbol,
                MarketKind.CRYPTO,
                claim.order.side,
                float(claim.limit_px),
                _cents(claim.amount, up=True),
            )
        )
        self._decide(pool)
        self._waiting.set()
        try:
            return await claim.decided(within_s)
        finally:
            if not claim.entered:
                self.leave(claim)

    def stands(self, claim: Claim, limit_px: Decimal) -> None:
        """Note that an order stands at another price now."""
        self._pool(claim.currency).allocator.reprice(claim.order_id, float(limit_px))

    def spent(self, claim: Claim, amount: Decimal) -> None:
        """Note what a fill of an order spent, fee included."""
        pool = self._pool(claim.currency)
        held = pool.allocator.held_cents(claim.order_id)
        cents = min(_cents(amount, up=True), held)
        if cents:
            now = self._wall_ns()
            self._act(pool, pool.allocator.on_fill(now, claim.order_id, cents, final=False))
            pool.allocator.cash.settle(cents, 0)  # it is the account's no more

    def leave(self, claim: Claim, *, filled: bool = False) -> None:
        """Note that nothing more of an order will fill: whoever waits for its capital enters.

        ``filled`` tells whether it was worth its place.
        """
        pool, now = self._pool(claim.currency), self._wall_ns()
        if filled:
            self._act(pool, pool.allocator.on_fill(now, claim.order_id, 0, final=True))
        self._act(pool, pool.allocator.on_cancelled(now, claim.order_id))
        self._act(pool, pool.allocator.cancel(now, claim.order_id))
        pool.claims.pop(claim.order_id, None)
        self._decide(pool)

    async def run(self) -> None:
        """Decide by the prices of now while orders wait, until cancelled."""
        while True:
            self._waiting.clear()
            if not any(pool.claims for pool in self._pools.values()):
                await self._waiting.wait()
            for pool in self._pools.values():
                self._decide(pool)
            await asyncio.sleep(_EVERY_S)

    def _pool(self, currency: str) -> _Pool:
        if currency not in self._pools:
            allocator = Allocator(self._settings, 0, _AlwaysOpen())
            self._pools[currency] = _Pool(allocator, Audit(self._settings))
        return self._pools[currency]

    def _decide(self, pool: _Pool) -> None:
        waits = [claim for claim in pool.claims.values() if not claim.entered]
        if not waits:
            return
        self._count(pool, waits[0].currency)
        prices = {claim.order.symbol: claim.price for claim in pool.claims.values()}
        self._act(pool, pool.allocator.tick(self._wall_ns(), prices))

    def _count(self, pool: _Pool, currency: str) -> None:
        """Bring the capital to what the account has, as far as nobody holds it."""
        cash, free = pool.allocator.cash, self._free(currency)
        there = None if free is None else _cents(free, up=False) + cash.reserved
        most = None if pool.most is None else _cents(pool.most, up=False)
        total = min((cents for cents in (there, most) if cents is not None), default=_UNBOUNDED)
        if total > cash.total:
            cash.deposit(total - cash.total)
        else:
            cash.withdraw(min(cash.total - total, cash.free))

    def _act(self, pool: _Pool, decisions: Iterable[Decision]) -> None:
        """Do what was decided, and tell it to those it is about."""
        decisions = tuple(decisions)
        pool.audit.record(decisions)
        rows = tuple(pool.audit.rows)
        pool.audit.rows.clear()
        for row in rows:
            if row.order is None:  # two symbols fight, or steals mostly come to nothing
                _log.warning(f"capital.{row.event}", why=row.why)
            for order in (row.order, row.victim):
                claim = None if order is None else pool.claims.get(order.order_id)
                if claim is not None:
                    claim.tell(_told(row, claim.currency))
        for decision in decisions:
            match decision:
                case Enter(order=order):
                    pool.claims[order.order_id].enter()
                case Steal(thief=thief, victims=victims):
                    for loss in victims:
                        claim = pool.claims[loss.order.order_id]
                        claim.stolen(f"its capital went to {thief.order_id}, nearer to its limit")
                case Block(order=order, reason=reason):
                    pool.claims[order.order_id].blocked = reason
                case _:
                    pass  # only to be known


def _told(row: AuditRow, currency: str) -> CapitalDecided:
    """Say a line of the allocator's account in the words of a session."""
    assert row.order is not None, "what is of no order is told to nobody"
    return CapitalDecided(
        kind=row.event,
        why=row.why,
        client_id=row.order.order_id,
        symbol=row.order.symbol,
        currency=currency,
        distance_pct=row.distance_pct,
        amount=None if row.cents is None else row.cents / _CENTS,
        victim=None if row.victim is None else row.victim.order_id,
        victim_distance_pct=row.victim_distance_pct,
        freed=None if row.freed_cents is None else row.freed_cents / _CENTS,
    )


def _cents(amount: Decimal, *, up: bool) -> int:
    """Count an amount in whole hundred-millionths, rounded."""
    return int((amount * _CENTS).to_integral_value(ROUND_CEILING if up else ROUND_FLOOR))
