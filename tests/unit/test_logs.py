"""Where log events go."""

from __future__ import annotations

import io
import sys

import pytest
import structlog

from arb_pipelines import logs
from arb_pipelines.settings import Settings


def test_events_follow_stderr(home: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stderr that was closed after the configuration does not break the next event."""
    closed, later = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stderr", closed)
    logs.configure(home)
    closed.close()
    monkeypatch.setattr(sys, "stderr", later)
    structlog.get_logger().warning("told", fact=1)
    assert "told" in later.getvalue()
