"""The container of a venue's connection: the parent of those in which strategies trade."""

from __future__ import annotations

from decimal import Decimal

from arb_pipelines.clock import now_ns
from arb_pipelines.containers.container import Container
from arb_pipelines.containers.factories import NoParams
from arb_pipelines.containers.spec import CONNECTION, ContainerSpec, component, container_spec
from arb_pipelines.errors import InvariantBroken, Transient
from arb_pipelines.execution.orders.balances import FreeBalances
from arb_pipelines.execution.orders.capacity import RestingCapital
from arb_pipelines.trading.risk.activity import Commitments
from arb_pipelines.venues.base import VenueConnection


class VenueLine:
    """The place of a session's connection: empty until who owns it has opened it.

    ``free`` are the account's balances as the venue tells them, of which all who share the
    connection learn; ``commitments`` is what the cycles of all of them have in flight, and
    ``capital`` what their legs that rest compete for.
    """

    def __init__(self, params: NoParams, container: Container) -> None:
        self._connection: VenueConnection | None = None
        self._free: FreeBalances | None = None
        self.commitments = Commitments()
        self.capital = RestingCapital(self._free_of, now_ns)

    @property
    def connection(self) -> VenueConnection:
        """The connection.

        Raises:
            InvariantBroken: it is not open.
        """
        if self._connection is None:
            raise InvariantBroken("the session is not connected to its venue")
        return self._connection

    @property
    def free(self) -> FreeBalances:
        """The account's balances.

        Raises:
            InvariantBroken: the connection is not open.
        """
        if self._free is None:
            raise InvariantBroken("the session is not connected to its venue")
        return self._free

    def _free_of(self, currency: str) -> Decimal | None:
        return self.free.free(currency)

    def open(self, connection: VenueConnection) -> None:
        """Put the open connection in its place."""
        self._connection, self._free = connection, FreeBalances(connection.account)

    def ping(self) -> None:
        """Say what is wrong with the connection, by raising it."""
        wrong = [f"{part}: {what}" for part, what in self.connection.health().items() if what]
        if wrong:
            raise Transient("; ".join(wrong))


def parent_spec(name: str) -> ContainerSpec:
    """Describe the container of a venue's connection."""
    return container_spec(name, {CONNECTION: component(f"{__name__}:VenueLine")})


def line_of(container: Container) -> VenueLine:
    """Give the place of the connection that a strategy's container shares with others."""
    if container.parent is None:
        raise InvariantBroken(f"{container.name} has no parent with a connection")
    line: VenueLine = container.parent.get(CONNECTION)
    return line
