"""Puts intake, board and answers of one session together behind its socket.

What each of them does is in its own module. A scanner of the same process uses ``intake``
without the socket.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from arb_pipelines.clock import NS_PER_MS, steady_ns
from arb_pipelines.containers.container import Container
from arb_pipelines.containers.spec import CONTROLS, COORDINATOR, ORDER_MANAGER
from arb_pipelines.errors import InvariantBroken
from arb_pipelines.execution.components import SessionRun, session_risk_of, universe_of
from arb_pipelines.execution.control.board import Board
from arb_pipelines.execution.control.client import SOCKET
from arb_pipelines.execution.control.desk import Bring, ControlDesk
from arb_pipelines.execution.control.unix_socket import LineServer
from arb_pipelines.execution.signals.checks import SessionTerms
from arb_pipelines.execution.signals.intake import SignalIntake
from arb_pipelines.execution.switches import Permission
from arb_pipelines.trading.cycles.orders import CycleOrderManager
from arb_pipelines.trading.session_rules import TradingMode


@dataclass(frozen=True, slots=True)
class SessionControl:
    """How the world outside reaches a session: signals and requests."""

    intake: SignalIntake
    board: Board
    server: LineServer

    async def run(self) -> None:
        """Serve the socket until cancelled.

        Raises:
            ConfigError: there is no place for it, or a session is listening there.
            InvariantBroken: our books do not add up.
        """
        await self.server.run()


def open_control(
    container: Container,
    folder: Path,
    permission: Permission,
    *,
    id_prefix: str,
    bring: Bring | None = None,
) -> SessionControl:
    """Join signals and people to the session of a strategy's container, before it runs.

    ``folder`` is the session's, named by its key; ``id_prefix`` begins its client ids;
    ``bring`` has other strategies traded by the same process.
    """
    run, orders = container.get(COORDINATOR), container.get(ORDER_MANAGER)
    if not (isinstance(run, SessionRun) and isinstance(orders, CycleOrderManager)):
        raise InvariantBroken(f"{container.name} is no session that trades cycles")
    risk = session_risk_of(container)
    universe, bus = universe_of(container), container.bus
    strategy, controls = universe.strategy, container.get(CONTROLS)
    live = permission.mode is TradingMode.LIVE
    intake = SignalIntake(
        strategy.name,
        SessionTerms(universe.traded, universe.markets, universe.fees, live),
        universe.seen,
        run.own,
        controls,
        run.session.on_signals,
        bus,
        signal_age_ms=strategy.session.signal_age_ms,
        wall_ns=steady_ns,
        id_prefix=id_prefix,
    )

    def cancel(number: int) -> bool:
        changes = orders.cancel(number)
        if changes:
            run.session.take_back(f"{id_prefix}{number}-")
        return changes

    board = Board(universe.traded, universe.seen, bus, id_prefix=id_prefix)
    desk = ControlDesk(
        intake,
        board,
        controls,
        bus,
        cancel=cancel,
        config={
            "session": folder.name,
            "mode": permission.mode,
            "places_orders": permission.places_orders,
            "cycles": len(universe.traded.cycles),
            "symbols": len(universe.symbols),
            "strategy": strategy.model_dump(mode="json"),
        },
        strategy_slots=strategy.slots,
        wall_ns=steady_ns,
        health=lambda: {
            **_health(container, run, int(universe.seen.updated.max())),
            "last_refused": dict(risk.last_refused),
        },
        keeper=risk.keeper,
        bring=bring,
    )
    return SessionControl(intake, board, LineServer(folder / SOCKET, desk.answer, desk.refusal))


def _health(container: Container, run: SessionRun, newest_ns: int) -> dict[str, Any]:
    """Say what the session hears of the market, and what is wrong with its parts, if anything."""
    parts = (container.parent or container).health()
    return {
        "books": run.session.books,
        "newest_book_ms_ago": (steady_ns() - newest_ns) / NS_PER_MS if newest_ns else None,
        "trouble": {part: wrong for part, wrong in parts.items() if wrong is not None},
    }
