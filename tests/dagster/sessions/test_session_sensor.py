"""The sensor that starts the sessions which were asked for."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest

from arb_pipelines.lake.store import Lake
from arb_pipelines.research.request_folder import drop_request, requests_folder
from arb_pipelines.research.session_requests import new_request
from assets.sessions import SESSION_TAG, SessionConfig
from tests.dagster.sessions.accounts import SECRETS, add_run, alerts, beat, begun, evaluate, skipped

pytestmark = pytest.mark.xdist_group("dagster-main-job")


def test_a_request_becomes_one_run(lake: Lake, instance: dg.DagsterInstance) -> None:
    """Under its key, with nothing of the account in it; asked for until the session begins."""
    assert skipped(evaluate(lake, instance)) == "no session to begin"
    request = new_request(lake.settings, "alpha", mode="paper", minutes=7)
    file = drop_request(lake.settings, request)
    (run,) = begun(evaluate(lake, instance))
    assert run.run_key == request.key
    assert run.tags[SESSION_TAG] == request.key
    assert run.run_config["ops"]["live_session"]["config"] == {
        "key": request.key,
        "strategy": str(lake.settings.strategies / "alpha.yaml"),
        "mode": "paper",
        "minutes": 7.0,
        "dry_run": False,
    }
    assert not [word for word in SECRETS if word in str(run)]
    assert file.exists(), "it waits until the session begins"
    assert begun(evaluate(lake, instance))[0].run_key == request.key
    add_run(instance, request.key, dg.DagsterRunStatus.STARTING)
    assert skipped(evaluate(lake, instance)) == "no session to begin"


def test_a_run_is_held_to_all_that_its_request_says(
    lake: Lake, instance: dg.DagsterInstance
) -> None:
    """A dry run stays one, and a bound stays a bound: the run asks for the very same session."""
    lost = new_request(lake.settings, "alpha").key
    request = new_request(
        lake.settings,
        "alpha",
        venue="kucoin",
        mode="paper",
        minutes=7,
        continues=lost,
        cycles=3,
        dry_run=True,
    )
    drop_request(lake.settings, request)
    (run,) = begun(evaluate(lake, instance))
    config = run.run_config["ops"]["live_session"]["config"]
    again = new_request(lake.settings, **SessionConfig(**config).model_dump())
    assert replace(again, asked_ns=request.asked_ns) == request


def test_one_session_at_a_time_on_an_account(lake: Lake, instance: dg.DagsterInstance) -> None:
    """The second waits, says for whom, and begins when the first has ended."""
    first, second = (new_request(lake.settings, name) for name in ("alpha", "beta"))
    add_run(instance, first.key, dg.DagsterRunStatus.STARTED)
    drop_request(lake.settings, second)
    assert f"waits for {first.key}" in skipped(evaluate(lake, instance))
    (run,) = instance.get_runs()
    instance.report_run_canceled(run)
    assert begun(evaluate(lake, instance))[0].run_key == second.key


def test_a_session_of_no_run_is_in_the_way_too(lake: Lake, instance: dg.DagsterInstance) -> None:
    """One in the foreground is known by its heartbeat, until it says that it ended."""
    first, second = (new_request(lake.settings, name) for name in ("alpha", "beta"))
    beat(lake.settings, first, age_s=1)
    drop_request(lake.settings, second)
    assert "one session an account at a time" in skipped(evaluate(lake, instance))
    beat(lake.settings, first, age_s=1, state="ended")
    assert begun(evaluate(lake, instance))[0].run_key == second.key


def test_a_wrong_file_is_told_once(lake: Lake, instance: dg.DagsterInstance) -> None:
    """Moved away, with one line among the alerts; others are not held up by it."""
    request = new_request(lake.settings, "alpha")
    drop_request(lake.settings, request)
    file = requests_folder(lake.settings) / "wrong.yaml"
    file.write_text("strategy: gamma\n")
    os.utime(file, (1, 1))
    assert len(begun(evaluate(lake, instance))) == 1
    evaluate(lake, instance)
    (alert,) = alerts(lake)
    assert alert["event"] == "session request rejected"
    assert "wrong.yaml:1: strategy: " in alert["reason"]
    assert Path(alert["file"]).read_text() == "strategy: gamma\n"


def test_a_session_whose_run_ended_before_it_began_is_given_up(
    lake: Lake, instance: dg.DagsterInstance
) -> None:
    """A key has one run, so the request would wait for ever: it is rejected, and told."""
    request = new_request(lake.settings, "alpha")
    drop_request(lake.settings, request)
    add_run(instance, request.key, dg.DagsterRunStatus.FAILURE)
    assert skipped(evaluate(lake, instance)) == "no session to begin"
    (alert,) = alerts(lake)
    assert "before the session began" in alert["reason"]
