"""The folder of study files, and the search of one of their windows by name.

What a file may say belongs in ``optimize.study``; how a window is searched, in
``optimisation``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import orjson

from arb_pipelines.errors import ConfigError
from arb_pipelines.lake.schemas import OPTIMIZATION_BEST, OPTIMIZATION_TRIALS
from arb_pipelines.lake.store import Lake
from arb_pipelines.optimize.study import Study, load_study
from arb_pipelines.research.named_files import find_in_folder, load_folder
from arb_pipelines.research.optimisation import run_window
from arb_pipelines.research.study_pictures import study_pictures
from arb_pipelines.research.study_reports import Progress, Standing, WindowReport

#: How often a search tells how far it is.
_REPORTS = 20


def load_studies(folder: Path) -> tuple[dict[str, Study], list[ConfigError]]:
    """Read the studies of ``folder`` by name, and what is wrong with its other files."""
    return load_folder(folder, load_study, "study")


@dataclass(frozen=True, slots=True)
class Searched:
    """One window of a study: what was found, drawn; None where the study has no such window."""

    report: WindowReport | None
    pictures: dict[str, str]

    @property
    def facts(self) -> dict[str, object]:
        """What to show of it at a glance, by name."""
        if self.report is None:
            return {"empty": "the study has no such window"}
        shown = ("trials", "complete", "pruned", "failed", "params", "value", "test_value")
        luck = ("deflated_sharpe", "pbo", "stability", "unknown", "digest", "seconds")
        facts = self.report.best.select(*shown, *luck).row(0, named=True)
        front = self.report.front
        return (
            facts
            | {"params": orjson.loads(facts["params"] or "null")}
            | ({} if front is None else {"front": front})
        )


def search_window(
    lake: Lake,
    name: str,
    window: str,
    *,
    workers: int,
    seed: int | None = None,
    fresh: bool = False,
    run_id: str | None = None,
    progress: Progress,
    say: Callable[[str], None],
) -> Searched:
    """Search ``window`` of the study named ``name`` in the studies folder, and draw the result.

    A window that the study does not have is no error, since partitions cross every
    study with every window: it is said, and what an earlier version of the study
    had there goes. ``progress`` is told some twenty times.

    Raises:
        ConfigError: there is no such study.
        ArbError: as ``run_window``.
    """
    study = find_in_folder(lake.settings.studies, name, load_study, "study")
    windows = [each.name for each in study.all_windows]
    if window not in windows:
        say(f"{name} has no window {window}, only {windows[0]} to {windows[-1]}: nothing to search")
        nothing = {table: table.frame() for table in (OPTIMIZATION_TRIALS, OPTIMIZATION_BEST)}
        lake.replace({"study": name, "window_name": window}, nothing)
        return Searched(None, {})
    report = run_window(
        lake,
        study,
        window,
        workers=workers,
        seed=seed,
        fresh=fresh,
        run_id=run_id,
        progress=_now_and_then(progress, say),
    )
    return Searched(report, study_pictures(lake, study, report))


def _now_and_then(progress: Progress, say: Callable[[str], None]) -> Progress:
    def tell(now: Standing) -> None:
        if now.told % max(now.trials // _REPORTS, 1) == 0 or now.told == now.trials:
            say(str(now))
            progress(now)

    return tell
