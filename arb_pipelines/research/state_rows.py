"""Cycles of a state file as rows of the lake's tables."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import orjson
import polars as pl

from arb_pipelines.clock import day_of
from arb_pipelines.execution.state.rows import cycle_of, order_of, transition_of
from arb_pipelines.execution.state.values import Cycle, StoredOrder, Transition
from arb_pipelines.lake.schemas import STRATEGY_CYCLES, STRATEGY_ORDERS, STRATEGY_TRANSITIONS
from arb_pipelines.lake.schemas.table import Table
from arb_pipelines.market.cycles import SIDES
from arb_pipelines.research.state_files import StateFile, reading_state
from arb_pipelines.trading.events import currencies

#: The tables that a cycle has rows in, itself first.
STATE_TABLES = (STRATEGY_CYCLES, STRATEGY_TRANSITIONS, STRATEGY_ORDERS)
Row = dict[str, Any]

_NAMED = "(SELECT value FROM json_each(?))"
#: What a cycle's rows are grouped by, and how they are asked for.
_PARTS = (
    ("cycle", f"SELECT * FROM transitions WHERE cycle IN {_NAMED} ORDER BY number"),
    ("cycle", f"SELECT * FROM orders WHERE cycle IN {_NAMED} ORDER BY intended_ns, client_id"),
    (
        "client_id",
        "SELECT fills.* FROM fills JOIN orders USING (client_id) "
        f"WHERE cycle IN {_NAMED} ORDER BY ts_ns, trade_id",
    ),
)


def rows_of(file: StateFile, cycles: Sequence[str]) -> Mapping[Table, pl.DataFrame]:
    """Give cycles that have ended, by their ids, as rows of each of ``STATE_TABLES``.

    Raises:
        DataError: the file cannot be read.
    """
    rows: dict[Table, list[Row]] = {table: [] for table in STATE_TABLES}
    ids = orjson.dumps([*cycles]).decode()
    with reading_state(file) as connection:
        moves, orders, fills = (_by(connection, *each, ids) for each in _PARTS)
        found = connection.execute(f"SELECT * FROM cycles WHERE id IN {_NAMED}", (ids,)).fetchall()
    for cycle in map(cycle_of, found):
        own = _common(file, cycle)
        history = [transition_of(row) for row in moves[cycle.id]]
        sent = [order_of(row) for row in orders[cycle.id]]
        rows[STRATEGY_CYCLES].append(own | _cycle_row(file, cycle, len(sent), len(history)))
        rows[STRATEGY_TRANSITIONS] += [
            own | _transition_row(number, move) for number, move in enumerate(history)
        ]
        rows[STRATEGY_ORDERS] += [own | _order_row(one, fills[one.client_id]) for one in sent]
    return {table: table.frame(its) for table, its in rows.items()}


def _by(
    connection: sqlite3.Connection, key: str, sql: str, ids: str
) -> defaultdict[str, list[sqlite3.Row]]:
    found = defaultdict[str, list[sqlite3.Row]](list)
    for row in connection.execute(sql, (ids,)):
        found[row[key]].append(row)
    return found


def _common(file: StateFile, cycle: Cycle) -> Row:
    assert cycle.ended_ns is not None, "only what has ended is copied"
    day = day_of(cycle.ended_ns)
    return {"venue": file.venue, "day": day, "account": file.account, "cycle": cycle.id}


def _cycle_row(file: StateFile, cycle: Cycle, orders: int, transitions: int) -> Row:
    currency, amount = cycle.current
    return {
        "tested": file.tested,
        "strategy": cycle.strategy,
        "session": cycle.session,
        "legs": ">".join(f"{symbol}:{SIDES[side]}" for symbol, side in cycle.legs),
        "start_currency": cycle.start,
        "state": cycle.state,
        "outcome": cycle.outcome,
        "legs_ended": cycle.step,
        "initial_amount": float(cycle.initial),
        "final_currency": currency,
        "final_amount": float(amount),
        "profit": _float(cycle.profit),
        "changes": _json({name: f"{by:f}" for name, by in sorted(cycle.changes.items())}),
        "orders": orders,
        "transitions": transitions,
        "error": cycle.error,
        "metadata": _json(cycle.metadata),
        "ts_started": cycle.started_ns,
        "ts_ended": cycle.ended_ns,
        "ts_updated": cycle.updated_ns,
    }


def _transition_row(number: int, move: Transition) -> Row:
    return {
        "step_no": number,
        "ts": move.ts_ns,
        "from_state": move.before,
        "to_state": move.after,
        "what": move.what,
        "why": move.why,
    }


def _order_row(order: StoredOrder, fills: Iterable[sqlite3.Row]) -> Row:
    given, got = currencies(order)
    told = [[fill["trade_id"], fill["size"], fill["price"], fill["ts_ns"]] for fill in fills]
    return {
        "client_id": order.client_id,
        "order_id": order.order_id,
        "purpose": order.purpose,
        "leg_no": order.leg,
        "symbol": order.symbol,
        "side": SIDES[order.side],
        "kind": order.kind,
        "time_in_force": order.time_in_force,
        "size": _float(order.size),
        "funds": _float(order.funds),
        "limit_px": _float(order.price),
        "status": order.status,
        "filled": float(order.filled),
        "funds_filled": float(order.funds_filled),
        "from_currency": given,
        "spent": float(order.spent),
        "to_currency": got,
        "received": float(order.received),
        "fee": float(order.fee),
        "fee_currency": order.fee_currency,
        "executions": _json(told),
        "reason": order.reason,
        "ts_intended": order.intended_ns,
        "ts_ended": order.ended_ns,
    }


def _float(amount: Decimal | None) -> float | None:
    return None if amount is None else float(amount)


def _json(value: object) -> str:
    return orjson.dumps(value).decode()
