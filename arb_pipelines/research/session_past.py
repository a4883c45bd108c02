"""What came before a session: its own earlier starts, and the lost session that it continues.

How a journal is read belongs to ``execution``; what was left open on the account is recovered
by its state (``session_recovery``).
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from arb_pipelines.execution.limits import NOTHING, Spent
from arb_pipelines.execution.spent import read_spent
from arb_pipelines.research.session_requests import RequestFile, SessionRequest
from arb_pipelines.yaml_files import read_model


def earlier_folders(sessions: Path, request: SessionRequest) -> list[Path]:
    """Give the folders of a session, of the lost one that it continues, and so on.

    Raises:
        ConfigError: the request in a folder on the way cannot be read.
    """
    found: list[Path] = []
    key: str | None = request.key
    while key is not None and sessions / key not in found:
        folder = sessions / key
        found.append(folder)
        kept = folder / "request.yaml"
        if key == request.key:
            key = request.continues
        else:
            key = read_model(kept, RequestFile).continues if kept.exists() else None
    return found


def spent_before(folders: Iterable[Path]) -> Spent:
    """Add up what their journals tell."""
    spent = NOTHING
    for folder in folders:
        spent += read_spent(folder)
    return spent
