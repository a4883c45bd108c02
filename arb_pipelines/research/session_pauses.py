"""Having a session's strategy keep its pauses, and people hear of what rests, all or in part."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog

from arb_pipelines.alerts import raise_alert
from arb_pipelines.clock import iso, now_ns
from arb_pipelines.containers.container import Container
from arb_pipelines.containers.spec import CONTROLS, MARKET_DATA
from arb_pipelines.execution.components import session_risk_of, universe_of
from arb_pipelines.execution.risk.keeper import ENGINE, RiskKeeper
from arb_pipelines.execution.state.risk import RiskEvent, RiskTables
from arb_pipelines.settings import Settings

_LOOK_EVERY_S = 1.0
_log = structlog.get_logger()


@contextmanager
def keeping_pauses(
    settings: Settings, session: str, container: Container, tables: RiskTables
) -> Iterator[None]:
    """Let a strategy's gate ask for its pauses within the block, which its trading does not leave.

    What becomes of them is told on its bus, so who listens is there before. A breach is an alert.
    """
    strategy = universe_of(container).strategy

    def tell(event: RiskEvent) -> None:
        container.bus.publish(event)
        facts = {"session": session, "strategy": event.strategy, "check": event.check}
        facts |= {"why": event.why}
        if event.what == "paused" and event.who == ENGINE:
            ends = "a person resumes it" if event.until_ns is None else iso(event.until_ns)
            raise_alert(settings, "strategy paused", **facts, until=ends)
        else:
            _log.warning(f"strategy.{event.what}", **facts, who=event.who)

    keeper = RiskKeeper(
        strategy.name, strategy.risk, strategy.in_hand, tables, wall_ns=now_ns, tell=tell
    )
    session_risk_of(container).keeper = keeper
    try:
        yield
    finally:
        keeper.close()


def pause_told(container: Container) -> dict[str, str]:
    """Give what a heartbeat says of a session that begins nothing; nothing of one that trades."""
    keeper, controls = session_risk_of(container).keeper, container.get(CONTROLS)
    pause = None if keeper is None else keeper.pause
    if pause is not None:
        return {"reason": f"paused by {pause.by}: {pause.why}"}
    return {} if controls.paused is None else {"reason": f"paused: {controls.paused}"}


async def alert_of_refused(settings: Settings, session: str, container: Container) -> None:
    """Alert once of each symbol whose book the venue refuses, until cancelled."""
    feed: Any = container.get(MARKET_DATA)  # a venue's
    told: set[str] = set()
    while True:
        for symbol, why in feed.refused.items():
            if symbol not in told:
                raise_alert(settings, "symbol refused", session=session, symbol=symbol, why=why)
        told = {*feed.refused}
        await asyncio.sleep(_LOOK_EVERY_S)
