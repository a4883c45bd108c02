"""Alerts are lines that a program can follow."""

import json

from arb_pipelines.alerts import alerts_path, raise_alert
from arb_pipelines.settings import Settings


def test_each_alert_is_one_line_of_json(home: Settings) -> None:
    """Time, event and facts are there, and nothing of an earlier alert is lost."""
    raise_alert(home, "run failed", job="research", steps=["books"])
    raise_alert(home, "run failed", job="backtest", steps=[])
    first, second = map(json.loads, alerts_path(home).read_text().splitlines())
    assert (first["event"], first["job"], first["steps"]) == ("run failed", "research", ["books"])
    assert second["job"] == "backtest"
    assert first["time"].endswith("Z")


def test_an_alert_that_finds_no_room_fails_nobody(home: Settings) -> None:
    """Whoever raises it is trading, and goes on."""
    alerts_path(home).parent.parent.mkdir(parents=True, exist_ok=True)
    alerts_path(home).parent.write_text("a file where the folder should be")
    raise_alert(home, "limit breached", strategy="minimal")
