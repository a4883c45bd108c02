"""What counts against a session before it begins: earlier starts, and whom it continues.

How a journal is read belongs to ``execution.spent``.
"""

from __future__ import annotations

from pathlib import Path

from arb_pipelines.execution.limits import NOTHING, Spent
from arb_pipelines.execution.spent import read_spent
from arb_pipelines.research.session_requests import RequestFile, SessionRequest
from arb_pipelines.yaml_files import read_model


def spent_before(sessions: Path, request: SessionRequest) -> Spent:
    """Add up the journals of the session, of the lost one that it continues, and so on.

    Raises:
        ConfigError: the request in a folder on the way cannot be read.
    """
    spent, seen = NOTHING, set[str]()
    key: str | None = request.key
    while key is not None and key not in seen:
        seen.add(key)
        spent += read_spent(sessions / key)
        kept = sessions / key / "request.yaml"
        if key == request.key:
            key = request.continues
        else:
            key = read_model(kept, RequestFile).continues if kept.exists() else None
    return spent
