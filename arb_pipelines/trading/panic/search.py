"""Routes out of a currency, the best first: over the whole market, of few books.

Each label is a route so far. What it may still come to is at most what it has, times the best
rates of the rest (``Network.reach``), so the first that arrives is the best of all that there
are. Prices at the top are floats and only rank; amounts go through the books exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from heapq import heappop, heappush
from itertools import count

from arb_pipelines.trading.panic.carrying import Sale
from arb_pipelines.trading.panic.network import Floats, Network, Route, Step

#: Labels looked at before a search ends without an answer: some tens of milliseconds.
MOST_LABELS = 20_000


@dataclass(frozen=True, slots=True)
class Label:
    """A route so far. ``value`` is what it comes to, at most.

    ``sales`` are its orders by the books, as far as the books of all its steps are known.
    """

    route: Route
    value: float
    sales: tuple[Sale, ...] = ()
    kept: Decimal = Decimal(1)

    @property
    def exact(self) -> bool:
        """Whether every step's book is known."""
        return len(self.sales) == len(self.route)


Extend = Callable[[Label, Step], Label | None]


def by_best_prices(rates: Floats) -> Extend:
    """Value steps by the best prices alone."""

    def extend(label: Label, step: Step) -> Label | None:
        return Label((*label.route, step), label.value * float(rates[step.number]))

    return extend


def best_first(
    network: Network,
    reach: Sequence[dict[str, float]],
    currency: str,
    amount: float,
    target: str,
    never: Collection[str],
    extend: Extend,
) -> Iterator[Label]:
    """Give the routes to ``target`` that pass no currency twice and none of ``never``.

    In the order of what they come to, the most first; ``extend`` says what a step comes to, or
    that it takes nothing.
    """
    order = count()
    heap = [(0.0, next(order), Label((), amount))]
    looked_at = 0
    while heap and looked_at < MOST_LABELS:
        _, _, label = heappop(heap)
        looked_at += 1
        at = label.route[-1].got if label.route else currency
        if at == target:
            yield label
            continue
        left = len(reach) - 1 - len(label.route)
        if left == 0:
            continue
        passed = {currency, *(step.got for step in label.route)}
        for step in network.steps_from(at):
            onward = reach[left - 1].get(step.got)
            if onward is None or step.got in passed or (step.got in never and step.got != target):
                continue
            longer = extend(label, step)
            if longer is not None and longer.value > 0.0:
                heappush(heap, (-longer.value * onward, next(order), longer))
