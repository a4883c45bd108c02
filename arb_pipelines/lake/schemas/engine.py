"""Tables of what the strategy engine did, copied from its state files once a cycle has ended.

They lie by venue and day of the cycle's end. Amounts are the doubles nearest the exact ones;
``changes`` and ``executions`` keep those as text. A row written again replaces itself.
"""

from __future__ import annotations

from arb_pipelines.lake.schemas.table import START, STRATEGY, VENUE, Column, Table

_DAY = Column("day", "DATE", "UTC day on which its cycle ended")
_ACCOUNT = Column("account", "VARCHAR", "Fingerprint of the account, as in the state file's name")
_CYCLE = Column("cycle", "VARCHAR", "Id of the cycle; begins the client ids of its orders")
_PARTITION = ("venue", "day")

STRATEGY_CYCLES = Table(
    "strategy_cycles",
    "one cycle of the engine that has ended, as its state file had it last",
    (
        VENUE,
        _DAY,
        _ACCOUNT,
        _CYCLE,
        Column("tested", "BOOLEAN", "Its orders were only tested at the venue: paper"),
        STRATEGY,
        Column("session", "VARCHAR", "Session that began it"),
        Column("legs", "VARCHAR", "Legs in their order: 'BTC-USDT:buy>ETH-BTC:buy>ETH-USDT:sell'"),
        START,
        Column("state", "VARCHAR", "'completed' or 'failed'"),
        Column(
            "outcome",
            "VARCHAR",
            "'filled', 'unwound', 'panic_sold', 'residual' or 'nothing'",
            nullable=True,
        ),
        Column("legs_ended", "INTEGER", "Legs whose orders ended"),
        Column("initial_amount", "DOUBLE", "What it committed, start currency"),
        Column("final_currency", "VARCHAR", "What it was in at its end"),
        Column("final_amount", "DOUBLE", "How much of it, final_currency"),
        Column("profit", "DOUBLE", "Start currency; other currencies stand in changes", True),
        Column("changes", "VARCHAR", 'What it did to balances, exactly: {"USDT": "0.6992"}'),
        Column("orders", "INTEGER", "Orders written down for it"),
        Column("transitions", "INTEGER", "Changes of its state"),
        Column("error", "VARCHAR", "What went wrong; NULL if nothing did", nullable=True),
        Column("metadata", "VARCHAR", "What was kept of the decision, as JSON"),
        Column("ts_started", "BIGINT", "It was written down, ns"),
        Column("ts_ended", "BIGINT", "It ended, ns"),
        Column("ts_updated", "BIGINT", "Last change, such as a fee told after its end, ns"),
    ),
    partition_by=_PARTITION,
    key=("venue", "day", "account", "cycle"),
    appended=True,
)

STRATEGY_TRANSITIONS = Table(
    "strategy_transitions",
    "one change of state of a cycle that has ended",
    (
        VENUE,
        _DAY,
        _ACCOUNT,
        _CYCLE,
        Column("step_no", "INTEGER", "Its place in the cycle's history, from 0"),
        Column("ts", "BIGINT", "When, ns"),
        Column("from_state", "VARCHAR", "State before; NULL for its first", nullable=True),
        Column("to_state", "VARCHAR", "State after"),
        Column("what", "VARCHAR", "What happened"),
        Column("why", "VARCHAR", "Why"),
    ),
    partition_by=_PARTITION,
    key=("venue", "day", "account", "cycle", "step_no"),
    appended=True,
)

STRATEGY_ORDERS = Table(
    "strategy_orders",
    "one order of a cycle that has ended: what was asked for, and what came of it",
    (
        VENUE,
        _DAY,
        _ACCOUNT,
        _CYCLE,
        Column("client_id", "VARCHAR", "Ours, unique for the account"),
        Column("order_id", "VARCHAR", "The venue's; NULL if it never took it", nullable=True),
        Column("purpose", "VARCHAR", "'leg', 'unwind' or 'panic'"),
        Column("leg_no", "INTEGER", "Leg from 0; NULL for one that brings home", nullable=True),
        Column("symbol", "VARCHAR", "BASE-QUOTE, such as BTC-USDT"),
        Column("side", "VARCHAR", "'buy' or 'sell'"),
        Column("kind", "VARCHAR", "'market' or 'limit'"),
        Column("time_in_force", "VARCHAR", "How long it was to stay"),
        Column("size", "DOUBLE", "Asked for, base; NULL if by funds", nullable=True),
        Column("funds", "DOUBLE", "Asked for, quote; NULL if by size", nullable=True),
        Column("limit_px", "DOUBLE", "Quote per base; NULL at market", nullable=True),
        Column("status", "VARCHAR", "'done', 'refused', 'lost'; else its end is not known"),
        Column("filled", "DOUBLE", "Base"),
        Column("funds_filled", "DOUBLE", "Value of filled, quote, before the fee"),
        Column("from_currency", "VARCHAR", "Currency it gave"),
        Column("spent", "DOUBLE", "from_currency, fee included where taken in it"),
        Column("to_currency", "VARCHAR", "Currency it got"),
        Column("received", "DOUBLE", "to_currency, net of a fee taken in it"),
        Column("fee", "DOUBLE", "fee_currency"),
        Column("fee_currency", "VARCHAR", "NULL if nothing filled", nullable=True),
        Column("executions", "VARCHAR", "Told by the venue: [[trade, size, price, ns], …] as JSON"),
        Column("reason", "VARCHAR", "Why not all of it filled; NULL if all did", nullable=True),
        Column("ts_intended", "BIGINT", "Written down, just before it left, ns"),
        Column("ts_ended", "BIGINT", "Its end was known, ns; NULL if it is not", nullable=True),
    ),
    partition_by=_PARTITION,
    key=("venue", "day", "account", "cycle", "client_id"),
    appended=True,
)

RECONCILIATIONS = Table(
    "reconciliations",
    "one currency of an order or of a balance: its change on a day to the engine and to the venue",
    (
        VENUE,
        Column("day", "DATE", "UTC day: an order's by when it was made, a balance's of its change"),
        _ACCOUNT,
        Column("kind", "VARCHAR", "'order', or 'balance' for the change of a whole balance"),
        Column("item", "VARCHAR", "Client id of the order, else the venue's id; the currency"),
        Column("symbol", "VARCHAR", "Of the order; NULL of a balance", nullable=True),
        Column("currency", "VARCHAR", "What was changed"),
        Column("ours", "DOUBLE", "Change by the engine's ledger; of a balance by all executions"),
        Column("theirs", "DOUBLE", "Change by the venue's executions, or of its balance"),
        Column("difference", "DOUBLE", "theirs - ours, taken exactly: 0 is to the last unit"),
        Column(
            "verdict",
            "VARCHAR",
            "'matched', 'fee_differs', 'others', 'deposit'; and what a person has to look at: "
            "'amount_differs', 'ours_only', 'theirs_only', 'withdrawn'",
        ),
        Column("explained", "BOOLEAN", "Whether nobody needs to look"),
        Column("why", "VARCHAR", "What explains it, or what is known"),
        Column("ts_from", "BIGINT", "The day's start; of a balance when it was seen first, ns"),
        Column("ts_to", "BIGINT", "The day's end, or now; of a balance when it was seen last, ns"),
    ),
    partition_by=_PARTITION,
    key=("venue", "day", "account", "kind", "item", "currency"),
    appended=True,
)
