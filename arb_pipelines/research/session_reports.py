"""How a session stands, read back from the lake: for the command line and for Dagster.

Writing these tables belongs in ``session_tables``, pictures of them in ``session_pictures``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from arb_pipelines.lake.store import Lake


@dataclass(frozen=True, slots=True)
class SessionStanding:
    """One session: its row in ``live_sessions``, and its newest figures by name and label."""

    row: Mapping[str, Any]
    figures: Mapping[str, Mapping[str, float]]

    @property
    def profit(self) -> Mapping[str, float]:
        """Profit so far, by start currency."""
        return self.figures.get("profit", {})

    @property
    def refusals(self) -> Mapping[str, int]:
        """Signals that were refused, by reason."""
        return {reason: int(n) for reason, n in self.figures.get("refused", {}).items()}

    def latency_ms(self, percentile: str) -> Mapping[str, float]:
        """Latency by stage, in ms, at ``p50``, ``p99`` or ``max``."""
        found = self.figures.get(f"latency_{percentile}_us", {})
        return {stage: round(us / 1e3, 4) for stage, us in found.items()}


def session_rows(lake: Lake, *, limit: int = 50) -> list[dict[str, Any]]:
    """List the newest sessions of the lake, newest first."""
    return list(
        lake.query("SELECT * FROM live_sessions ORDER BY ts_started DESC LIMIT ?", [limit]).rows(
            named=True
        )
    )


def session_standing(lake: Lake, key: str) -> SessionStanding | None:
    """Read how a session stands after its last write; ``None`` before its first."""
    rows = lake.query("SELECT * FROM live_sessions WHERE session = ?", [key])
    if rows.is_empty():
        return None
    newest = lake.query(
        "SELECT name, label, value FROM live_metrics WHERE session = ? AND flush_no = "
        "(SELECT max(flush_no) FROM live_metrics WHERE session = ?)",
        [key, key],
    )
    figures: dict[str, dict[str, float]] = {}
    for name, label, value in newest.rows():
        figures.setdefault(name, {})[label] = value
    return SessionStanding(rows.row(0, named=True), figures)
