"""A soak: fifty signals a second through a whole session against the local exchange.

``python -m bench.live_soak 30`` soaks for thirty minutes; as a topic it is one. Memory, open
files and the time of a signal's answer are compared between the end of the first quarter,
when what is bounded has mostly found its size, and the end; memory also of the child that
writes to the lake. At the end the venue's balances must have changed by what the session
booked.
"""

from __future__ import annotations

import asyncio
import os
import resource
import sys
import tempfile
from decimal import Decimal
from pathlib import Path

from arb_pipelines.lake.store import Lake
from arb_pipelines.settings import load_settings
from bench.live_cycles import UNLIMITED, connected
from tests.e2e.exchange_process import ExchangeProcess, running_exchange
from tests.e2e.soak import percentiles, soak, unexplained

MINUTES, RATE, PARTS = 1.0, 50, 4
SYMBOLS = 60
_MIB_BAR, _LAG_BAR_MS = 32.0, 5.0


def run(minutes: float = MINUTES) -> list[dict[str, object]]:
    """Soak; rows for what grew, and whether the ledger adds up."""
    with tempfile.TemporaryDirectory(prefix="bench-soak-") as folder:
        home = Path(folder)
        arguments = ("--symbols", str(SYMBOLS), "--balance", "USDT=1000000")
        (home / "exchange").mkdir()
        with running_exchange(home / "exchange", *arguments) as exchange:
            limits = {"spot": UNLIMITED, "public": UNLIMITED, "management": UNLIMITED}
            exchange.operate("POST", "/limits", limits)
            return _soaked(exchange, home, minutes)


def _soaked(exchange: ExchangeProcess, home: Path, minutes: float) -> list[dict[str, object]]:
    os.environ |= {
        "ARB_HOME": str(home / "home"),
        "ARB_KUCOIN_URL": exchange.rest,
        "ARB_KUCOIN_KEY": exchange.key,
        "ARB_KUCOIN_SECRET": exchange.secret,
        "ARB_KUCOIN_PASSPHRASE": exchange.passphrase,
    }
    a_part = round(minutes * 60 * RATE / PARTS)
    before = asyncio.run(_balances(exchange))
    found = soak(Lake(load_settings()), exchange, home, (a_part,) * PARTS, RATE)
    assert found.summary is not None
    gaps = unexplained(before, asyncio.run(_balances(exchange)), found.summary)
    early, late = found.samples[0], found.samples[-1]
    (p50_early, p99_early), (p50_late, p99_late) = (
        percentiles(found.answer_ms[at : at + a_part]) for at in (0, a_part * (PARTS - 1))
    )
    counts = found.summary.counts
    ended = {str(status): number for status, number in counts.executions.items()}
    sys.stderr.write(
        f"bench: {dict(found.answers)}; {counts.orders:,} orders, executions {ended}, "
        f"{found.summary.in_flight} left in flight; "
        f"answers p50 {p50_early:.2f} then {p50_late:.2f} ms, "
        f"p99 {p99_early:.2f} then {p99_late:.2f} ms; objects {early.objects:,} then "
        f"{late.objects:,}; MiB {early.resident_mib:.0f} and {early.lake_mib:.0f} of the lake's "
        f"process, then {late.resident_mib:.0f} and {late.lake_mib:.0f}; "
        f"not explained: {gaps or 'nothing'}\n"
    )
    told = f"soak of {minutes:g} min at {RATE} signals/s"
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    mib, lake_mib = late.resident_mib - early.resident_mib, late.lake_mib - early.lake_mib
    files, lag = late.files - early.files, p50_late - p50_early
    figures = [
        ("growth of memory", mib, "MiB", f"none (<= {_MIB_BAR:g})", mib <= _MIB_BAR),
        (
            "growth of memory, of its process for the lake",
            lake_mib,
            "MiB",
            f"none (<= {_MIB_BAR:g})",
            lake_mib <= _MIB_BAR,
        ),
        ("growth of open files", files, "files", "none (<= 16)", files <= 16),
        ("growth of answers' p50", lag, "ms", f"none (<= {_LAG_BAR_MS:g})", lag <= _LAG_BAR_MS),
        ("currencies not explained", len(gaps), "", "none", not gaps),
    ]
    return [
        {
            "name": f"{told}: {name}",
            "ours": float(value),
            "peer": None,
            "ratio": None,
            "unit": unit,
            "bar": bar,
            "holds": holds,
            "peak_mib": peak_mib,
        }
        for name, value, unit, bar, holds in figures
    ]


async def _balances(exchange: ExchangeProcess) -> dict[str, Decimal]:
    async with connected(exchange) as ours:
        return dict(await ours.account.balances())


if __name__ == "__main__":
    from bench.__main__ import show

    show(run(float(sys.argv[1]) if len(sys.argv) > 1 else MINUTES))
