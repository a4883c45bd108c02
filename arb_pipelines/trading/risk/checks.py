"""The checks that refuse one signal: each a bound, a name, and a reason when it is passed.

A check knows nothing of where its view comes from. The one that refuses first names the
refusal, so their order is part of the meaning: cheap ones first, then size, then the books.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Protocol

from numba import njit

from arb_pipelines.market.graph import BUY
from arb_pipelines.trading.risk.parameters import Exposure, RiskRules
from arb_pipelines.trading.risk.view import RiskView
from arb_pipelines.trading.terms import Floats

_BPS = 10_000.0


class Check(Protocol):
    """One bound on what may begin."""

    name: ClassVar[str]

    def review(self, view: RiskView) -> str | None:
        """Say why the cycle may not begin, in words; ``None`` if it may."""
        ...


@dataclass(frozen=True, slots=True)
class OpenCycles:
    """Most cycles of the strategy in flight."""

    name: ClassVar[str] = "open_cycles"
    most: int

    def review(self, view: RiskView) -> str | None:
        """Refuse when as many are in flight as may be."""
        if view.open_cycles < self.most:
            return None
        return f"{view.open_cycles} cycles are in flight, of at most {self.most}"


@dataclass(frozen=True, slots=True)
class OrderRate:
    """Most orders of the strategy in any minute."""

    name: ClassVar[str] = "order_rate"
    most: int

    def review(self, view: RiskView) -> str | None:
        """Refuse when the cycle's legs would be too many; orders that unwind count, too."""
        if view.orders + len(view.legs) <= self.most:
            return None
        return (
            f"{view.orders} orders in the last minute and {len(view.legs)} legs, of at most "
            f"{self.most}"
        )


@dataclass(frozen=True, slots=True)
class CycleSize:
    """Most that one cycle commits."""

    name: ClassVar[str] = "cycle_size"
    most: Mapping[str, float]

    def review(self, view: RiskView) -> str | None:
        """Refuse a plan that commits more."""
        most = self.most.get(view.start, math.inf)
        if view.asked <= most:
            return None
        return f"asks for {view.asked:.8g} {view.start}, of at most {most:g} a cycle"


@dataclass(frozen=True, slots=True)
class InFlight:
    """Most that the strategy's cycles commit together."""

    name: ClassVar[str] = "in_flight"
    most: Mapping[str, float]

    def review(self, view: RiskView) -> str | None:
        """Refuse when it would be more with this one."""
        return _too_much(view.in_flight, view, self.most.get(view.start), "in flight")


@dataclass(frozen=True, slots=True)
class VenueExposure:
    """Most that all strategies have in flight at the venue."""

    name: ClassVar[str] = "exposure_venue"
    by_currency: Mapping[str, Exposure]

    def review(self, view: RiskView) -> str | None:
        """Refuse when it would be more with this one."""
        bounds = self.by_currency.get(view.start)
        return None if bounds is None else _too_much(view.at_venue, view, bounds.venue, "at venue")


@dataclass(frozen=True, slots=True)
class SymbolExposure:
    """Most that all strategies have in flight in cycles over one symbol."""

    name: ClassVar[str] = "exposure_symbol"
    by_currency: Mapping[str, Exposure]

    def review(self, view: RiskView) -> str | None:
        """Refuse when it would be more with this one, on any of its symbols."""
        bounds = self.by_currency.get(view.start)
        if bounds is None:
            return None
        for leg in view.legs:
            most = bounds.symbols.get(leg.symbol, bounds.each_symbol)
            there = view.by_symbol.get(leg.symbol, 0.0)
            reason = _too_much(there, view, most, f"on {leg.symbol}")
            if reason is not None:
                return reason
        return None


@dataclass(frozen=True, slots=True)
class Capital:
    """What is to stay free beside what is set aside and in flight."""

    name: ClassVar[str] = "capital"
    keep: Mapping[str, float]

    def review(self, view: RiskView) -> str | None:
        """Refuse when less would be left."""
        keep = self.keep.get(view.start)
        if keep is None or view.free - view.asked >= keep:
            return None
        return (
            f"asks for {view.asked:.8g} of {view.free:.8g} {view.start} free, "
            f"{keep:g} of which stay"
        )


