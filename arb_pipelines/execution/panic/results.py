"""What came of a panic sell, and how its cycle ends by it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from arb_pipelines.execution.state.values import Cycle, Outcome, Purpose, StoredOrder
from arb_pipelines.trading.events import currencies


@dataclass(frozen=True, slots=True)
class PanicResult:
    """Where a cycle stands after a try to sell it: at its end, or held for another.

    ``outcome`` is ``None`` while something is held for which no way was found; ``left`` is
    what stands outside the start and base currencies, by currency.
    """

    cycle: str
    outcome: Outcome | None
    left: Mapping[str, Decimal]
    why: str


def unsold(cycle: Cycle, bases: Collection[str]) -> dict[str, Decimal]:
    """Give what a cycle holds that is neither home nor in a base currency."""
    return {name: amount for name, amount in cycle.held.items() if name not in bases}


def came_from(orders: Iterable[StoredOrder]) -> Mapping[str, set[str]]:
    """Say of each currency out of which others a sale came to it, at once or over more orders."""
    origins: dict[str, set[str]] = {}
    for order in orders:
        if order.purpose is Purpose.PANIC and order.filled:
            given, got = currencies(order)
            origins.setdefault(got, set()).update({given, *origins.get(given, ())})
    return origins


def end_of(
    cycle: Cycle, orders: Iterable[StoredOrder], bases: Collection[str]
) -> tuple[Outcome, str]:
    """Say how a cycle ends of which nothing more can be sold, and what stands where."""
    left = unsold(cycle, bases)
    if left:
        return Outcome.RESIDUAL, f"{listed(left)} is too little for an order"
    # legs that left at once may have spent what the cycle never had
    owed = {of: -by for of, by in cycle.changes.items() if by < 0 and of != cycle.start}
    if owed and cycle.sent_together:
        return Outcome.RESIDUAL, f"{listed(owed)} of other balances was spent and not bought back"
    if any(order.purpose is Purpose.PANIC and order.filled for order in orders):
        stays = f": {listed(cycle.held)}" if cycle.held else ""
        return Outcome.PANIC_SOLD, f"sold{stays}"
    if cycle.held:
        return Outcome.PANIC_SOLD, f"{listed(cycle.held)} stands in a base currency"
    if any(cycle.changes.values()):
        return Outcome.UNWOUND, "all of it had come back"
    return Outcome.NOTHING, "nothing of it had traded"


def listed(amounts: Mapping[str, Decimal]) -> str:
    """Write amounts down, such as ``0.2 ETH, 3 SOL``."""
    return ", ".join(f"{amount.normalize():f} {name}" for name, amount in amounts.items())
