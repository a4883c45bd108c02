"""Every table of the lake: its grain, columns, units and keys.

The one place they are written down. The store creates tables from it, readers
and engines build frames from it, the Dagster layer shows it, tests check it.
Time columns ``ts_*`` are integer nanoseconds since the epoch, UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

_POLARS: Mapping[str, pl.DataType] = {
    "VARCHAR": pl.String(),
    "BIGINT": pl.Int64(),
    "INTEGER": pl.Int32(),
    "SMALLINT": pl.Int16(),
    "DOUBLE": pl.Float64(),
    "BOOLEAN": pl.Boolean(),
    "DATE": pl.Date(),
    "DOUBLE[]": pl.List(pl.Float64()),
    "DECIMAL(38,18)": pl.Decimal(38, 18),
}


@dataclass(frozen=True, slots=True)
class Column:
    """One column: DuckDB type, meaning with unit, and whether it may be NULL."""

    name: str
    type: str
    doc: str
    nullable: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """One table: what a row is, what makes it unique, and how it is partitioned.

    ``partition_by`` names the columns of one replaceable slice; an empty tuple
    marks a table that only grows. ``key`` is unique in the table.
    """

    name: str
    grain: str
    columns: tuple[Column, ...]
    partition_by: tuple[str, ...] = ()
    key: tuple[str, ...] = ()
    names: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", tuple(column.name for column in self.columns))

    @property
    def ddl(self) -> str:
        """``CREATE TABLE IF NOT EXISTS`` statement."""
        body = ", ".join(
            f"{c.name} {c.type}{'' if c.nullable else ' NOT NULL'}" for c in self.columns
        )
        return f"CREATE TABLE IF NOT EXISTS {self.name} ({body})"

    @property
    def polars(self) -> dict[str, pl.DataType]:
        """Polars schema in column order."""
        return {column.name: _POLARS[column.type] for column in self.columns}

    def frame(
        self, data: Mapping[str, object] | list[dict[str, object]] | None = None
    ) -> pl.DataFrame:
        """Build a frame of exactly this schema; ``None`` gives an empty one."""
        return pl.DataFrame(data if data is not None else {}, schema=self.polars, strict=False)


_VENUE = Column("venue", "VARCHAR", "Exchange, lower case: kucoin, binance, …")
_DAY = Column("day", "DATE", "UTC day of ts_recv")
_SYMBOL = Column("symbol", "VARCHAR", "BASE-QUOTE, such as BTC-USDT")
_CYCLE = Column("cycle_key", "VARCHAR", "Canonical legs: 'BTC-USDT:buy>ETH-BTC:buy>ETH-USDT:sell'")
_STRATEGY = Column("strategy", "VARCHAR", "Name in the strategy file")
_START = Column("start_currency", "VARCHAR", "Currency the cycle starts and ends in")

MARKETS = Table(
    "markets",
    "one symbol of a venue's list, as valid on a day",
    (
        _VENUE,
        _DAY,
        _SYMBOL,
        Column("venue_symbol", "VARCHAR", "The venue's own name of the symbol"),
        Column("base", "VARCHAR", "Base currency"),
        Column("quote", "VARCHAR", "Quote currency"),
        Column("base_increment", "DECIMAL(38,18)", "Step of a size, in base", nullable=True),
        Column("quote_increment", "DECIMAL(38,18)", "Step of funds, in quote", nullable=True),
        Column("price_increment", "DECIMAL(38,18)", "Tick, quote per base", nullable=True),
        Column("base_min_size", "DECIMAL(38,18)", "Smallest size, in base", nullable=True),
        Column("base_max_size", "DECIMAL(38,18)", "Largest size, in base", nullable=True),
        Column("min_funds", "DECIMAL(38,18)", "Smallest notional, in quote", nullable=True),
        Column(
            "taker_fee_bps",
            "DOUBLE",
            "Listed taker fee; NULL where the list has none",
            nullable=True,
        ),
        Column(
            "maker_fee_bps",
            "DOUBLE",
            "Listed maker fee; NULL where the list has none",
            nullable=True,
        ),
        Column("fee_side", "VARCHAR", "Where the fee is taken: 'quote' or 'received' currency"),
        Column("status", "VARCHAR", "'trading' or 'halted'"),
        Column("inferred", "BOOLEAN", "Taken from a recording, not from a list"),
        Column("list_day", "DATE", "Day of the list this row was taken from"),
    ),
    partition_by=("venue", "day"),
    key=("venue", "day", "symbol"),
)

CYCLES = Table(
    "cycles",
    "one directed cycle of a venue's universe on a day, in its canonical rotation",
    (
        _VENUE,
        _DAY,
        Column("cycle_no", "INTEGER", "Position in the day's universe, from 0"),
        _CYCLE,
        Column("length", "SMALLINT", "Number of legs"),
        _START,
        Column("path", "VARCHAR", "Currencies in order: 'USDT>BTC>ETH>USDT'"),
    ),
    partition_by=("venue", "day"),
    key=("venue", "day", "cycle_no"),
)

CYCLE_LEGS = Table(
    "cycle_legs",
    "one leg of a cycle",
    (
        _VENUE,
        _DAY,
        Column("cycle_no", "INTEGER", "The cycle's position in the day's universe"),
        Column("leg_no", "SMALLINT", "Order in the cycle, from 0"),
        _SYMBOL,
        Column(
            "side",
            "VARCHAR",
            "'buy' (quote to base at the ask) or 'sell' (base to quote at the bid)",
        ),
        Column("from_currency", "VARCHAR", "Currency given"),
        Column("to_currency", "VARCHAR", "Currency received"),
    ),
    partition_by=("venue", "day"),
    key=("venue", "day", "cycle_no", "leg_no"),
)

_BOOK_HEAD = (
    _VENUE,
    _DAY,
    Column("row_no", "BIGINT", "Order of arrival in the partition, from 0 without holes"),
    _SYMBOL,
    Column("ts_event", "BIGINT", "The venue's time, ns; NULL where it sent none", nullable=True),
    Column("ts_recv", "BIGINT", "Our time of receipt, ns"),
    Column("update_id", "BIGINT", "The venue's sequence or update number", nullable=True),
)
_SOURCE = Column("source", "VARCHAR", "Name of the file the row came from")

BOOK_TOPS = Table(
    "book_tops",
    "one accepted state of a symbol's best bid and ask",
    (
        *_BOOK_HEAD,
        Column(
            "bid_px", "DOUBLE", "Best bid, quote per base; NULL on a one-sided book", nullable=True
        ),
        Column("bid_sz", "DOUBLE", "Size at the best bid, base", nullable=True),
        Column(
            "ask_px", "DOUBLE", "Best ask, quote per base; NULL on a one-sided book", nullable=True
        ),
        Column("ask_sz", "DOUBLE", "Size at the best ask, base", nullable=True),
        _SOURCE,
        Column(
            "source_row",
            "BIGINT",
            "0-based data row (line for text formats) in the source",
            nullable=True,
        ),
    ),
    partition_by=("venue", "day"),
    key=("venue", "day", "row_no"),
)

BOOK_LEVELS = Table(
    "book_levels",
    "one accepted state of a symbol's book, best level first; same row_no as its book_tops row",
    (
        *_BOOK_HEAD,
        Column("bid_px", "DOUBLE[]", "Bid prices, falling"),
        Column("bid_sz", "DOUBLE[]", "Bid sizes, base"),
        Column("ask_px", "DOUBLE[]", "Ask prices, rising"),
        Column("ask_sz", "DOUBLE[]", "Ask sizes, base"),
        _SOURCE,
    ),
    partition_by=("venue", "day"),
    key=("venue", "day", "row_no"),
)

REJECTED_ROWS = Table(
    "rejected_rows",
    "one input row that was not accepted, and why",
    (
        _VENUE,
        _DAY,
        _SOURCE,
        Column("row", "BIGINT", "0-based data row (line for text formats) in the source"),
        Column("symbol", "VARCHAR", "Symbol as the source names it", nullable=True),
        Column("reason", "VARCHAR", "Short constant reason, such as 'crossed' or 'unknown symbol'"),
        Column("detail", "VARCHAR", "The offending values", nullable=True),
    ),
    partition_by=("venue", "day"),
    key=("venue", "day", "source", "row"),
)

BOOK_GAPS = Table(
    "book_gaps",
    "one break in a symbol's update sequence",
    (
        _VENUE,
        _DAY,
        _SOURCE,
        _SYMBOL,
        Column("ts_recv", "BIGINT", "Receipt of the first update after the gap, ns"),
        Column("expected", "BIGINT", "Sequence number that should have come"),
        Column("got", "BIGINT", "Sequence number that came"),
        Column(
            "resynced_ts", "BIGINT", "When a snapshot healed it, ns; NULL if never", nullable=True
        ),
    ),
    partition_by=("venue", "day"),
)

INGESTS = Table(
    "ingests",
    "one source file in one partition: what was read, taken and refused",
    (
        _VENUE,
        _DAY,
        _SOURCE,
        Column("sha256", "VARCHAR", "Digest of the file"),
        Column("format", "VARCHAR", "Reader that was used"),
        Column("rows_read", "BIGINT", "Rows of the file that fall in this partition"),
        Column("rows_accepted", "BIGINT", "Rows now in book_tops"),
        Column("rows_rejected", "BIGINT", "Rows now in rejected_rows"),
        Column("gaps", "BIGINT", "Rows now in book_gaps"),
    ),
    partition_by=("venue", "day"),
    key=("venue", "day", "source"),
)

OPPORTUNITIES = Table(
    "opportunities",
    "one life of a cycle above the threshold, from first to last sight",
    (
        _VENUE,
        _DAY,
        Column("opportunity_no", "INTEGER", "Order of first sight in the day, from 0"),
        _CYCLE,
        _START,
        Column("length", "SMALLINT", "Number of legs"),
        Column(
            "fee_bps",
            "DOUBLE",
            "Taker fee a leg; NULL when the markets' own fees were used",
            nullable=True,
        ),
        Column("threshold_bps", "DOUBLE", "Net edge that opens a life"),
        Column(
            "max_age_ms", "BIGINT", "Age at which a book is stale; NULL for no limit", nullable=True
        ),
        Column("ts_first", "BIGINT", "First update above the threshold, ns"),
        Column("ts_last", "BIGINT", "Last update above the threshold, ns"),
        Column(
            "ts_end",
            "BIGINT",
            "When it ended, ns; NULL if the day ended first",
            nullable=True,
        ),
        Column(
            "ended_by",
            "VARCHAR",
            "'edge' (fell to the threshold), 'book' (became crossed or one-sided) or 'stale'; "
            "NULL if the day ended first",
            nullable=True,
        ),
        Column("updates", "BIGINT", "Evaluations above the threshold"),
        Column("peak_gross_bps", "DOUBLE", "Gross edge at the peak, bps"),
        Column("peak_net_bps", "DOUBLE", "Greatest net edge, bps"),
        Column("ts_peak", "BIGINT", "When the greatest net edge was seen, ns"),
        Column(
            "top_size_start",
            "DOUBLE",
            "Input that the tops of the books carried at the peak, start currency",
        ),
    ),
    partition_by=("venue", "day"),
    key=("venue", "day", "opportunity_no"),
)

BACKTEST_TRADES = Table(
    "backtest_trades",
    "one execution of a cycle in a backtest; amounts in start currency",
    (
        _STRATEGY,
        _VENUE,
        _DAY,
        Column("trade_no", "INTEGER", "Order of the decisions of the day, from 0"),
        _CYCLE,
        Column("path", "VARCHAR", "Currencies in order: 'USDT>BTC>ETH>USDT'"),
        _START,
        Column("status", "VARCHAR", "'completed', 'missed', 'unwound' or 'residual'"),
        Column("ts_signal", "BIGINT", "The decision: receipt of the update that signalled, ns"),
        Column("ts_end", "BIGINT", "Its last fill, ns"),
        Column("legs", "INTEGER", "Orders of the cycle that were sent"),
        Column("legs_filled", "INTEGER", "Those of them that were filled whole"),
        Column("unwind_orders", "INTEGER", "Orders sent to bring residuals back"),
        Column("committed", "DOUBLE", "Input decided on"),
        Column("spent", "DOUBLE", "Input used"),
        Column("returned", "DOUBLE", "Output of the last leg, and of unwinding"),
        Column("profit", "DOUBLE", "returned - spent; what is still out counts nothing"),
        Column("expected_profit", "DOUBLE", "Of the input used, at the decision's best prices"),
        Column("fee", "DOUBLE", "Part of expected_profit - profit: fees of the cycle's legs"),
        Column("slippage", "DOUBLE", "Part: levels walked at the decision"),
        Column("latency", "DOUBLE", "Part: levels moved between decision and arrival"),
        Column("residual", "DOUBLE", "Part: value, at the decision, of what is still out"),
        Column("unwind_cost", "DOUBLE", "Part: value unwound less what it brought"),
        Column("residual_value", "DOUBLE", "What the books would pay for what is still out"),
        Column("gross_bps", "DOUBLE", "Edge at the decision's best prices, before fees"),
        Column("predicted_bps", "DOUBLE", "Edge of the plan: after fees, depth and rounding"),
        Column("effective_bps", "DOUBLE", "profit / spent; NULL if nothing was", nullable=True),
    ),
    partition_by=("strategy", "day"),
    key=("strategy", "day", "trade_no"),
)

BACKTEST_LEGS = Table(
    "backtest_legs",
    "one order of a backtest: what was expected, what was filled, and the difference",
    (
        _STRATEGY,
        _VENUE,
        _DAY,
        Column("trade_no", "INTEGER", "The execution it belongs to"),
        Column("leg_no", "SMALLINT", "Order in the execution, from 0"),
        Column("kind", "VARCHAR", "'cycle', or 'unwind' for an order that brings back a residual"),
        _SYMBOL,
        Column("side", "VARCHAR", "'buy' or 'sell'"),
        Column("from_currency", "VARCHAR", "Currency given"),
        Column("to_currency", "VARCHAR", "Currency received"),
        Column("status", "VARCHAR", "'filled', 'partial' or 'missed'"),
        Column("ts_sent", "BIGINT", "Departure, ns"),
        Column("ts_filled", "BIGINT", "Arrival, ns"),
        Column("best_px", "DOUBLE", "Best price at the decision"),
        Column("limit_px", "DOUBLE", "Worst price accepted"),
        Column("fill_px", "DOUBLE", "Average price; NULL if nothing was filled", nullable=True),
        Column("order_amount", "DOUBLE", "Funds of a buy, size of a sell"),
        Column("planned_spent", "DOUBLE", "What the plan gives, from_currency"),
        Column("planned_received", "DOUBLE", "What the plan receives, to_currency"),
        Column("size", "DOUBLE", "Filled, base"),
        Column("funds", "DOUBLE", "Filled, quote before fees"),
        Column("spent", "DOUBLE", "Given, from_currency"),
        Column("received", "DOUBLE", "Received, to_currency"),
        Column("expected", "DOUBLE", "Value of spent at the decision's prices, start currency"),
        Column("filled", "DOUBLE", "Value of received at the same prices, start currency"),
        Column("fee", "DOUBLE", "Part of expected - filled, start currency"),
        Column("slippage", "DOUBLE", "Part: levels walked at the decision, start currency"),
        Column("latency", "DOUBLE", "Part: levels moved before arrival, start currency"),
    ),
    partition_by=("strategy", "day"),
    key=("strategy", "day", "trade_no", "leg_no"),
)

BACKTEST_SUMMARIES = Table(
    "backtest_summaries",
    "one strategy, day and start currency; amounts in start currency",
    (
        _STRATEGY,
        _VENUE,
        _DAY,
        _START,
        Column("strategy_digest", "VARCHAR", "SHA-256 of the strategy's parameters"),
        Column("updates", "BIGINT", "Book states replayed"),
        Column("signals", "BIGINT", "Evaluations at or above min_profit_bps"),
        Column("trades", "INTEGER", "Executions begun"),
        Column("completed", "INTEGER", "Executions whose legs after the first filled whole"),
        Column("missed", "INTEGER", "Executions whose first leg found nothing"),
        Column("unwound", "INTEGER", "Executions that fell short and were brought back"),
        Column("residuals", "INTEGER", "Executions with over 1 % of the input still out"),
        Column("wins", "INTEGER", "Executions with a profit above 0"),
        Column("win_rate", "DOUBLE", "wins / executions that spent; NULL if none", nullable=True),
        Column("legs", "INTEGER", "Orders of cycles sent"),
        Column("legs_filled", "INTEGER", "Those of them that were filled whole"),
        Column("fill_rate", "DOUBLE", "legs_filled / legs; NULL if none", nullable=True),
        Column("spent", "DOUBLE", "Input used"),
        Column("net_profit", "DOUBLE", "Sum of profit"),
        Column("balance", "DOUBLE", "In hand at the beginning of the day"),
        Column("max_drawdown", "DOUBLE", "Greatest fall of the summed profit, by end of trade"),
        Column("expected_profit", "DOUBLE", "Sum over trades, as are the parts that follow"),
        Column("fee", "DOUBLE", "Sum over trades"),
        Column("slippage", "DOUBLE", "Sum over trades"),
        Column("latency", "DOUBLE", "Sum over trades"),
        Column("residual", "DOUBLE", "Sum over trades"),
        Column("unwind_cost", "DOUBLE", "Sum over trades"),
        Column("residual_value", "DOUBLE", "Sum over trades"),
        Column("predicted_bps", "DOUBLE", "Mean of trades by input; NULL if none", nullable=True),
        Column("effective_bps", "DOUBLE", "net_profit / spent; NULL if none", nullable=True),
        Column("refused_stale", "BIGINT", "Signals refused: a leg's book was too old"),
        Column("refused_cool_down", "BIGINT", "Signals refused: the symbols rested"),
        Column("refused_slots", "BIGINT", "Signals refused: no slot was free"),
        Column("refused_triangle", "BIGINT", "Signals refused: the same symbols in flight"),
        Column("refused_symbol", "BIGINT", "Signals refused: one of the symbols in flight"),
        Column("refused_start_currency", "BIGINT", "Signals refused: start currency in flight"),
        Column("refused_funds", "BIGINT", "Signals refused: nothing free of the start currency"),
        Column("refused_depth", "BIGINT", "Signals refused: what was left earned too little"),
        Column("refused_minimum", "BIGINT", "Signals refused: below an increment or a minimum"),
        Column("refused_edge", "BIGINT", "Signals refused: rounding took the edge"),
    ),
    partition_by=("strategy", "day"),
    key=("strategy", "day", "start_currency"),
)

RUNS = Table(
    "runs",
    "one command or job that wrote to the lake, and the snapshot it read",
    (
        Column("run_id", "VARCHAR", "UUID, or the Dagster run id"),
        Column("task", "VARCHAR", "What ran: ingest, universe, scan, backtest, …"),
        Column("partition", "VARCHAR", "Partition it was for, such as 'binance|2025-08-31'"),
        Column(
            "lake_snapshot",
            "BIGINT",
            "Snapshot of the lake it read; read it again AT (VERSION => n)",
        ),
        Column("ts_started", "BIGINT", "ns"),
        Column("ts_ended", "BIGINT", "ns"),
        Column("params", "VARCHAR", "JSON of the parameters"),
        Column("version", "VARCHAR", "Version of this package"),
    ),
    key=("run_id", "task", "partition"),
)

TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        MARKETS,
        CYCLES,
        CYCLE_LEGS,
        BOOK_TOPS,
        BOOK_LEVELS,
        REJECTED_ROWS,
        BOOK_GAPS,
        INGESTS,
        OPPORTUNITIES,
        BACKTEST_TRADES,
        BACKTEST_LEGS,
        BACKTEST_SUMMARIES,
        RUNS,
    )
}
