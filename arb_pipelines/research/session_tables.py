"""What a session keeps, as rows of the lake: batches while it runs, and its last word.

A row written again replaces itself, so a batch whose commit was lost sight of is simply
written once more. A session that is started again under its key goes on with the numbers of
its executions and writes; rows of an earlier start are those from before the start.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import polars as pl

from arb_pipelines.clock import day_of
from arb_pipelines.execution.records.values import (
    Batch,
    ExecutionRecord,
    ExecutionStatus,
    LegRecord,
    SessionHead,
    SessionState,
)
from arb_pipelines.lake.schemas import (
    LIVE_EXECUTIONS,
    LIVE_LEGS,
    LIVE_METRICS,
    LIVE_SESSIONS,
    TABLES,
)
from arb_pipelines.lake.schemas.table import Table
from arb_pipelines.lake.store import Lake
from arb_pipelines.lake.transaction import Transaction
from arb_pipelines.market.cycles import BUY, SIDES

_BPS = 10_000.0
Row = dict[str, Any]


def write_batch(lake: Lake, batch: Batch) -> dict[str, int]:
    """Commit a batch, whole or not at all; return rows by table.

    Writing it again changes nothing. Batches of a session go in the order of their numbers.

    Raises:
        ArbError: the lake could not take it; nothing of it is there.
    """

    def work(transaction: Transaction) -> dict[str, int]:
        rows = rows_of(batch, *_first_numbers(transaction, batch.head))
        return {
            name: transaction.upsert(TABLES[name], frame)
            for name, frame in rows.items()
            if len(frame)
        }

    return lake.commit(work)


def write_lost(lake: Lake, batch: Batch) -> None:
    """Commit what the journal of a session has that was killed: executions, orders, its end.

    What it counted itself, as far as it was written, stays, and so does an end that it told.
    Writing it again changes nothing.

    Raises:
        ArbError: the lake could not take it; nothing of it is there.
    """

    def work(transaction: Transaction) -> None:
        rows = rows_of(batch, *_first_numbers(transaction, batch.head))
        own = transaction.connection.execute(
            "SELECT state, books, signals, refused FROM live_sessions WHERE session = ?",
            [batch.head.session],
        ).pl()
        session = rows[LIVE_SESSIONS.name]
        if len(own) and own["state"].item() in (SessionState.ENDED, SessionState.FAILED):
            rows[LIVE_SESSIONS.name] = session.clear()
        elif len(own):
            counted = own.drop("state")
            session = session.drop(counted.columns).hstack(counted)
            rows[LIVE_SESSIONS.name] = session.select(LIVE_SESSIONS.names)
        for table in (LIVE_SESSIONS, LIVE_EXECUTIONS, LIVE_LEGS):
            if len(rows[table.name]):
                transaction.upsert(table, rows[table.name])

    lake.commit(work)


def rows_of(batch: Batch, first_trade: int = 0, first_flush: int = 0) -> dict[str, pl.DataFrame]:
    """Give a batch as rows of each table, by the table's name.

    Numbers count on from those given, which earlier starts of the session have not used.
    """
    legs = {
        (leg.trade_no, leg.report.number): leg
        for legs in (*(execution.legs for execution in batch.executions), batch.amended)
        for leg in legs
    }
    rows: dict[Table, list[Row]] = {
        LIVE_SESSIONS: [_session_row(batch)],
        LIVE_EXECUTIONS: [_execution_row(batch.head, record) for record in batch.executions],
        LIVE_LEGS: [_leg_row(batch.head, leg) for leg in legs.values()],
        LIVE_METRICS: list(_metric_rows(batch)),
    }
    for table, number, first in (
        (LIVE_EXECUTIONS, "trade_no", first_trade),
        (LIVE_LEGS, "trade_no", first_trade),
        (LIVE_METRICS, "flush_no", first_flush),
    ):
        for row in rows[table]:
            row[number] += first
    return {table.name: table.frame(found) for table, found in rows.items()}


def _first_numbers(transaction: Transaction, head: SessionHead) -> tuple[int, int]:
    """Numbers of the next execution and write that earlier starts of the session have left."""
    found = transaction.connection.execute(
        "SELECT (SELECT coalesce(max(trade_no) + 1, 0) FROM live_executions "
        "WHERE strategy = $1 AND session = $2 AND ts_decided < $3), "
        "(SELECT coalesce(max(flush_no) + 1, 0) FROM live_metrics "
        "WHERE strategy = $1 AND session = $2 AND ts < $3)",
        [head.strategy, head.session, head.ts_started],
    ).fetchone()
    assert found is not None
    return int(found[0]), int(found[1])


def _common(head: SessionHead, ts: int) -> Row:
    return {
        "session": head.session,
        "mode": head.mode,
        "strategy": head.strategy,
        "venue": head.venue,
        "day": day_of(ts),
    }


def _session_row(batch: Batch) -> Row:
    head, counts = batch.head, batch.counts
    ended = batch.end_reason is not None
    by_status: Row = {status: counts.executions.get(status, 0) for status in ExecutionStatus}
    return (
        _common(head, head.ts_started)
        | by_status
        | {
            "account": head.account,
            "strategy_digest": head.strategy_digest,
            "state": batch.state,
            "end_reason": batch.end_reason,
            "ts_started": head.ts_started,
            "ts_heard": batch.ts,
            "ts_ended": batch.ts if ended else None,
            "books": counts.books,
            "signals": counts.signals,
            "refused": sum(counts.refused.values()),
            "executions": sum(counts.executions.values()),
            "in_flight": counts.in_flight,
            "orders": counts.orders,
            "fills": counts.fills,
            "run_id": head.run_id,
        }
    )


def _execution_row(head: SessionHead, record: ExecutionRecord) -> Row:
    report, cycles = record.report, head.cycles
    same = (
        "ts_signal", "ts_end", "legs", "legs_filled", "unwind_orders", "committed", "spent",
        "returned", "profit", "expected_profit", "fee", "slippage", "latency", "residual",
        "residual_value",
    )  # fmt: skip
    return (
        _common(head, report.ts_signal)
        | {name: getattr(report, name) for name in same}
        | {
            "trade_no": report.execution,
            "correlation_id": record.correlation_id,
            "cycle_key": cycles.key(report.cycle),
            "path": cycles.path(report.cycle),
            "start_currency": cycles.currencies[int(cycles.start[report.cycle])],
            "status": record.status,
            "reason": record.reason,
            "unwind_cost": report.unwind,
            "gross_bps": report.gross * _BPS,
            "predicted_bps": report.predicted * _BPS,
            "effective_bps": report.profit * _BPS / report.spent if report.spent > 0 else None,
            "ts_book_event": record.ts_book_event,
            "ts_decided": max(record.ts_decided, head.ts_started),
            "ts_first_sent": record.ts_first_sent,
            "ts_last_fill": record.ts_last_fill,
        }
    )


def _leg_row(head: SessionHead, leg: LegRecord) -> Row:
    report, done, parts = leg.report, leg.report.done, leg.report.parts
    symbol = head.cycles.symbols[report.symbol]
    base, _, quote = symbol.partition("-")
    buys = report.side == BUY
    same = (
        "ts_sent", "ts_filled", "best_px", "limit_px", "planned_spent", "planned_received",
    )  # fmt: skip
    return (
        _common(head, leg.ts_signal)
        | {name: getattr(report, name) for name in same}
        | {name: getattr(done, name) for name in ("size", "funds", "spent", "received")}
        | parts._asdict()
        | {
            "trade_no": leg.trade_no,
            "leg_no": report.number,
            "kind": "unwind" if report.unwinds else "cycle",
            "client_id": leg.client_id,
            "order_id": leg.order_id,
            "symbol": symbol,
            "side": SIDES[report.side],
            "from_currency": quote if buys else base,
            "to_currency": base if buys else quote,
            "status": leg.status,
            "reason": leg.reason,
            "ts_answered": leg.ts_answered,
            "fill_px": done.funds / done.size if done.size > 0 else None,
            "order_amount": report.order,
            "fee_booked": leg.fee_booked,
            "fee_currency": leg.fee_currency,
            "fee_told": leg.fee_told,
            "fee_told_currency": leg.fee_told_currency,
        }
    )


def _metric_rows(batch: Batch) -> Iterator[Row]:
    common = _common(batch.head, batch.ts)
    del common["mode"]
    for metric in batch.metrics:
        yield common | {
            "flush_no": batch.number,
            "ts": max(batch.ts, batch.head.ts_started),
            "name": metric.name,
            "label": metric.label,
            "value": metric.value,
        }
