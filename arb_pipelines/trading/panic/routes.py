"""Which way a holding goes: direct, over a major currency, or by the best net rate.

A decision needs books; which ones follows from what is known, so it is asked for in turns:
``choose`` answers with a route, with what it needs to know first, or with why nothing is sold.
Who fetches and who sends is none of its business.

The order is: the whole holding by one order, to the first base currency that takes it; by two
orders over a major currency; by as many as allowed, at the best net rate of all ways there are;
and if no way takes the whole, the way that takes most of it now. A way never passes a base
currency: there it has arrived.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from arb_pipelines.trading.panic.carrying import Carried, Obstacle, fraction, sell_through
from arb_pipelines.trading.panic.dust import is_dust
from arb_pipelines.trading.panic.network import Route, Step
from arb_pipelines.trading.panic.search import Label, best_first, by_best_prices
from arb_pipelines.trading.panic.sight import Holding, Sight
from arb_pipelines.trading.panic_rules import PanicRules

#: Books asked for on behalf of one decision; then it is made with those that are known.
MOST_BOOKS = 48
#: Two-hop routes to one target that are looked into, the best prices first.
_MOST_TWO_HOPS = 8
#: Longer routes whose books are asked for at once.
_AT_ONCE = 3


@dataclass(frozen=True, slots=True)
class Chosen:
    """The way to go, and what it comes to as the books stand; only its first order is sent."""

    route: Route
    carried: Carried


@dataclass(frozen=True, slots=True)
class Needs:
    """What has to be known first: the books of ``symbols``, or the best prices of all."""

    symbols: tuple[str, ...] = ()
    tops: bool = False


@dataclass(frozen=True, slots=True)
class Unsold:
    """Why nothing is sold; ``dust`` is below every minimum, and will be tomorrow."""

    dust: bool
    reason: str


def targets_of(rules: PanicRules, start: str) -> tuple[tuple[str, ...], ...]:
    """Say where a holding goes: base currencies by preference, and what is the last resort.

    A start currency among the base currencies comes first: the cycle is home there. One that
    is not is where the holding goes if no base currency can be had.
    """
    bases = rules.base_currencies
    if start in bases:
        return ((start, *(name for name in bases if name != start)),)
    return bases, (start,)


def choose(sight: Sight, holding: Holding) -> Chosen | Needs | Unsold:
    """Decide where the holding goes next."""
    never = {*sight.rules.base_currencies, holding.start, *holding.left}
    for targets in targets_of(sight.rules, holding.start):
        found = _choose(sight, holding, targets, never)
        if found is not None:
            return found
    if sight.tops is None:  # there is no direct way; what is dust is told by prices
        return Needs(tops=True)
    if is_dust(sight, holding):
        return Unsold(True, f"{holding.amount:f} {holding.currency} is {Obstacle.TOO_SMALL}")
    bound = f"{sight.rules.max_slippage_bps:g} bps"
    return Unsold(False, f"no way takes {holding.amount:f} {holding.currency} within {bound}")


def _choose(
    sight: Sight, holding: Holding, targets: Sequence[str], never: Collection[str]
) -> Chosen | Needs | None:
    direct = [_open(sight, sight.network.direct(holding.currency, target)) for target in targets]
    if lacking := sight.lacking(route for routes in direct for route in routes):
        return Needs(lacking)
    for routes in direct:
        if whole := _best(sight, holding, routes):
            return whole
    if sight.rules.max_hops == 1:
        return _most(sight, holding, [route for routes in direct for route in routes])
    if sight.tops is None:
        return Needs(tops=True)
    tried = [route for routes in direct for route in routes]
    for target in targets:
        routes = _over_majors(sight, holding, target, never)
        if lacking := sight.lacking(routes):
            return Needs(lacking)
        if whole := _best(sight, holding, routes):
            return whole
        tried += routes
    for target in targets:
        found = _by_net_rate(sight, holding, target, never)
        if found is not None:
            return found
    for target in targets:
        tried += _likely(sight, holding, target, never)
    if len(sight.books) < MOST_BOOKS and (lacking := sight.lacking(tried)):
        return Needs(lacking)
    return _most(sight, holding, [route for route in tried if not sight.lacking([route])])


def _open(sight: Sight, routes: Iterator[Route]) -> list[Route]:
    return [r for r in routes if not any(step.symbol in sight.closed for step in r)]


def _over_majors(
    sight: Sight, holding: Holding, target: str, never: Collection[str]
) -> list[Route]:
    """List the two-hop routes that somebody makes prices for, the best prices first."""
    network, rates = sight.network, sight.rates()
    majors = {*sight.rules.major_currencies, *network.quotes} - {*never, holding.currency}
    routes = list(network.two_hops(holding.currency, target, majors))

    def rate(route: Route) -> float:
        return float(rates[route[0].number] * rates[route[1].number])

    return sorted((r for r in routes if rate(r) > 0.0), key=rate, reverse=True)[:_MOST_TWO_HOPS]


def _by_net_rate(
    sight: Sight, holding: Holding, target: str, never: Collection[str]
) -> Chosen | Needs | None:
    """Find the route that brings the most of all, for the whole holding."""
    rates, bound = sight.rates(), 1 - fraction(sight.rules.max_slippage_bps)
    more, by_price = len(sight.books) < MOST_BOOKS, by_best_prices(rates)

    def extend(label: Label, step: Step) -> Label | None:
        if step.symbol not in sight.books and not more:
            return None
        if step.symbol not in sight.books or not label.exact:
            return by_price(label, step)
        hop = sight.hop(step)
        have = label.sales[-1].received if label.sales else holding.amount
        sale = Obstacle.TOO_THIN if hop is None else sell_through(hop, have)
        if isinstance(sale, Obstacle):
            sight.met.add(sale)
            return None
        if not sale.whole:
            return None
        kept = label.kept * sale.kept
        if kept < bound:
            return None
        return Label((*label.route, step), float(sale.received), (*label.sales, sale), kept)

    reach = sight.network.reach(rates, target, sight.rules.max_hops)
    ranked = best_first(
        sight.network, reach, holding.currency, float(holding.amount), target, never, extend
    )
    unknown: list[Route] = []
    for label in ranked:
        if label.exact:
            if unknown:
                break
            return Chosen(label.route, Carried(label.sales, True))
        unknown.append(label.route)
        if len(unknown) == _AT_ONCE:
            break
    return Needs(sight.lacking(unknown)) if unknown else None


def _likely(sight: Sight, holding: Holding, target: str, never: Collection[str]) -> list[Route]:
    """List the few routes of any length that have the best prices, whatever they take."""
    rates = sight.rates()
    reach = sight.network.reach(rates, target, sight.rules.max_hops)
    ranked = best_first(
        sight.network, reach, holding.currency, 1.0, target, never, by_best_prices(rates)
    )
    return [label.route for label, _ in zip(ranked, range(_AT_ONCE), strict=False)]


def _best(sight: Sight, holding: Holding, routes: Iterable[Route]) -> Chosen | None:
    """Pick the route that brings the most, of those that take the whole."""
    chosen: Chosen | None = None
    for route in routes:
        carried = sight.carried(holding, route)
        if carried is None or not carried.whole:
            continue
        if chosen is None or carried.received > chosen.carried.received:
            chosen = Chosen(route, carried)
    return chosen


def _most(sight: Sight, holding: Holding, routes: Iterable[Route]) -> Chosen | None:
    """Pick the route that takes the most of the holding now; of equal ones the first."""
    chosen: Chosen | None = None
    for route in routes:
        carried = sight.carried(holding, route)
        if carried is None:
            continue
        if chosen is None or carried.sales[0].spent > chosen.carried.sales[0].spent:
            chosen = Chosen(route, carried)
    return chosen
