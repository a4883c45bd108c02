"""What came before a session counts against its limits."""

from __future__ import annotations

from typing import Any

from arb_pipelines.execution.controls import Controls
from arb_pipelines.execution.limits import SessionLimits
from arb_pipelines.execution.session_risk import SessionRisk
from arb_pipelines.trading.session_rules import SessionRules


def test_what_was_found_out_reaches_the_limit() -> None:
    """A session that is restarted again and again loses no more than it may."""
    controls = Controls()
    limits = SessionLimits(SessionRules(max_loss={"USDT": 50.0}), controls)
    risk: Any = SessionRisk(None, controls, limits)  # type: ignore[arg-type]
    risk.on_recovered("BTC", -1.0)
    risk.on_recovered("USDT", -49.0)
    assert not controls.stopping.is_set()
    risk.on_recovered("USDT", -1.0)
    assert controls.stop_reason == "max_loss: 50 of 50 USDT are lost"
