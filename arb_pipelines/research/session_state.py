"""The state files of a session's account, open as long as it is traded on.

Which cycle is where is written by ``execution.state``; here is who opens its files, keeps
them in hand, and brings what is told on a strategy's bus to them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from decimal import Decimal
from pathlib import Path

import structlog

from arb_pipelines.containers.container import Container
from arb_pipelines.errors import Transient
from arb_pipelines.execution.components import universe_of
from arb_pipelines.execution.manager import SessionManager
from arb_pipelines.execution.panic.seller import PanicSeller
from arb_pipelines.execution.state.files import state_file
from arb_pipelines.execution.state.follower import StateFollower, nobody
from arb_pipelines.execution.state.opening import open_state
from arb_pipelines.execution.state.store import StateStore
from arb_pipelines.execution.venue_line import line_of
from arb_pipelines.settings import Settings
from arb_pipelines.venues.base import VenueConnection
from arb_pipelines.venues.tasks import worst_error

_log = structlog.get_logger()
#: How often a lease is renewed, and what waits to be written tried again.
_EVERY_S = 5.0


class AccountStates:
    """The files of one account: of orders that are placed, and of those only tested."""

    def __init__(
        self,
        settings: Settings,
        connection: VenueConnection,
        holder: str,
        opened: ExitStack,
        folder: Path | None = None,
    ) -> None:
        self._settings, self._connection, self._opened = settings, connection, opened
        self._holder, self._folder = holder, folder or settings.state
        self._stores: dict[bool, StateStore] = {}
        self._followers: list[StateFollower] = []
        self._troubles: list[Callable[[str], object]] = []
        #: Who sells what cycles leave; there is one where orders are placed, once recovery is over.
        self.seller: PanicSeller | None = None

    def of(self, *, places_orders: bool) -> StateStore:
        """Give a store, opened when it is asked for first.

        Raises:
            ConfigError: it does not open with the key that is set, or somebody else has it.
            DataError: it is damaged.
        """
        store = self._stores.get(places_orders)
        if store is None:
            connection, tested = self._connection, not places_orders
            settings = self._settings
            opened = open_state(
                state_file(self._folder, connection.venue, connection.account_id, tested=tested),
                key=settings.state_key,
                durability=settings.state_durability,
                holder=self._holder,
            )
            store = self._stores[places_orders] = self._opened.enter_context(opened)
        return store

    @contextmanager
    def followed(
        self,
        container: Container,
        session: str,
        *,
        places_orders: bool,
        id_prefix: str,
        trouble: Callable[[str], object],
    ) -> Iterator[StateFollower]:
        """Have a strategy's cycles written down within the block, by who joins its bus.

        What its desk leaves of a cycle that was placed is the seller's.
        """
        seller = self.seller if places_orders else None
        if seller is not None:
            strategy = universe_of(container).strategy
            seller.say(strategy.name, strategy.panic_sell)
        follower = StateFollower(
            self.of(places_orders=places_orders),
            universe_of(container),
            session,
            id_prefix=id_prefix,
            trouble=trouble,
            on_left=nobody if seller is None else seller.on_left,
            later=asyncio.get_running_loop().call_soon,
        )
        free = line_of(container).free
        free.listen(follower.on_account)
        self._followers.append(follower)
        self._troubles.append(trouble)
        try:
            yield follower
        finally:
            self._troubles.remove(trouble)
            free.leave(follower.on_account)
            if follower.flush():  # else it is tried again as long as the file is open
                self._followers.remove(follower)

    @asynccontextmanager
    async def selling(self, manager: SessionManager) -> AsyncIterator[None]:
        """Have sold what cycles leave, within the block; there is no other who trades yet."""
        if self.seller is None:
            yield
            return
        self.seller.bookings.begin_again()
        manager.balances.add(self.seller.bookings)
        with worst_error():
            async with asyncio.TaskGroup() as tasks:
                selling = tasks.create_task(self.seller.run())
                try:
                    yield
                finally:
                    selling.cancel()

    async def sold(self, within_s: float) -> None:
        """Wait until what was left of cycles is sold or held, for so long at most.

        What is not stays in the state, for the next start.
        """
        if self.seller is not None and not await self.seller.settle(max(within_s, 0.0)):
            open_ = [one.id for one in self.of(places_orders=True).open_cycles()]
            _log.warning("panic.left_to_next_start", cycles=open_)

    def take_over(self, session: str) -> None:
        """Have settled and sold what a session left open that has ended while others trade.

        Nobody else would look at it before the next start. What it has still to write comes
        first; then that is the next start's.
        """
        if self.seller is None or any(one.session == session for one in self._followers):
            return
        for cycle in self.of(places_orders=True).open_cycles():
            if cycle.session == session:
                self.seller.take(cycle.id)

    def see_balances(self, free: Mapping[str, Decimal]) -> None:
        """Note what the venue says is free."""
        store = self._stores.get(True)
        if store is not None:
            with suppress(Transient):  # who has more to write says that it cannot be written
                store.see_balances(free, self._holder)

    async def keep(self) -> None:
        """Write what waits, and that the files are ours, now and then, until cancelled.

        Raises:
            InvariantBroken: another machine took one of them.
        """
        while True:
            await asyncio.sleep(_EVERY_S)
            for store in self._stores.values():
                with suppress(Transient):
                    store.renew_lease()
            self.flush()
            self.check_there()

    def check_there(self) -> None:
        """Have the sessions stop if somebody took a file away: who comes next would not find it."""
        if not all(store.is_there() for store in self._stores.values()):
            for trouble in self._troubles:
                trouble("the state file was removed or replaced while it was written")

    def flush(self) -> None:
        """Write what waits."""
        for follower in self._followers:
            follower.flush()


@asynccontextmanager
async def account_states(
    settings: Settings, connection: VenueConnection, holder: str, folder: Path | None = None
) -> AsyncIterator[AccountStates]:
    """Keep an account's state files in hand within the block; who enters has the account's lock.

    ``holder`` names the sessions, for whoever finds a file taken. The files are in ``folder``,
    else in that of the settings.
    """
    with ExitStack() as opened, worst_error():
        states = AccountStates(settings, connection, holder, opened, folder)
        async with asyncio.TaskGroup() as tasks:
            keeping = tasks.create_task(states.keep())
            try:
                yield states
            finally:
                keeping.cancel()
                states.flush()
