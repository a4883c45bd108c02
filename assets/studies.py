"""Searches for parameters: every trial of a study's window, and what the best is worth."""

import os
from collections.abc import Iterator
from dataclasses import asdict

import dagster as dg
from pydantic import Field

from arb_pipelines.lake.schemas import OPTIMIZATION_BEST, OPTIMIZATION_TRIALS
from arb_pipelines.lake.store import Lake
from arb_pipelines.research.studies import search_window
from arb_pipelines.research.study_reports import Progress, Standing
from assets.partitions import ONE_WINDOW_A_RUN, STUDY_WINDOWS, StudyWindow, study_windows
from assets.tables import described, materialized

TABLES = (OPTIMIZATION_TRIALS, OPTIMIZATION_BEST)


class SearchConfig(dg.Config):
    """How a window is searched; none of it but the seed changes what is found."""

    workers: int = Field(
        os.cpu_count() or 1, ge=1, le=1024, description="Trials at once; default all cores."
    )
    seed: int | None = Field(None, ge=0, lt=2**32, description="Null takes the study's own.")
    fresh: bool = Field(False, description="Begin anew instead of going on with what was begun.")


@dg.multi_asset(
    specs=[
        dg.AssetSpec(
            table.name,
            # A study names its days and symbols itself, so it may read any partition.
            deps=[
                dg.AssetDep(name, partition_mapping=dg.AllPartitionMapping())
                for name in ("markets", "book_tops", "book_levels")
            ],
            **described(table, group="optimization", kinds=frozenset({"optuna"})),
        )
        for table in TABLES
    ],
    partitions_def=STUDY_WINDOWS,
    backfill_policy=ONE_WINDOW_A_RUN,
    pool="search",
)
def optimization(
    context: dg.AssetExecutionContext, config: SearchConfig, lake: dg.ResourceParam[Lake]
) -> Iterator[dg.MaterializeResult]:
    """Search each window of the run."""
    facts = {}
    for part in study_windows(context.partition_keys):
        searched = search_window(
            lake,
            *part,
            **config.model_dump(),
            run_id=context.run.run_id,
            progress=_observe(context, part),
            say=context.log.info,
        )
        pictures = {name: dg.MetadataValue.md(png) for name, png in searched.pictures.items()}
        facts[part] = {**searched.facts, **pictures}
    yield from materialized(context, lake, TABLES, facts)


def _observe(context: dg.AssetExecutionContext, part: StudyWindow) -> Progress:
    """Show on the trials' page how far the search is, while it runs."""

    def observe(now: Standing) -> None:
        known = {name: value for name, value in asdict(now).items() if value is not None}
        trials = OPTIMIZATION_TRIALS.name
        context.log_event(dg.AssetObservation(trials, partition=part.key, metadata=known))

    return observe
