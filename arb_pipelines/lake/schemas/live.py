"""Tables of what live and paper sessions did, written while they run.

``live_executions`` and ``live_legs`` name their columns as ``backtest_trades`` and
``backtest_legs`` do, so that the two are compared by SQL as they stand. Rows come a few at a
time, and a row written again replaces itself.
"""

from __future__ import annotations

from arb_pipelines.lake.schemas.backtests import BACKTEST_LEGS, BACKTEST_TRADES
from arb_pipelines.lake.schemas.table import STRATEGY, VENUE, Column, Table

_SESSION = Column("session", "VARCHAR", "Its key, such as 'demo-kucoin-20260105T120000Z'")
_DAY = Column("day", "DATE", "UTC day of ts_signal")
_MODE = Column("mode", "VARCHAR", "'paper' or 'live'")
_PARTITION = ("strategy", "day")


def _same_as(table: Table, *names: str) -> tuple[Column, ...]:
    """The columns of these names, as ``table`` has them."""
    return tuple(column for column in table.columns if column.name in names)


def _same_but(table: Table, *names: str) -> tuple[Column, ...]:
    """The columns of ``table`` in their order, without these."""
    return tuple(column for column in table.columns if column.name not in names)


LIVE_SESSIONS = Table(
    "live_sessions",
    "one session, as it stands or as it ended; counts are since it was started last",
    (
        _SESSION,
        STRATEGY,
        VENUE,
        Column("day", "DATE", "UTC day of ts_started"),
        _MODE,
        Column("account", "VARCHAR", "Fingerprint of the account's key; tells nothing of it"),
        Column("strategy_digest", "VARCHAR", "SHA-256 of the strategy's parameters"),
        Column("state", "VARCHAR", "'running', 'ended', 'failed', or 'lost' without an end"),
        Column("end_reason", "VARCHAR", "Why it stopped; NULL while it runs", nullable=True),
        Column("ts_started", "BIGINT", "Its last start, ns"),
        Column("ts_heard", "BIGINT", "Its last sign of life in this table, ns"),
        Column("ts_ended", "BIGINT", "ns; NULL while it runs", nullable=True),
        Column("books", "BIGINT", "Books that reached its decisions"),
        Column("signals", "BIGINT", "Signals looked at"),
        Column("refused", "BIGINT", "Those that did not become an execution"),
        Column("executions", "BIGINT", "Executions that ended; the sum of the next five"),
        Column("filled", "BIGINT", "Whose legs after the first filled whole"),
        Column("failed", "BIGINT", "Whose first leg came to nothing"),
        Column("aborted", "BIGINT", "That a person took back between their legs"),
        Column("unwound", "BIGINT", "That fell short and were brought back"),
        Column("residual", "BIGINT", "With over 1 % of the input still out"),
        Column("in_flight", "BIGINT", "Executions begun and not ended"),
        Column("orders", "BIGINT", "Orders made, those of unwinding included"),
        Column("fills", "BIGINT", "Executions of orders told"),
        Column("run_id", "VARCHAR", "Run that hosts it; NULL without one", nullable=True),
    ),
    partition_by=_PARTITION,
    key=("session",),
    appended=True,
)

LIVE_EXECUTIONS = Table(
    "live_executions",
    "one execution of a cycle in a session, when it has ended; amounts in start currency",
    (
        _SESSION,
        _MODE,
        STRATEGY,
        VENUE,
        _DAY,
        Column("trade_no", "INTEGER", "Order of the decisions of the session, from 0"),
        Column(
            "correlation_id",
            "VARCHAR",
            "Name that the sender of its signal gave; NULL for one of our own",
            nullable=True,
        ),
        *_same_as(BACKTEST_TRADES, "cycle_key", "path", "start_currency"),
        Column("status", "VARCHAR", "'filled', 'failed', 'aborted', 'unwound' or 'residual'"),
        Column(
            "reason", "VARCHAR", "What its last order fell short by; NULL if filled", nullable=True
        ),
        *_same_but(
            BACKTEST_TRADES,
            *("strategy", "venue", "day", "trade_no", "cycle_key", "path", "start_currency"),
            "status",
        ),
        Column(
            "ts_book_event", "BIGINT", "The venue's time of the book; NULL if untold", nullable=True
        ),
        Column("ts_decided", "BIGINT", "Our clock when the signal was approved, ns"),
        Column(
            "ts_first_sent", "BIGINT", "Its first order left, ns; NULL if none did", nullable=True
        ),
        Column(
            "ts_last_fill", "BIGINT", "Its last fill was known, ns; NULL without one", nullable=True
        ),
    ),
    partition_by=_PARTITION,
    key=("session", "trade_no"),
    appended=True,
)

LIVE_LEGS = Table(
    "live_legs",
    "one order of an execution in a session: expected, filled, and the difference",
    (
        _SESSION,
        _MODE,
        STRATEGY,
        VENUE,
        _DAY,
        *_same_as(BACKTEST_LEGS, "trade_no", "leg_no", "kind"),
        Column("client_id", "VARCHAR", "Ours, unique for the account"),
        Column(
            "order_id", "VARCHAR", "The venue's; NULL if it never took the order", nullable=True
        ),
        *_same_as(BACKTEST_LEGS, "symbol", "side", "from_currency", "to_currency"),
        Column("status", "VARCHAR", "'filled', 'partial', 'missed' or 'rejected'"),
        Column("reason", "VARCHAR", "Why not all of it filled; NULL if all did", nullable=True),
        Column("ts_sent", "BIGINT", "Departure, ns"),
        Column("ts_answered", "BIGINT", "The venue's answer, ns; NULL without one", nullable=True),
        Column("ts_filled", "BIGINT", "Its end was known, ns"),
        *_same_but(
            BACKTEST_LEGS,
            *("strategy", "venue", "day", "trade_no", "leg_no", "kind", "symbol", "side"),
            *("from_currency", "to_currency", "status", "ts_sent", "ts_filled"),
        ),
        Column("fee_booked", "DOUBLE", "Fee counted in spent and received, fee_currency"),
        Column("fee_currency", "VARCHAR", "NULL if nothing filled", nullable=True),
        Column(
            "fee_told",
            "DOUBLE",
            "What the venue says it took; NULL until it does",
            nullable=True,
        ),
        Column(
            "fee_told_currency",
            "VARCHAR",
            "Of fee_told; may be another, where the venue takes fees in one of its own",
            nullable=True,
        ),
    ),
    partition_by=_PARTITION,
    key=("session", "trade_no", "leg_no"),
    appended=True,
)

LIVE_METRICS = Table(
    "live_metrics",
    "one figure of a session at one of its writes to the lake; counts are since its start",
    (
        _SESSION,
        STRATEGY,
        VENUE,
        Column("day", "DATE", "UTC day of ts"),
        Column("flush_no", "INTEGER", "Number of the write in the session, from 0"),
        Column("ts", "BIGINT", "ns"),
        Column(
            "name",
            "VARCHAR",
            "books, signals, refused, executions, orders, fills, latency_p50_us, latency_p99_us, "
            "latency_max_us, profit, unexplained; and gauges: in_flight, dropped, echoes, …",
        ),
        Column(
            "label",
            "VARCHAR",
            "Of refused the reason, executions the status, latency_* the stage, profit and "
            "unexplained the currency; else ''",
        ),
        Column("value", "DOUBLE", "Its value"),
    ),
    partition_by=_PARTITION,
    key=("session", "flush_no", "name", "label"),
    appended=True,
)
