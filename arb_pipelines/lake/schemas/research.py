"""Tables of the market and of what was found in it: lists, cycles, books, opportunities."""

from __future__ import annotations

from arb_pipelines.lake.schemas.table import CYCLE, DAY, START, SYMBOL, VENUE, Column, Table

MARKETS = Table(
    "markets",
    "one symbol of a venue's list, as valid on a day",
    (
        VENUE,
        DAY,
        SYMBOL,
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
        VENUE,
        DAY,
        Column("cycle_no", "INTEGER", "Position in the day's universe, from 0"),
        CYCLE,
        Column("length", "SMALLINT", "Number of legs"),
        START,
        Column("path", "VARCHAR", "Currencies in order: 'USDT>BTC>ETH>USDT'"),
    ),
    partition_by=("venue", "day"),
    key=("venue", "day", "cycle_no"),
)

CYCLE_LEGS = Table(
    "cycle_legs",
    "one leg of a cycle",
    (
        VENUE,
        DAY,
        Column("cycle_no", "INTEGER", "The cycle's position in the day's universe"),
        Column("leg_no", "SMALLINT", "Order in the cycle, from 0"),
        SYMBOL,
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
    VENUE,
    DAY,
    Column("row_no", "BIGINT", "Order of arrival in the partition, from 0 without holes"),
    SYMBOL,
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
        VENUE,
        DAY,
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
        VENUE,
        DAY,
        _SOURCE,
        SYMBOL,
        Column(
            "ts_recv",
            "BIGINT",
            "When the gap was noticed: receipt of the first update after it, ns",
        ),
        Column(
            "expected",
            "BIGINT",
            "Sequence number that should have come; 0 where the venue gives none",
        ),
        Column("got", "BIGINT", "Sequence number that came; 0 where none did"),
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
        VENUE,
        DAY,
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
        VENUE,
        DAY,
        Column("opportunity_no", "INTEGER", "Order of first sight in the day, from 0"),
        CYCLE,
        START,
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
