"""Bringing to an end what earlier sessions left open on an account, before one begins to trade.

How a cycle is recovered belongs to ``execution.recovery``; here is what it is recovered with,
and who is told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path

import structlog

from arb_pipelines.alerts import raise_alert
from arb_pipelines.clock import now_ns
from arb_pipelines.execution.orders.runner import OrderRunner
from arb_pipelines.execution.panic.seller import PanicSeller
from arb_pipelines.execution.records.journal import JOURNAL, MAX_BYTES
from arb_pipelines.execution.records.journal_lines import object_line
from arb_pipelines.execution.records.journal_reading import RECOVERED
from arb_pipelines.execution.records.rolling_file import RollingFile
from arb_pipelines.execution.recovery.recover import recover
from arb_pipelines.execution.recovery.values import Engine, Recovered, Recovery
from arb_pipelines.execution.state.store import StateStore
from arb_pipelines.settings import Settings
from arb_pipelines.trading.panic_rules import PanicRules
from arb_pipelines.trading.parameters import Strategy
from arb_pipelines.venues.base import VenueConnection

_log = structlog.get_logger()


def account_engine(
    settings: Settings,
    store: StateStore,
    connection: VenueConnection,
    strategies: Sequence[Strategy],
) -> tuple[Engine, PanicSeller]:
    """Put together what cycles of an account are recovered with, and who sells them.

    The first of ``strategies`` says how, where none of them is the cycle's own. Orders leave
    by the way that it names; ``connection`` is in service.

    Raises:
        ConfigError: the venue has no such way.
    """
    by_name, first = {one.name: one for one in strategies}, strategies[0]
    markets = {market.symbol: market for market in connection.markets}
    entry, account = connection.entry(first.session.entry), connection.account
    # the fee of a halted symbol is not told; what traded there before has to be booked
    most = max(connection.fees.values(), default=Decimal(0))
    fees = dict.fromkeys(markets, most) | dict(connection.fees)

    def rules_of(strategy: str) -> PanicRules:
        return by_name.get(strategy, first).panic_sell

    def alert(event: str, **facts: object) -> None:
        raise_alert(settings, event, **facts)

    runner = OrderRunner(
        store,
        entry,
        account,
        markets,
        fees,
        first.session,
        unknown_wait_ms=first.recovery.unknown_wait_ms,
    )
    seller = PanicSeller(store, connection, runner, rules_of, alert=alert)
    engine = Engine(
        store=store,
        account=account,
        entry=entry,
        markets=markets,
        fees=fees,
        runner=runner,
        seller=seller,
        snapshot=connection.snapshot,
        strategies=by_name,
        otherwise=first,
        wall_ns=now_ns,
    )
    return engine, seller


async def recover_account(settings: Settings, engine: Engine) -> Recovery:
    """Recover what is open, and say it in the journals of the sessions that left it.

    Raises:
        Fatal: the venue turns us away.
    """
    recovery = await recover(engine)
    for one in recovery.cycles:
        facts = {"session": one.session, **one.facts()}
        _log.warning("session.recovered", **facts)
        note_recovered(settings.sessions / one.session, facts)
    for currency, by in (recovery.unexplained or {}).items():
        raise_alert(settings, "balance unexplained", currency=currency, by=f"{by:f}")
    return recovery


def note_recovered(folder: Path, facts: Mapping[str, object]) -> None:
    """Say in the journal of a session that runs no more what became of what it left open."""
    if not folder.is_dir():
        return
    try:
        journal = RollingFile(folder / JOURNAL, MAX_BYTES)
        try:
            journal.append(object_line(now_ns(), RECOVERED, facts))
        finally:
            journal.close()
    except OSError as error:  # the state has it
        _log.warning("session.recovery_not_noted", folder=str(folder), error=str(error))


def unknown_of(cycles: Sequence[Recovered], session: str) -> bool:
    """Whether the end of an order that a session left is still not known."""
    return any(one.unknown for one in cycles if one.session == session)
