"""Telling Dagster how sessions stand, while they trade: figures, pictures and checks.

Trading waits for none of it. Reports are made in a thread of their own, and pictures, which
would keep Python's lock for long, drawn in a process of their own.
"""

import os
import threading
from typing import Any, Self

import dagster as dg
import structlog
from sqlalchemy.exc import SQLAlchemyError

from arb_pipelines.clock import day_of
from arb_pipelines.containers.executors import open_executor
from arb_pipelines.containers.modes import ThreadModel
from arb_pipelines.errors import ArbError
from arb_pipelines.execution.records.timings import Stage
from arb_pipelines.lake.models.checks import CheckResult, run_checks
from arb_pipelines.lake.schemas import LIVE_EXECUTIONS, LIVE_LEGS, LIVE_METRICS, LIVE_SESSIONS
from arb_pipelines.lake.store import Lake
from arb_pipelines.research.models import all_checks, define_models
from arb_pipelines.research.session_pictures import session_pictures
from arb_pipelines.research.sessions import SessionProgress
from arb_pipelines.research.state_rows import STATE_TABLES
from assets.checks import evaluation
from assets.partitions import STRATEGIES, VENUES, StrategyDay, VenueDay
from assets.tables import asset_of, row_counts

#: The tables that a session fills.
TABLES = (LIVE_SESSIONS, LIVE_EXECUTIONS, LIVE_LEGS, LIVE_METRICS)

#: Least time between two reports, s.
_EVERY_S = 15.0
#: How far pictures stand back behind trading where both want a core.
_POLITENESS = 10


class SessionReports:
    """Reports the newest standing of each session of a process now and then, and when it is closed.

    Whatever strategies it comes to host, each is reported under its own partition.
    """

    def __init__(self, context: dg.OpExecutionContext, lake: Lake) -> None:
        self._context, self._lake = context, lake
        checks = all_checks()
        self._checks, self._engine_checks = (
            [check for check in checks if check.on in {table.name for table in tables}]
            for tables in (TABLES, STATE_TABLES)
        )
        self._draughtsman = open_executor(
            ThreadModel.PROCESS_PARALLEL, 1, initializer=os.nice, initargs=(_POLITENESS,)
        )
        self._newest: dict[str, SessionProgress] = {}  # by session
        self._taking = threading.Lock()  # each session tells from a thread of its own
        self._partitions: set[tuple[str, str]] = set()
        # by strategy: Dagster shows one result a check, and one strategy's may not hide another's
        self._checked: dict[str, list[CheckResult]] = {}
        self._models_defined = False
        self._news, self._closing = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="session-reports", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.close(within_s=0.0)

    def tell(self, progress: SessionProgress) -> None:
        """Take note of how a session stands; returns at once."""
        with self._taking:
            self._newest[progress.session] = progress
        self._news.set()

    def close(self, within_s: float) -> None:
        """Make the last report; it is left alone if it takes longer than that."""
        self._closing.set()
        self._news.set()
        self._thread.join(within_s)

    def _run(self) -> None:
        while not self._closing.is_set():
            self._news.wait()
            self._news.clear()
            self._report_newest()
            self._closing.wait(_EVERY_S)
        self._report_newest()
        self._draughtsman.close()

    def _report_newest(self) -> None:
        with self._taking:
            newest, self._newest = self._newest, {}
        # a session that took another's place began later: its figures are to be the last
        for _, progress in sorted(newest.items()):
            try:
                if not self._closing.is_set():  # the last report is waited for, but not for long
                    self._define_models()
                self._report(progress)
            except (dg.DagsterError, SQLAlchemyError, ArbError, OSError) as error:
                structlog.get_logger().warning(
                    "session.report_fails", of=progress.session, error=str(error)
                )

    def _report(self, progress: SessionProgress) -> None:
        self._define_partition(str(STRATEGIES.name), progress.strategy)
        self._define_partition(str(VENUES.name), progress.venue)
        part = StrategyDay(progress.strategy, day_of(progress.ts_ns))
        facts = facts_of(progress, self._pictures(progress.session))
        for table, rows in row_counts(self._lake, TABLES, part).items():
            shown: dict[str, Any] = {
                "session": progress.session,
                "dagster/partition_row_count": rows,
            }
            asset = asset_of(table)
            self._context.log_event(
                dg.AssetMaterialization(
                    asset, partition=part.key, metadata=shown | facts.get(asset, {})
                )
            )
        venue_day = VenueDay(progress.venue, day_of(progress.ts_ns))
        for table, rows in row_counts(self._lake, STATE_TABLES, venue_day).items():
            self._context.log_event(
                dg.AssetMaterialization(
                    table,
                    partition=venue_day.key,
                    metadata={"session": progress.session, "dagster/partition_row_count": rows},
                )
            )
        self._checked[progress.strategy] = run_checks(self._lake, self._checks, part._asdict())
        engine = run_checks(self._lake, self._engine_checks, venue_day._asdict())
        for results in (*zip(*self._checked.values(), strict=True), *zip(engine, strict=True)):
            # Dagster takes these too, and only its annotation leaves them out
            self._context.log_event(evaluation(results))  # type: ignore[arg-type]

    def _define_partition(self, dimension: str, name: str) -> None:
        """Have a strategy or venue among the partitions, once: one that is added may be new."""
        if (dimension, name) not in self._partitions:
            self._context.instance.add_dynamic_partitions(dimension, [name])
            self._partitions.add((dimension, name))

    def _define_models(self) -> None:
        """Have the views over the session's tables defined, once: nobody else may ever do it."""
        if self._models_defined:
            return
        self._draughtsman.submit(0, define_models, Lake(self._lake.settings))
        (done,) = self._draughtsman.wait()
        if done.error is not None:
            structlog.get_logger().warning("session.models_fail", error=done.error)
        self._models_defined = done.error is None

    def _pictures(self, session: str) -> dict[str, str]:
        """Have the pictures drawn; none, said in the log, where that fails."""
        seen = Lake(self._lake.settings, read_only=True)
        self._draughtsman.submit(0, session_pictures, (seen, session))
        (done,) = self._draughtsman.wait()
        if done.error is not None:
            structlog.get_logger().warning("session.drawing_fails", error=done.error)
            return {}
        return dict(done.result)


def facts_of(progress: SessionProgress, pictures: dict[str, str]) -> dict[str, dict[str, Any]]:
    """What is shown at a session's tables, by asset; pictures are markdown."""
    counts, latency = progress.counts, progress.latency_us
    drawn = {name: dg.MetadataValue.md(picture) for name, picture in pictures.items()}
    return {
        LIVE_EXECUTIONS.name: {
            "executions": sum(counts.executions.values()),
            "by_status": {str(status): n for status, n in counts.executions.items()},
            **{f"profit_{currency}": amount for currency, amount in progress.profit.items()},
            "orders": counts.orders,
            "fills": counts.fills,
            "in_flight": counts.in_flight,
            **{name: drawn[name] for name in drawn if name == "profit_over_time"},
        },
        asset_of(LIVE_METRICS.name): {
            "books": counts.books,
            "signals": counts.signals,
            "refused": sum(counts.refused.values()),
            "refusals": dict(counts.refused),
            **{
                f"latency_{name}_us": {stage: spread[name] for stage, spread in latency.items()}
                for name in ("p50", "p99", "max")
            },
            # a number by itself is drawn over time by the UI
            **{f"cycle_{name}_us": us for name, us in latency.get(Stage.CYCLE, {}).items()},
            **{name: drawn[name] for name in drawn if name == "latency"},
        },
    }
