"""Several strategies at one venue: each in a container of its own, on one connection.

They share the account, its rate budget and its connections, and nothing else. A strategy
that fails ends alone; a connection that fails has all of them settle what is in flight, as
far as the venue still answers, and end. What a strategy decides belongs to
its container, and where records of it go to who manages.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal

from arb_pipelines.containers.calls import attempt_on_loop
from arb_pipelines.containers.container import Container
from arb_pipelines.containers.spec import CONNECTION, CONTROLS, ContainerSpec
from arb_pipelines.errors import ArbError, ConfigError, Transient, VenueError
from arb_pipelines.execution.allotment import Allotments
from arb_pipelines.execution.components import portfolio_of, session_risk_of, universe_of
from arb_pipelines.execution.controls import Controls
from arb_pipelines.execution.orders.balance_watch import BalanceWatch
from arb_pipelines.execution.session_risk import SessionRisk
from arb_pipelines.execution.venue_line import VenueLine, parent_spec
from arb_pipelines.venues.base import VenueConnection
from arb_pipelines.venues.tasks import worst_error

#: Longest wait for the private stream when a session begins.
_READY_S = 15.0


@dataclass(slots=True)
class Managed:
    """One strategy: ``error`` is why it failed, ``settled`` whether it left nothing in flight.

    Both are known once ``ended`` is set.
    """

    container: Container
    controls: Controls
    risk: SessionRisk
    allotted: bool
    started: bool = False
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    error: str | None = None
    settled: bool = False


class SessionManager:
    """The strategies on one connection; made by ``managing``, on whose loop it is called.

    ``money`` is what of the account's no strategy was given; ``failure`` is what ended the
    connection, if anything did. ``balances`` compares what it
    has later with what those added to it have booked.
    """

    def __init__(
        self,
        container: Container,
        connection: VenueConnection,
        tasks: asyncio.TaskGroup,
        free: Mapping[str, Decimal],
    ) -> None:
        self.connection = connection
        self._container, self._tasks = container, tasks
        self.money = Allotments(free)
        self.balances = BalanceWatch(connection.account.balances, free)
        self._managed: dict[str, Managed] = {}
        self.failure: VenueError | None = None

    async def count_anew(self, held: Mapping[str, Decimal]) -> None:
        """Ask again what the account has, since recovery traded; before strategies are added.

        What is ``held`` by cycles that have not ended is nobody's to be given.

        Raises:
            VenueError: the venue does not tell.
        """
        assert not self._managed, "what strategies were given is not counted twice"
        free, zero = await self.connection.account.balances(), Decimal(0)
        self.money = Allotments(
            {of: max(amount - held.get(of, zero), zero) for of, amount in free.items()}
        )
        self.balances.begin_again(free)

    def add(self, spec: ContainerSpec, *, allot: bool = True) -> Managed:
        """Make a strategy's container; ``start`` has it trade.

        With ``allot`` the balances it trades with are set aside for it: no two strategies
        are given the same money. One whose orders are only tested needs none.

        Raises:
            ConfigError: one of that name is there, the account has less free than the strategy
                wants, or the container cannot be made as it is described.
            DataError: the venue has none of its cycles.
        """
        if spec.name in self._managed:
            raise ConfigError(f"there is a strategy {spec.name} already", source="session")
        try:
            container = self._container.add_child(spec)
            if allot:
                self.money.take(spec.name, universe_of(container).strategy)
        except ArbError:
            self._container.remove_child(spec.name)
            raise
        managed = Managed(container, container.get(CONTROLS), session_risk_of(container), allot)
        self._managed[spec.name] = managed
        return managed

    def replace(self, old: str, spec: ContainerSpec, *, allot: bool = True) -> Managed:
        """Stop a strategy, and make the container of the one that takes its place; ``start`` it.

        What the old one has free comes to the new one at once, up to the balances it trades
        with; of what it has in flight, which settles, the rest comes when it is removed. Nothing
        is stopped if this fails.

        Raises:
            ConfigError: as ``add``, where the old one's balances count as free.
            DataError: the venue has none of its cycles.
        """
        before = self._managed[old]
        added = self.add(spec, allot=False)
        here, there = portfolio_of(before.container), portfolio_of(added.container)
        if allot:
            was = universe_of(before.container).strategy if before.allotted else None
            try:
                self.money.check(spec.name, universe_of(added.container).strategy, was, here)
            except ConfigError:
                del self._managed[spec.name]
                self._container.remove_child(spec.name)
                raise
        before.controls.stop(f"replaced by {spec.name}")
        if before.allotted:
            self.money.take_free(here)
        if allot:
            added.allotted = True
            self.money.owe(there)
        return added

    def reach(self, old: str) -> Mapping[str, Decimal]:
        """What one that takes a strategy's place may be given: what is free, and what it has."""
        managed = self._managed[old]
        return self.money.reach(portfolio_of(managed.container) if managed.allotted else None)

    async def ready(self) -> None:
        """Wait until every way to the venue that strategies asked for is in service.

        Raises:
            Transient: one is not within a quarter of a minute.
        """
        await _ready(self.connection)

    def start(self, name: str) -> None:
        """Let a strategy trade until its controls say stop."""
        managed = self._managed[name]
        managed.started = True
        self._tasks.create_task(self._trade(managed), name=name)

    async def ended(self, name: str) -> None:
        """Wait until a strategy trades no more, or at once if it never began."""
        managed = self._managed[name]
        if managed.started:
            await managed.ended.wait()

    async def remove(self, name: str, reason: str) -> Managed:
        """Stop a strategy, wait until it has ended, and give back what it had.

        Raises:
            ConfigError: there is none of that name.
        """
        managed = self._managed.get(name)
        if managed is None:
            there = ", ".join(self._managed) or "none"
            raise ConfigError(f"there is no strategy {name}; there is {there}", source="session")
        managed.controls.stop(reason)
        await self.ended(name)
        if self._managed.pop(name, None) is not None:  # who else waited has not done it
            if managed.allotted:
                self.money.give_back(portfolio_of(managed.container))
            self._container.remove_child(name)
        return managed

    def strategies(self) -> Mapping[str, Managed]:
        """Give the strategies that are there, by name, in the order in which they came."""
        return dict(self._managed)

    def is_idle(self) -> bool:
        """Whether no strategy has anything in flight; any thread may ask."""
        return not any(one.risk.in_flight for one in tuple(self._managed.values()))

    def health(self) -> Mapping[str, str | None]:
        """Say of connection, components and strategies how they are: None is well."""
        found = dict(self._container.health()) | {"balances": self.balances.trouble}
        for name, managed in self._managed.items():
            found[name] = managed.error
        return found

    def fail(self, failure: VenueError) -> None:
        """Have every strategy end, since the connection is lost for good."""
        self.failure = failure
        for managed in self._managed.values():
            managed.controls.stop(f"the connection failed: {failure}")

    async def _trade(self, managed: Managed) -> None:
        done = await attempt_on_loop(0, Container.run, managed.container)
        managed.settled, managed.error = bool(done.result), done.error
        managed.controls.stop(done.error or "ended")
        managed.ended.set()


