"""Whether the account's balances are what the state's orders made of them.

Two moments are compared at which nothing was in flight: the last whose balances the state
has (``BalanceWatch`` tells none other), and now.
What is left over is somebody else's doing (a deposit, a person's order), or an order that
nobody knows of.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import structlog

from arb_pipelines.errors import ProtocolViolation, Rejected, Transient
from arb_pipelines.execution.orders.balance_watch import unexplained
from arb_pipelines.execution.recovery.values import Engine
from arb_pipelines.execution.state.values import changes_of

_log = structlog.get_logger()


async def compare(engine: Engine) -> Mapping[str, Decimal] | None:
    """Give by how much more each balance has changed than was booked; ``None`` the first time.

    Nor is it told if the venue does not answer. The balances of now are what the next
    comparison begins with.

    Raises:
        Fatal: the keys do not do.
    """
    store = engine.store
    try:
        now = await engine.account.balances()
    except (Transient, Rejected, ProtocolViolation) as untold:
        _log.warning("recovery.balances_not_told", reason=str(untold))
        return None
    seen = store.balances_seen()
    found: dict[str, Decimal] | None = None
    if seen:
        before = {one.currency: one.available for one in seen}  # the newest of each stays
        since_ns = max(one.ts_ns for one in seen)
        found = unexplained(before, now, changes_of(store.orders_ended(since_ns)))
        found = {currency: by for currency, by in found.items() if by}
        for currency, by in found.items():
            _log.warning("recovery.unexplained", currency=currency, by=f"{by:f}")
    store.see_balances(now, "recovery")
    return found
