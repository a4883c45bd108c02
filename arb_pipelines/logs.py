"""Structured logging: constant event names, facts as key-value pairs, on stderr.

Standard output belongs to a command's result; nothing is logged there.
"""

from __future__ import annotations

import logging
import sys

import structlog

from arb_pipelines.settings import Settings, unknown_names

_log = structlog.get_logger()


def configure(settings: Settings) -> None:
    """Send structlog's events to stderr, as text or JSON, from ``log_level`` upwards."""
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if settings.log_json
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[settings.log_level.upper()]
        ),
        # Looked up at each event: stderr may be replaced or closed after this was called.
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
    )


def warn_of_unknown_names() -> None:
    """Tell of each name that looks like a setting, is none, and so does nothing."""
    for name, nearest in unknown_names().items():
        meant = {} if nearest is None else {"meant": nearest}
        _log.warning("settings.unknown_name_ignored", name=name, **meant)
