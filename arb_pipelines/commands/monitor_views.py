"""How `arb monitor` shows cycles: as tables for people, as plain values for programs.

What is told of them is the engine's (``research.state_reports``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from decimal import Decimal
from typing import Any

import orjson
from rich.markup import escape
from rich.table import Table

from arb_pipelines.clock import NS_PER_MS, NS_PER_S, iso
from arb_pipelines.commands.output import print_facts, print_lines
from arb_pipelines.execution.state.lease import is_gone
from arb_pipelines.execution.state.values import Cycle, StoredOrder
from arb_pipelines.market.cycles import SIDES
from arb_pipelines.research.state_files import StateFile
from arb_pipelines.research.state_reports import AccountGlance, Glance, History
from arb_pipelines.trading.events import currencies

_ACCOUNTS = ("account", "cycles", "engine", "paused")
_OPEN = ("cycle", "strategy", "state", "legs", "in hand", "out", "age", "quiet", "why")
_ENDED = ("cycle", "strategy", "outcome", "committed", "profit", "ended", "took", "why")
_MOVES = ("at", "after", "from", "to", "what", "why")
_ORDERS = ("order", "for", "side", "symbol", "kind", "status")
_FILLS = ("at", "order", "trade", "size", "price")
_MINUTE_S, _HOUR_S, _DAY_S = 60, 3_600, 86_400


def accounts_table(accounts: Sequence[AccountGlance]) -> Table:
    """Show who trades on which account, and what is paused."""
    rows = (
        (
            one.file.name,
            str(one.cycles),
            _engine(one),
            "; ".join(f"{strategy} (by {pause.by}): {pause.why}" for strategy, pause in one.pauses),
        )
        for one in accounts
    )
    return _table(_ACCOUNTS, rows, "accounts")


def open_table(cycles: Sequence[Glance], now_ns: int) -> Table:
    """Show the cycles that have not ended."""
    rows = (
        (
            one.cycle.id,
            one.cycle.strategy,
            one.cycle.state,
            f"{one.cycle.step}/{len(one.cycle.legs)}",
            _amount(*one.cycle.current),
            str(one.orders_out or ""),
            lasted(now_ns - one.cycle.started_ns),
            lasted(now_ns - one.cycle.updated_ns),
            one.why,
        )
        for one in cycles
    )
    return _table(_OPEN, rows, f"{len(cycles)} open")


def ended_table(cycles: Sequence[Glance]) -> Table:
    """Show cycles that have ended."""
    rows = (
        (
            one.cycle.id,
            one.cycle.strategy,
            one.cycle.outcome or one.cycle.state,
            _amount(one.cycle.start, one.cycle.initial),
            "" if one.cycle.profit is None else exact(one.cycle.profit),
            _moment(one.cycle.ended_ns or one.cycle.updated_ns)[:19],
            lasted((one.cycle.ended_ns or one.cycle.updated_ns) - one.cycle.started_ns),
            one.cycle.error or one.why,
        )
        for one in cycles
    )
    return _table(_ENDED, rows, f"the last {len(cycles)} that ended")


def show_history(history: History, now_ns: int) -> None:
    """Print all there is of one cycle."""
    cycle = history.cycle
    print_facts(_facts(history.file, cycle, now_ns))
    moves = [
        (
            _moment(move.ts_ns),
            lasted(move.ts_ns - cycle.started_ns),
            move.before or "",
            move.after,
            move.what,
            move.why,
        )
        for move in history.transitions
    ]
    fills = [
        (_moment(fill.ts_ns), fill.client_id, fill.trade_id, exact(fill.size), exact(fill.price))
        for fill in history.fills
    ]
    changes = [(currency, exact(by)) for currency, by in cycle.changes.items()]
    orders = ((_order_row(order), _order_remark(order)) for order in history.orders)
    _print_lines(_MOVES, moves, f"\n{len(moves)} changes of state")
    print_lines(_ORDERS, orders, f"\n{len(history.orders)} orders")
    _print_lines(_FILLS, fills, f"\n{len(fills)} executions as the venue told them")
    _print_lines(("currency", "changed by"), changes, "\nbalances")


def glance_document(one: Glance) -> dict[str, Any]:
    """Give a cycle at a glance as plain values; amounts are decimal text."""
    last = {"what": one.what, "why": one.why, "orders_out": one.orders_out}
    return _cycle_document(one.file, one.cycle) | last


def history_document(history: History) -> dict[str, Any]:
    """Give all there is of a cycle as plain values; amounts are decimal text."""
    return _cycle_document(history.file, history.cycle) | {
        "transitions": _plain(asdict(move) for move in history.transitions),
        "orders": _plain(asdict(order) for order in history.orders),
        "fills": _plain(asdict(fill) for fill in history.fills),
    }


def lasted(ns: int) -> str:
    """Put a time in two units at most: ``850 ms``, ``2.5 s``, ``3 min 20 s``, ``4 d 3 h``."""
    if ns < NS_PER_S:
        return f"{ns / NS_PER_MS:.3g} ms"
    seconds = ns // NS_PER_S
    if seconds < _MINUTE_S:
        return f"{ns / NS_PER_S:.1f} s"
    if seconds < _HOUR_S:
        return f"{seconds // _MINUTE_S} min {seconds % _MINUTE_S} s"
    if seconds < _DAY_S:
        return f"{seconds // _HOUR_S} h {seconds % _HOUR_S // _MINUTE_S} min"
    return f"{seconds // _DAY_S} d {seconds % _DAY_S // _HOUR_S} h"


def exact(amount: Decimal) -> str:
    """Put an amount in digits, all of them, without zeros at the end."""
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]], title: str) -> Table:
    """A table whose ids are never folded, since they are copied: the other columns give way."""
    table = Table(title=title, box=None, pad_edge=False, title_justify="left")
    for column in columns:
        table.add_column(column, no_wrap=column == columns[0], overflow="fold")
    for row in rows:
        table.add_row(*map(escape, row))
    return table


def _engine(one: AccountGlance) -> str:
    if one.engine is None:
        return "none"
    said = f"{one.engine.holder} (process {one.engine.process})"
    heard = _moment(one.engine.renewed_ns)[:19]
    if is_gone(one.engine):
        return f"{said}, which died after {heard}"
    return said if one.alive else f"{said}, not heard of since {heard}"


def _print_lines(columns: Sequence[str], rows: Iterable[Sequence[str]], title: str) -> None:
    print_lines(columns, ((row, None) for row in rows), title)


def _facts(file: StateFile, cycle: Cycle, now_ns: int) -> Mapping[str, str]:
    ended = cycle.ended_ns
    return {
        "cycle": cycle.id,
        "account": file.name,
        "strategy": cycle.strategy,
        "session": cycle.session,
        "path": " > ".join(f"{SIDES[side]} {symbol}" for symbol, side in cycle.legs),
        "state": cycle.state if cycle.outcome is None else f"{cycle.state}: {cycle.outcome}",
        "legs ended": f"{cycle.step} of {len(cycle.legs)}",
        "committed": _amount(cycle.start, cycle.initial),
        "in hand": _amount(*cycle.current),
        "profit": "not known yet" if cycle.profit is None else _amount(cycle.start, cycle.profit),
        "started": iso(cycle.started_ns),
        "ended": "not yet" if ended is None else iso(ended),
        "took": lasted((now_ns if ended is None else ended) - cycle.started_ns),
        "error": cycle.error or "none",
        "metadata": orjson.dumps(cycle.metadata).decode(),
    }


def _order_row(order: StoredOrder) -> tuple[str, ...]:
    place = order.purpose if order.leg is None else f"leg {order.leg + 1}"
    kind = f"{order.kind} {order.time_in_force}"
    return order.client_id, place, SIDES[order.side], order.symbol, kind, order.status


def _order_remark(order: StoredOrder) -> str:
    """What an order asked for, what came of it, when, and why not all of it."""
    base, _, quote = order.symbol.partition("-")
    funds = order.funds or Decimal(0)
    asked = _amount(quote, funds) if order.size is None else _amount(base, order.size)
    said = [f"asked {asked}" + ("" if order.price is None else f" at {exact(order.price)}")]
    if order.filled:
        given, got = currencies(order)
        price = order.funds_filled / order.filled
        said += [
            f"filled {_amount(base, order.filled)} at {float(price):.12g} on average",
            f"spent {_amount(given, order.spent)}, received {_amount(got, order.received)}",
            f"fee {_amount(order.fee_currency or '', order.fee)}",
        ]
    ended = order.ended_ns
    took = "its end is not known" if ended is None else f"took {lasted(ended - order.intended_ns)}"
    said.append(f"intended {_moment(order.intended_ns)}, {took}")
    return "; ".join(said + ([order.reason] if order.reason else []))


def _cycle_document(file: StateFile, cycle: Cycle) -> dict[str, Any]:
    currency, amount = cycle.current
    (plain,) = _plain([asdict(cycle)])
    place = {"venue": file.venue, "account": file.account}
    return place | plain | {"current_currency": currency, "current_amount": exact(amount)}


def _plain(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Values as JSON has them, amounts as text."""
    plain: list[dict[str, Any]] = orjson.loads(orjson.dumps([*rows], default=_as_text))
    return plain


def _as_text(value: object) -> str:
    if isinstance(value, Decimal):
        return exact(value)
    raise TypeError(f"{type(value).__name__} is no plain value")


def _amount(currency: str, amount: Decimal) -> str:
    return f"{exact(amount)} {currency}"


def _moment(ts_ns: int) -> str:
    """UTC to the millisecond."""
    return iso(ts_ns)[:23].replace("T", " ")