@asynccontextmanager
async def managing(name: str, connection: VenueConnection) -> AsyncIterator[SessionManager]:
    """Keep a connection in service within the block, for strategies to trade on.

    Strategies that still trade at its end go on until they are stopped.

    Raises:
        VenueError: the venue does not answer, turns us away, or makes no sense, before there
            is a manager; later that is the manager's ``failure``.
    """
    container = Container(parent_spec(name))
    container.initialise()
    line: VenueLine = container.get(CONNECTION)
    line.open(connection)
    managers: list[SessionManager] = []
    try:
        with worst_error():
            async with asyncio.TaskGroup() as tasks:
                serving = [
                    tasks.create_task(work)
                    for work in (_serve(connection, managers), line.free.run(), line.capital.run())
                ]
                await _ready(connection)
                free = await connection.account.balances()
                manager = SessionManager(container, connection, tasks, free)
                managers.append(manager)
                serving.append(tasks.create_task(_compare(manager)))
                yield manager
                for task in serving:
                    task.cancel()
    finally:
        container.teardown()


async def _serve(connection: VenueConnection, managers: Sequence[SessionManager]) -> None:
    """Keep the connection in service; its failure is the manager's, once there is one."""
    try:
        await connection.run()
    except VenueError as failure:
        if not managers:
            raise
        managers[0].fail(failure)


async def _compare(manager: SessionManager) -> None:
    """Compare balances; when the keys do no more, all that trade settle and end."""
    try:
        await manager.balances.run()
    except VenueError as failure:
        manager.fail(failure)


async def _ready(connection: VenueConnection) -> None:
    try:
        async with asyncio.timeout(_READY_S):
            await connection.ready()
    except TimeoutError:
        wrong = [f"{part} {what}" for part, what in connection.health().items() if what]
        raise Transient(f"{connection.venue}: {', '.join(wrong)} after {_READY_S:g} s") from None
