"""The state files of a session's account, open as long as it is traded on.

Which cycle is where is written by ``execution.state``; here is who opens its files, keeps
them in hand, and brings what is told on a strategy's bus to them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager

from arb_pipelines.containers.container import Container
from arb_pipelines.execution.components import universe_of
from arb_pipelines.execution.state.files import state_file
from arb_pipelines.execution.state.follower import StateFollower
from arb_pipelines.execution.state.store import StateStore, open_state
from arb_pipelines.execution.venue_line import line_of
from arb_pipelines.settings import Settings
from arb_pipelines.venues.base import VenueConnection
from arb_pipelines.venues.tasks import worst_error

#: How often what waits to be written is tried again.
_EVERY_S = 5.0


class AccountStates:
    """The files of one account: of orders that are placed, and of those only tested."""

    def __init__(self, settings: Settings, connection: VenueConnection, opened: ExitStack) -> None:
        self._settings, self._connection, self._opened = settings, connection, opened
        self._stores: dict[bool, StateStore] = {}
        self._followers: list[StateFollower] = []

    def of(self, *, places_orders: bool) -> StateStore:
        """Give a store, opened when it is asked for first.

        Raises:
            ConfigError: it cannot be opened; says why.
        """
        store = self._stores.get(places_orders)
        if store is None:
            connection, tested = self._connection, not places_orders
            path = state_file(
                self._settings.root / "state", connection.venue, connection.account_id,
                tested=tested,
            )  # fmt: skip
            store = self._stores[places_orders] = self._opened.enter_context(open_state(path))
        return store

    def follow(
        self,
        container: Container,
        session: str,
        *,
        places_orders: bool,
        id_prefix: str,
        trouble: Callable[[str], object],
    ) -> StateFollower:
        """Make what writes down a strategy's cycles; its ``hear`` is for whoever joins its bus."""
        follower = StateFollower(
            self.of(places_orders=places_orders),
            universe_of(container),
            session,
            id_prefix=id_prefix,
            trouble=trouble,
        )
        line_of(container).free.listen(follower.on_account)
        self._followers.append(follower)
        return follower

    async def keep(self) -> None:
        """Write what waits, now and then, until cancelled."""
        while True:
            await asyncio.sleep(_EVERY_S)
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        for follower in self._followers:
            follower.flush()


@asynccontextmanager
async def account_states(
    settings: Settings, connection: VenueConnection
) -> AsyncIterator[AccountStates]:
    """Keep an account's state files in hand within the block; who enters has the account's lock."""
    with ExitStack() as opened, worst_error():
        states = AccountStates(settings, connection, opened)
        async with asyncio.TaskGroup() as tasks:
            keeping = tasks.create_task(states.keep())
            try:
                yield states
            finally:
                keeping.cancel()
                states.flush()
