"""Alerts: what a person should look at, as log events and as lines of one file.

``ARB_HOME/logs/alerts.jsonl`` holds one JSON object a line, so that whatever a
team uses to page people can follow it. Deciding what is an alert is the caller's.
"""

from __future__ import annotations

from pathlib import Path

import orjson
import structlog

from arb_pipelines.clock import iso, now_ns
from arb_pipelines.settings import Settings


def alerts_path(settings: Settings) -> Path:
    """File that alerts are appended to."""
    return settings.root / "logs" / "alerts.jsonl"


def raise_alert(settings: Settings, event: str, **facts: object) -> None:
    """Log ``event`` as an error and append it, with the time and ``facts``, to the file.

    A file that cannot be written is told in the log: nobody who raises an alert shall fail by it.
    """
    log, path = structlog.get_logger(), alerts_path(settings)
    log.error(event, **facts)
    line = orjson.dumps({"time": iso(now_ns()), "event": event, **facts}, default=str)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            file.write(line + b"\n")
    except OSError as error:
        log.warning("alert.unwritten", file=str(path), error=str(error))
