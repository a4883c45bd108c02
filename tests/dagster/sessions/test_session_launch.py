"""A session that is launched by hand, from the Launchpad: no request, and so no key."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

import arb_pipelines.research.sessions
from arb_pipelines.definitions import build_defs
from arb_pipelines.execution.locks import account_held
from arb_pipelines.execution.records.values import SessionState
from arb_pipelines.lake.store import Lake
from arb_pipelines.research.session_folders import heartbeats
from arb_pipelines.settings import Settings
from assets.sessions import SESSION_TAG, live_session_job

pytestmark = pytest.mark.xdist_group("dagster-main-job")


@dataclass
class _Account:
    """As much of a venue's connection as is asked before its account is locked."""

    account_id: str


def launched(lake: Lake, instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    """Run the job with what a person types."""
    job = build_defs(home=lake.root).resolve_job_def(live_session_job.name)
    config = {"ops": {"live_session": {"config": {"strategy": "alpha", "minutes": 5}}}}
    return job.execute_in_process(instance=instance, run_config=config, raise_on_error=False)


def test_a_session_that_is_launched_by_hand_is_refused_where_another_has_the_account(
    lake: Lake, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It has a key, a tag and a folder like any other, which say who holds the account."""
    account, holder = tmp_path.name, "beta-kucoin-20260105T093000Z"

    @asynccontextmanager
    async def connected(venue: str, settings: Settings) -> AsyncIterator[Any]:
        yield _Account(account)

    monkeypatch.setattr(arb_pipelines.research.sessions, "open_venue", connected)
    with account_held(lake.settings.sessions / "locks", "kucoin", account, holder):
        result = launched(lake, instance)
    assert not result.success
    (failure,) = [e for e in result.all_events if e.is_step_failure]
    assert f"is traded by session {holder}" in str(failure.step_failure_data.error)
    run = instance.get_run_by_id(result.run_id)
    assert run is not None
    key = run.tags[SESSION_TAG]
    assert key.startswith("alpha-kucoin-")
    folder = lake.settings.sessions / key
    assert "minutes: 5" in (folder / "request.yaml").read_text()
    beat = heartbeats(lake.settings)[key]
    assert beat.state == SessionState.FAILED
    assert holder in beat.counts["reason"]
