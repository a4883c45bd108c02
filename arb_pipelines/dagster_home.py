"""Dagster's place in one home: the folder of its runs and how its processes find it.

Knows where things are and imports nothing of Dagster. Starting its services
belongs in ``serving``, running a job without them in ``headless``.
"""

from __future__ import annotations

from pathlib import Path

from arb_pipelines.settings import Settings

PROJECT = Path(__file__).resolve().parent.parent
WORKSPACE = PROJECT / "workspace.yaml"


def prepare(settings: Settings) -> Path:
    """Make the folder of the home's Dagster instance and give it the project's ``dagster.yaml``."""
    folder = settings.root / "dagster"
    folder.mkdir(parents=True, exist_ok=True)
    wanted = (PROJECT / "dagster.yaml").read_text()
    present = folder / "dagster.yaml"
    if not present.exists() or present.read_text() != wanted:
        present.write_text(wanted)
    return folder


def environment(settings: Settings) -> dict[str, str]:
    """Variables that bind a Dagster process, wherever it starts, to this home."""
    return {
        "ARB_HOME": str(settings.root),
        "ARB_STRATEGIES": str(settings.strategies.absolute()),
        "ARB_STUDIES": str(settings.studies.absolute()),
        "DAGSTER_HOME": str(prepare(settings)),
        "PYTHONWARNINGS": "ignore",
    }
