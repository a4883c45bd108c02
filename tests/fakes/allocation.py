"""A naive allocator to compare with: it remembers all that happened and looks it up each time."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from arb_pipelines.allocation.hours import Hours
from arb_pipelines.allocation.orders import MarketKind, RestingOrder
from arb_pipelines.allocation.parameters import AllocationSettings


@dataclass(frozen=True)
class EveryOther:
    """Hours of a market that is open in every other stretch of ``length_ns``."""

    length_ns: int

    def is_open(self, ts_ns: int) -> bool:
        """Whether the stretch of ``ts_ns`` is an even one."""
        return ts_ns // self.length_ns % 2 == 0


@dataclass
class Seen:
    """What the oracle knows of an open order."""

    order: RestingOrder
    needs: int
    state: str = "waiting"
    held: int = 0
    moved: int = -1
    entered: int = 0
    stole: bool = False
    leaves: bool = False
    thief: str = ""
    told: str = ""


class Oracle:
    """Answers each call with the allocator's decisions as plain tuples, from first principles."""

    def __init__(self, settings: AllocationSettings, cents: int, hours: Hours) -> None:
        self.settings, self.hours = settings, hours
        self.total, self.spent = cents, 0
        self.open: list[Seen] = []
        self.prices: dict[str, float] = {}
        self.steals: list[tuple[int, str, str]] = []  # time, thief's symbol, victim's symbol
        self.fights: list[tuple[int, set[str], int]] = []  # time, symbols, steals until then

    @property
    def free(self) -> int:
        """Cents that nothing binds."""
        return self.total - self.spent - sum(seen.held for seen in self.open)

    def find(self, order_id: str) -> Seen:
        """The open order of this id."""
        return next(seen for seen in self.open if seen.order.order_id == order_id)

    def away(self, seen: Seen) -> float:
        """Percent from price to limit."""
        price, limit = self.prices.get(seen.order.symbol, 0.0), seen.order.limit_px
        if not price > 0:
            return math.inf
        if seen.order.side == 0:
            return (price - limit) / limit * 100.0 if price > limit else 0.0
        return (limit - price) / limit * 100.0 if price < limit else 0.0

    def ranked(self, *states: str) -> list[Seen]:
        """Open orders in these states, nearest first; ``open`` is in order of submission."""
        return sorted((s for s in self.open if s.state in states), key=self.away)

    # --- calls

    def submit(self, order: RestingOrder) -> None:
        """A new order."""
        self.open.append(Seen(order, order.capacity_cents))

    def cancel(self, now: int, order_id: str) -> list[Any]:
        """The strategy's wish."""
        seen = self.find(order_id)
        if seen.state in ("waiting", "funding"):
            return self._gone(now, seen, "cancelled")
        asked, seen.state, seen.leaves = seen.state == "entered", "cancelling", True
        return [("cancel", order_id)] if asked else []

    def on_fill(self, now: int, order_id: str, cents: int, final: bool) -> list[Any]:
        """The venue's fill."""
        seen = self.find(order_id)
        self.spent += cents
        seen.held -= cents
        seen.needs -= cents
        return self._gone(now, seen, "filled") if final else []

    def on_cancelled(self, now: int, order_id: str) -> list[Any]:
        """The venue's acknowledgement."""
        seen = self.find(order_id)
        if seen.state == "entered" or seen.leaves:
            return self._gone(now, seen, "cancelled")
        told = self._outcome(seen, "stolen")
        thief, seen.thief = seen.thief, ""
        seen.state, seen.held, seen.moved = "waiting", 0, now
        return told + self._serve(now, thief)

    def tick(self, now: int, prices: Mapping[str, float]) -> list[Any]:
        """New prices."""
        self.prices |= prices
        told: list[Any] = []
        everyone = self.ranked("waiting", "funding", "entered", "cancelling")
        crypto = [s for s in everyone if s.order.market is MarketKind.CRYPTO]
        priced = [s.order.order_id for s in crypto if self.away(s) < math.inf]
        force = (
            set() if self.hours.is_open(now) else set(priced[: self.settings.force_immediate_count])
        )
        for seen in self.ranked("waiting"):
            if seen.moved == now:
                continue
            forced = seen.order.order_id in force
            answer = self._judge(now, seen, forced)
            if isinstance(answer, list):
                told += answer
                seen.told = ""
            elif answer != seen.told:
                seen.told = answer
                told.append(("block", seen.order.order_id, answer))
        return told

    # --- rules

    def _judge(self, now: int, seen: Seen, forced: bool) -> list[Any] | str:
        rule, away, is_open = self.settings, self.away(seen), self.hours.is_open(now)
        if away == math.inf:
            return "no_price"
        if seen.order.market is MarketKind.STOCK and not is_open:
            return "market_closed"
        widest = rule.normal_tolerance_pct if is_open else rule.out_of_hours_tolerance_pct
        if away > widest and not forced:
            return "tolerance"
        if seen.needs <= self.free:
            return [self._in(now, seen, away > widest)]
        if away > rule.entry_tolerance_pct:
            return "entry_tolerance"
        if self._cools(now, seen.order.symbol):
            return "cool_down"
        return self._rob(now, seen, away)

    def _rob(self, now: int, seen: Seen, away: float) -> list[Any] | str:
        left = [s for s in self.open if s.state == "entered" and s.held > 0]
        left = [s for s in left if away < self.away(s) < math.inf]
        chosen: list[Seen] = []
        spared = ""
        while left and sum(s.held for s in chosen) + self.free < seen.needs:
            farthest = max(self.away(s) for s in left)
            victim = [s for s in left if self.away(s) == farthest][-1]
            left.remove(victim)
            if why := self._spares(now, seen, victim):
                spared = spared or why
            else:
                chosen.append(victim)
        if sum(s.held for s in chosen) + self.free < seen.needs:
            return spared or "capacity"
        told: list[Any] = [
            ("steal", seen.order.order_id, [(s.order.order_id, s.held) for s in chosen])
        ]
        seen.held, seen.state, seen.moved, seen.stole = self.free, "funding", now, True
        for victim in chosen:
            victim.state, victim.moved, victim.thief = "cancelling", now, seen.order.order_id
            self.steals.append((now, seen.order.symbol, victim.order.symbol))
            if (
                self._turns({seen.order.symbol, victim.order.symbol})
                >= self.settings.fight_threshold
            ):
                pair = {seen.order.symbol, victim.order.symbol}
                self.fights.append((now, pair, len(self.steals)))
                told.append(("fight", tuple(sorted(pair))))
        return told

    def _spares(self, now: int, thief: Seen, victim: Seen) -> str:
        rule = self.settings
        if rule.protection == "distance" and self.away(victim) <= rule.protection_pct:
            return "protected"
        if rule.protection == "time" and now < victim.entered + round(rule.protection_s * 1e9):
            return "protected"
        if victim.moved == now or self._cools(now, victim.order.symbol):
            return "cool_down"
        pair, rest = {thief.order.symbol, victim.order.symbol}, round(rule.fight_cool_down_s * 1e9)
        if any(pair == symbols and now < ts + rest for ts, symbols, _ in self.fights):
            return "fight"
        return ""

    def _cools(self, now: int, symbol: str) -> bool:
        rest = round(self.settings.cool_down_s * 1e9)
        return any(symbol in steal[1:] and now < steal[0] + rest for steal in self.steals)

    def _turns(self, pair: set[str]) -> int:
        """Length of the pair's last run of steals that went in turn, since its last fight."""
        begin = max((steals for _, symbols, steals in self.fights if symbols == pair), default=0)
        thieves = [thief for _, thief, victim in self.steals[begin:] if {thief, victim} == pair]
        run = 1
        while run < len(thieves) and thieves[-run] != thieves[-run - 1]:
            run += 1
        return run

    # --- consequences

    def _in(self, now: int, seen: Seen, forced: bool) -> Any:
        seen.held, seen.state, seen.moved, seen.entered = seen.needs, "entered", now, now
        return ("enter", seen.order.order_id, seen.needs, forced)

    def _outcome(self, seen: Seen, outcome: str) -> list[Any]:
        stole, seen.stole = seen.stole, False
        return [("resolved", seen.order.order_id, outcome)] if stole else []

    def _gone(self, now: int, seen: Seen, outcome: str) -> list[Any]:
        self.open.remove(seen)
        for other in self.open:
            if other.thief == seen.order.order_id:
                other.thief = ""
        return self._outcome(seen, outcome) + self._serve(now, seen.thief)

    def _serve(self, now: int, thief: str) -> list[Any]:
        if not thief:
            return []
        seen = self.find(thief)
        seen.held += min(self.free, seen.needs - seen.held)
        if any(other.thief == thief for other in self.open):
            return []
        if seen.held == seen.needs:
            return [self._in(now, seen, False)]
        seen.held, seen.state = 0, "waiting"
        return self._outcome(seen, "short")