@dataclass(frozen=True, slots=True)
class StaleBook:
    """Oldest book that a leg is decided by."""

    name: ClassVar[str] = "stale_book"
    most_ms: float

    def review(self, view: RiskView) -> str | None:
        """Refuse when a leg's book is older now, however long the signal waited."""
        for leg in view.legs:
            if leg.age_ms > self.most_ms:
                return (
                    f"{leg.symbol}'s book is {leg.age_ms:.4g} ms old, of at most {self.most_ms:g}"
                )
        return None


@dataclass(frozen=True, slots=True)
class Slippage:
    """Most that a plan gives up against the best prices."""

    name: ClassVar[str] = "slippage"
    most_bps: float

    def review(self, view: RiskView) -> str | None:
        """Refuse a plan whose walk through the levels gives up more, all legs together."""
        if view.slippage_bps <= self.most_bps:
            return None
        return f"the plan gives up {view.slippage_bps:.4g} bps, of at most {self.most_bps:g}"


@dataclass(frozen=True, slots=True)
class Liquidity:
    """Least value near the best price of each leg."""

    name: ClassVar[str] = "liquidity"
    within_bps: float
    least: Mapping[str, float]

    def review(self, view: RiskView) -> str | None:
        """Refuse when the side that a leg takes shows less; levels we emptied are not there."""
        least = self.least.get(view.start)
        if least is None:
            return None
        for leg in view.legs:
            given = given_within(leg.px, leg.left, leg.side, leg.best_px, self.within_bps / _BPS)
            value = given * leg.value
            if value < least:
                return (
                    f"{leg.symbol} shows {value:.6g} {view.start} within {self.within_bps:g} bps, "
                    f"of at least {least:g}"
                )
        return None


@dataclass(frozen=True, slots=True)
class PriceInBand:
    """How far a leg's best price may be from what the symbol has been worth."""

    name: ClassVar[str] = "price_band"
    most_bps: float

    def review(self, view: RiskView) -> str | None:
        """Refuse when a leg's price is further off, or nothing is known to hold it to."""
        for leg in view.legs:
            off_bps = abs(leg.best_px / leg.reference_px - 1.0) * _BPS
            if not off_bps <= self.most_bps:  # NaN: no reference
                if math.isnan(off_bps):
                    return f"{leg.symbol} is not watched for long enough to know its price"
                return (
                    f"{leg.symbol} at {leg.best_px:.8g} is {off_bps:.4g} bps from "
                    f"{leg.reference_px:.8g}, of at most {self.most_bps:g}"
                )
        return None


def checks_of(rules: RiskRules) -> tuple[Check, ...]:
    """Give the checks that are set, in the order in which they are asked."""
    found: list[Check] = []
    if rules.max_open_cycles is not None:
        found.append(OpenCycles(rules.max_open_cycles))
    if rules.max_orders_per_minute is not None:
        found.append(OrderRate(rules.max_orders_per_minute))
    if rules.max_book_age_ms is not None:
        found.append(StaleBook(rules.max_book_age_ms))
    if rules.max_cycle:
        found.append(CycleSize(rules.max_cycle))
    if rules.max_in_flight:
        found.append(InFlight(rules.max_in_flight))
    if rules.exposure:
        found += [VenueExposure(rules.exposure), SymbolExposure(rules.exposure)]
    if rules.keep_free:
        found.append(Capital(rules.keep_free))
    if rules.max_slippage_bps is not None:
        found.append(Slippage(rules.max_slippage_bps))
    if rules.price_band is not None:
        found.append(PriceInBand(rules.price_band.bps))
    if rules.min_liquidity is not None:
        found.append(Liquidity(rules.min_liquidity.within_bps, rules.min_liquidity.value))
    return tuple(found)


@njit(cache=True)
def given_within(px: Floats, left: Floats, side: int, best: float, share: float) -> float:
    """What a side would take of the currency an order gives, up to ``share`` from the best price.

    That is quote for a buy, base for a sell.
    """
    total = 0.0
    for i in range(px.shape[0]):
        price = px[i]
        if not price > 0.0:
            break
        if side == BUY:
            if price > best * (1.0 + share):
                break
            total += price * left[i]
        else:
            if price < best * (1.0 - share):
                break
            total += left[i]
    return total


def _too_much(there: float, view: RiskView, most: float | None, where: str) -> str | None:
    if most is None or there + view.asked <= most:
        return None
    return f"{there:.8g} {view.start} {where} and {view.asked:.8g} more, of at most {most:g}"
