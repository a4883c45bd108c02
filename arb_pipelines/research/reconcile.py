"""Whether a session's books are right: every row's ledger adds up, and no balance is unexplained.

The rules are the audits of ``dbt_like_sql``, over one session. What its rows say the balances
changed by is added up here, for whoever knows what they really changed by.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal

from arb_pipelines.errors import DataError
from arb_pipelines.lake.models.checks import CheckResult, check_of, run_checks
from arb_pipelines.lake.models.files import load_audits
from arb_pipelines.lake.schemas import LIVE_EXECUTIONS, LIVE_LEGS, LIVE_METRICS, LIVE_SESSIONS
from arb_pipelines.lake.store import Lake

_TABLES = {table.name for table in (LIVE_SESSIONS, LIVE_EXECUTIONS, LIVE_LEGS, LIVE_METRICS)}


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """What the audits found in one session; ``booked`` is by currency, ``audits`` are all made."""

    session: str
    executions: int
    booked: dict[str, Decimal]
    audits: tuple[CheckResult, ...]

    @property
    def adds_up(self) -> bool:
        """Whether no audit found a bad row."""
        return all(audit.passed for audit in self.audits)


def reconcile(lake: Lake, session: str) -> Reconciliation:
    """Hold a session's rows against every rule there is for them.

    Raises:
        DataError: the lake has no such session.
    """
    found = lake.query("SELECT executions FROM live_sessions WHERE session = ?", [session])
    if found.is_empty():
        raise DataError("is not in the lake; see `arb session list`", source=session)
    checks = [check_of(audit) for audit in load_audits() if audit.on in _TABLES]
    results = run_checks(lake, checks, {"session": session})
    return Reconciliation(session, int(found.item()), booked_in_rows(lake, session), tuple(results))


def booked_in_rows(lake: Lake, session: str) -> dict[str, Decimal]:
    """Add up by how much a session's orders changed each balance, by currency.

    A fee that the venue has told goes in place of the one that was booked. Amounts are the
    decimals that their floats were made from, so that the sums are exact.
    """
    rows = lake.query(
        "SELECT from_currency, spent, to_currency, received, fee_currency, fee_booked, "
        "fee_told_currency, fee_told FROM live_legs WHERE session = ? AND size > 0",
        [session],
    )
    booked: defaultdict[str, Decimal] = defaultdict(Decimal)
    for given, spent, got, received, of, fee, told_of, told in rows.iter_rows():
        booked[given] -= Decimal(repr(spent))
        booked[got] += Decimal(repr(received))
        if of not in (given, got):
            booked[of] -= Decimal(repr(fee))
        if told is not None:
            booked[of] += Decimal(repr(fee))
            booked[told_of] -= Decimal(repr(told))
    return dict(booked)
