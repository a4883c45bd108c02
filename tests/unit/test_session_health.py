"""What a session says is wrong, in its heartbeat and to a person."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from arb_pipelines.alerts import alerts_path
from arb_pipelines.research import session_pauses
from arb_pipelines.research.hosted_session import HostedSession
from arb_pipelines.research.session_listeners import Listeners
from arb_pipelines.research.session_requests import SessionRequest
from arb_pipelines.settings import Settings
from tests.fakes.kucoin_server import on_loop, until


def test_a_symbol_without_a_book_is_told() -> None:
    """The session goes on without it, so a person has to read of it."""
    feed: Any = SimpleNamespace(refused={})
    well: Any = SimpleNamespace(late_fills=0, trouble=None, health=lambda: {"account": None})
    heard = Listeners(well, well, well, well, feed, well)
    assert set(heard.health().values()) == {None}
    feed.refused["LUNA-USDT"] = "code 400100 not supported"
    found = {name: what for name, what in heard.health().items() if what is not None}
    assert found == {"symbols": "no book of LUNA-USDT: code 400100 not supported"}


@on_loop
async def test_a_symbol_that_is_refused_is_alerted_once(
    home: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside the session, as long as it trades; one that was back is told again."""
    monkeypatch.setattr(session_pauses, "_LOOK_EVERY_S", 0.0)
    looks, found = 0, {"LUNA-USDT": "code 400100"}

    class Feed:
        @property
        def refused(self) -> dict[str, str]:
            nonlocal looks
            looks += 1
            return found

    request = SessionRequest("thin-kucoin-1", tmp_path / "thin.yaml", None, None, None, 0)
    lake: Any = SimpleNamespace(settings=home)
    strategy: Any = None
    managed: Any = SimpleNamespace()
    managed.controls = SimpleNamespace(stop=lambda reason: None)
    managed.container = SimpleNamespace(get=lambda name: Feed())
    session = HostedSession(lake, request, strategy, tmp_path, lambda progress: None, None)
    async with asyncio.TaskGroup() as tasks:
        watching = [tasks.create_task(work) for work in session._watches(managed)]

        async def looked() -> None:
            seen = looks
            await until(lambda: looks > seen + 4)

        await looked()
        found["FTT-USDT"] = "code 404"
        await looked()
        del found["LUNA-USDT"]
        await looked()
        found["LUNA-USDT"] = "code 400100"
        await looked()
        for task in watching:
            task.cancel()
    told = [json.loads(line) for line in alerts_path(home).read_text().splitlines()]
    assert {(one["event"], one["session"]) for one in told} == {("symbol refused", "thin-kucoin-1")}
    assert [one["symbol"] for one in told] == ["LUNA-USDT", "FTT-USDT", "LUNA-USDT"]
