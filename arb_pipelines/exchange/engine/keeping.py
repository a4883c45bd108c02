"""An exchange's picture of all that outlives it, taken, and put into a new one."""

from __future__ import annotations

from arb_pipelines.errors import ConfigError
from arb_pipelines.exchange.engine.floor import Floor
from arb_pipelines.exchange.engine.journal import Kept
from arb_pipelines.exchange.engine.orders import WorkingOrder


def picture(floor: Floor) -> Kept:
    """Take a picture of all that outlives the process."""
    archive, accounts = floor.archive, floor.accounts
    return Kept(
        users={user: dict(balances) for user, balances in accounts.users.items()},
        house=dict(accounts.house),
        fees=dict(accounts.fees),
        active=tuple(order.frozen() for order in archive.all_active()),
        done=tuple(archive.done),
        fills=tuple(archive.fills),
        orders_seen=archive.orders_seen,
        orders_done=archive.orders_done,
        fills_seen=archive.fills_seen,
        trade_ids={symbol: last for symbol, last in floor.trade_ids.items() if last},
        first_sequence=max((book.sequence for book in floor.books.values()), default=0),
    )


def restore(floor: Floor, kept: Kept) -> None:
    """Go on from ``kept``; the floor must be new.

    Raises:
        ConfigError: an order rests on a symbol that is not listed.
    """
    archive, accounts = floor.archive, floor.accounts
    accounts.users.update({user: dict(balances) for user, balances in kept.users.items()})
    accounts.house.update(kept.house)
    accounts.fees.update(kept.fees)
    floor.trade_ids.update(kept.trade_ids)
    archive.orders_seen, archive.orders_done = kept.orders_seen, kept.orders_done
    archive.fills_seen = kept.fills_seen
    for done in kept.done:
        archive.keep_done(done)
    archive.fills.extend(kept.fills)
    for active in kept.active:
        book = floor.books.get(active.request.symbol)
        if book is None:
            raise ConfigError(
                f"an order of {active.user} rests on {active.request.symbol}, "
                "which is not listed; list it, or start with a new state file"
            )
        order = WorkingOrder.thawed(active)
        archive.admit(order)
        book.side(order.request.side).join(order)
    for book in floor.books.values():
        book.publish(floor.now_ns)
        book.sequence = kept.first_sequence
