"""A process that searches the bowl's window, to be killed: LOG GATE GATE_AFTER WORKERS."""

from __future__ import annotations

import sys
from pathlib import Path

from arb_pipelines.lake.store import Lake
from arb_pipelines.research import optimisation
from arb_pipelines.research.targets import OpenedTarget
from arb_pipelines.settings import load_settings
from tests.fakes.searches import Bowl, study


def main(log: str, gate: str, gate_after: str, workers: str) -> None:
    """Search with a target that counts its evaluations and waits at the gate."""
    opened = OpenedTarget(Bowl(Path(log), Path(gate), int(gate_after)), "bowl")
    optimisation.open_target = lambda *_, **__: opened  # type: ignore[assignment]
    report = optimisation.run_window(
        Lake(load_settings()), study(), "w00", workers=int(workers), snapshot=None
    )
    sys.stdout.write(report.digest)


if __name__ == "__main__":
    main(*sys.argv[1:])
