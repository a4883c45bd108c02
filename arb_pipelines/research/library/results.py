"""What came of a call, as a value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from arb_pipelines.execution.recovery.values import Recovered
from arb_pipelines.execution.single_cycle import Plan
from arb_pipelines.execution.state.values import Cycle, CycleState, Outcome, Purpose, StoredOrder
from arb_pipelines.market.exact import PricedLeg
from arb_pipelines.market.graph import BUY
from arb_pipelines.market.symbols import FeeSide, Market

_ZERO = Decimal(0)
_SIDES = {True: "buy", False: "sell"}


class CycleStatus(StrEnum):
    """How a call ended."""

    COMPLETED = "completed"  # each leg filled; all of it is in the start currency
    FAILED = "failed"  # it ended otherwise; its outcome says how
    HELD = "held"  # something is held that nobody takes within the bound; the state knows it
    REFUSED = "refused"  # nothing was sent; ``why`` says why not
    SIMULATED = "simulated"  # nothing was placed; the legs are what the books would have given


@dataclass(frozen=True, slots=True)
class LegFill:
    """What one order came to: ``size`` in base, ``funds`` its value in quote before fees.

    ``spent`` and ``received`` are in the currencies given and got, net of a fee taken in them.
    ``leg`` is its place in the cycle; ``None`` for one that brought home what was left. A
    simulated one has no client id.
    """

    leg: int | None
    symbol: str
    side: str
    size: Decimal
    funds: Decimal
    spent: Decimal
    received: Decimal
    fee: Decimal
    fee_currency: str | None
    client_id: str | None


@dataclass(frozen=True, slots=True)
class CycleResult:
    """What came of a cycle.

    ``profit`` is what the start currency changed by; ``left`` what is in hand of others, by
    currency: what increments leave over, or what it was sold for. ``cycle`` is its id in the
    state file, as in ``arb monitor --details ID``. ``recovered`` are cycles that an earlier
    call or session had left open, and what became of each.
    """

    status: CycleStatus
    outcome: Outcome | None
    start: str
    profit: Decimal
    fills: tuple[LegFill, ...]
    left: Mapping[str, Decimal]
    why: str
    cycle: str | None = None
    recovered: tuple[Recovered, ...] = ()


def refused(plan: Plan, why: str, recovered: Sequence[Recovered] = ()) -> CycleResult:
    """Say that nothing was sent."""
    return CycleResult(
        CycleStatus.REFUSED, None, plan.start, _ZERO, (), {}, why, recovered=tuple(recovered)
    )


def simulated(plan: Plan, legs: Sequence[PricedLeg], markets: Mapping[str, Market]) -> CycleResult:
    """Say what the books would have given."""
    left: dict[str, Decimal] = {}
    for leg in legs[1:]:
        market = markets[leg.symbol]
        given = market.quote if leg.side == BUY else market.base
        if leg.dust:
            left[given] = left.get(given, _ZERO) + leg.dust
    fills = tuple(_fill_of(n, leg, markets[leg.symbol]) for n, leg in enumerate(legs))
    profit = legs[-1].received - legs[0].spent
    why = "nothing was placed"
    return CycleResult(CycleStatus.SIMULATED, None, plan.start, profit, fills, left, why)


def told(
    cycle: Cycle, orders: Sequence[StoredOrder], why: str, recovered: Sequence[Recovered]
) -> CycleResult:
    """Say how a cycle stands in the state."""
    status = {
        CycleState.COMPLETED: CycleStatus.COMPLETED,
        CycleState.FAILED: CycleStatus.FAILED,
    }.get(cycle.state, CycleStatus.HELD)
    fills = tuple(_fill_told(order) for order in orders if order.filled)
    profit = cycle.gained
    return CycleResult(
        status, cycle.outcome, cycle.start, profit, fills, dict(cycle.held), why, cycle.id,
        tuple(recovered),
    )  # fmt: skip


def _fill_told(order: StoredOrder) -> LegFill:
    leg = order.leg if order.purpose is Purpose.LEG else None
    side = _SIDES[order.side == BUY]
    return LegFill(
        leg, order.symbol, side, order.filled, order.funds_filled, order.spent, order.received,
        order.fee, order.fee_currency, order.client_id,
    )  # fmt: skip


def _fill_of(number: int, leg: PricedLeg, market: Market) -> LegFill:
    in_quote = market.fee_side is FeeSide.QUOTE or leg.side != BUY
    currency, side = market.quote if in_quote else market.base, _SIDES[leg.side == BUY]
    return LegFill(
        number, leg.symbol, side, leg.size, leg.funds, leg.spent, leg.received, leg.fee, currency,
        None,
    )  # fmt: skip
