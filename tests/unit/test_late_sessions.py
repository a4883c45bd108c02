"""What an account's money and its past keep from sessions that join it."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from arb_pipelines.errors import ConfigError
from arb_pipelines.execution.manager import managing
from arb_pipelines.lake.store import Lake
from arb_pipelines.research.hosted_session import HostedSession
from arb_pipelines.research.session_host import SessionHost
from arb_pipelines.research.session_requests import SessionRequest
from arb_pipelines.settings import load_settings
from arb_pipelines.trading.strategy import load_strategy
from tests.fakes.venue_connection import QuietConnection

PLAIN = """\
name: plain
exchange: quiet
universe: {start: [USDT]}
min_profit_bps: 5
max_slippage_bps: 10
capital_allocation: {mode: fixed_amount, amount: 10}
"""


@dataclass
class _Real:
    """A venue that is not this machine's."""

    venue: str = "quiet"
    local: bool = False
    can_withdraw: bool = False


@dataclass
class _Managed:
    """As much of a manager as is asked before a session joins."""

    connection: Any


@dataclass
class _Unrecovered:
    """The state of an account on which this process began to place no orders."""

    seller: Any = None


def test_a_live_strategy_does_not_join_where_nothing_was_recovered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On paper nobody looked for what a crash left open, and nobody sells what cycles leave."""
    monkeypatch.setenv("ARB_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ARB_ALLOW_LIVE", "yes")
    lake = Lake(load_settings())
    paper, live = tmp_path / "paper.yaml", tmp_path / "live.yaml"
    paper.write_text(PLAIN)
    live.write_text(PLAIN.replace("plain", "other") + "mode: live\n")

    def made(request: SessionRequest) -> HostedSession:
        strategy = load_strategy(request.strategy)
        return HostedSession(lake, request, strategy, tmp_path, lambda progress: None, None)

    on_paper = made(SessionRequest("plain-quiet-20260105T093000Z", paper, None, None, None, 0))
    manager, states = _Managed(_Real()), _Unrecovered()
    with ExitStack() as opened:
        host = SessionHost([on_paper], manager, states, made, opened)  # type: ignore[arg-type]
        with pytest.raises(ConfigError, match="places orders, and this process began with none"):
            host.bring(on_paper, live, False)


def test_what_open_cycles_hold_is_no_strategys_money() -> None:
    """It is free at the venue, and about to be sold: whoever was given it would lack it."""

    async def body() -> None:
        connection = QuietConnection(USDT="10", ETH="1.2", SOL="1")
        async with managing("session", connection) as manager:
            await manager.count_anew({"ETH": Decimal("0.2"), "SOL": Decimal(3), "ADA": Decimal(1)})
            assert manager.money.free == {
                "USDT": Decimal(10),
                "ETH": Decimal("1.0"),
                "SOL": Decimal(0),
            }

    asyncio.run(asyncio.wait_for(body(), 20))
