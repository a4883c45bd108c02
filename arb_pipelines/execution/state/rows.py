"""Rows of the state file as values."""

from __future__ import annotations

import sqlite3
from decimal import Decimal
from typing import Any

import orjson

from arb_pipelines.execution.state.values import (
    BalanceSeen,
    Cycle,
    CycleState,
    Fill,
    OrderStatus,
    Outcome,
    Purpose,
    StoredOrder,
    Transition,
)
from arb_pipelines.trading.events import OrderKind, TimeInForce


def cycle_of(row: sqlite3.Row) -> Cycle:
    """Read a row of ``cycles``."""
    return Cycle(
        id=row["id"],
        strategy=row["strategy"],
        session=row["session"],
        start=row["start_currency"],
        legs=tuple((symbol, side) for symbol, side in orjson.loads(row["legs"])),
        initial=Decimal(row["initial_amount"]),
        state=CycleState(row["state"]),
        step=row["step"],
        changes={name: Decimal(by) for name, by in orjson.loads(row["changes"]).items()},
        outcome=None if row["outcome"] is None else Outcome(row["outcome"]),
        profit=_decimal(row["profit"]),
        error=row["error"],
        started_ns=row["started_ns"],
        ended_ns=row["ended_ns"],
        updated_ns=row["updated_ns"],
        metadata=orjson.loads(row["metadata"]),
    )


def order_of(row: sqlite3.Row) -> StoredOrder:
    """Read a row of ``orders``."""
    return StoredOrder(
        client_id=row["client_id"],
        cycle=row["cycle"],
        purpose=Purpose(row["purpose"]),
        leg=row["leg"],
        symbol=row["symbol"],
        side=row["side"],
        kind=OrderKind(row["kind"]),
        time_in_force=TimeInForce(row["time_in_force"]),
        size=_decimal(row["size"]),
        funds=_decimal(row["funds"]),
        price=_decimal(row["price"]),
        status=OrderStatus(row["status"]),
        order_id=row["order_id"],
        filled=Decimal(row["filled"]),
        funds_filled=Decimal(row["funds_filled"]),
        spent=Decimal(row["spent"]),
        received=Decimal(row["received"]),
        fee=Decimal(row["fee"]),
        fee_currency=row["fee_currency"],
        reason=row["reason"],
        intended_ns=row["intended_ns"],
        ended_ns=row["ended_ns"],
    )


def transition_of(row: sqlite3.Row) -> Transition:
    """Read a row of ``transitions``."""
    return Transition(
        number=row["number"],
        cycle=row["cycle"],
        ts_ns=row["ts_ns"],
        before=None if row["before"] is None else CycleState(row["before"]),
        after=CycleState(row["after"]),
        what=row["what"],
        why=row["why"],
    )


def fill_of(row: sqlite3.Row) -> Fill:
    """Read a row of ``fills``."""
    return Fill(
        client_id=row["client_id"],
        trade_id=row["trade_id"],
        size=Decimal(row["size"]),
        price=Decimal(row["price"]),
        ts_ns=row["ts_ns"],
    )


def balance_of(row: sqlite3.Row) -> BalanceSeen:
    """Read a row of ``balances_seen``."""
    return BalanceSeen(
        ts_ns=row["ts_ns"],
        currency=row["currency"],
        available=Decimal(row["available"]),
        source=row["source"],
    )


def _decimal(text: Any) -> Decimal | None:
    return None if text is None else Decimal(text)
