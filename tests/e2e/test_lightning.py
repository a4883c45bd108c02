"""The lightning strategy as it comes with the project: every cycle scanned, what pays ordered."""

from __future__ import annotations

from pathlib import Path

from arb_pipelines.execution.control.client import ask
from arb_pipelines.settings import Settings
from tests.e2e.exchange_process import running_exchange
from tests.e2e.session_process import keys_of, running_session

LIGHTNING = Path(__file__).resolve().parents[2] / "strategies" / "lightning.yaml"
#: Of these symbols alone there are 3,486 cycles of up to four legs.
SYMBOLS, LEAST_CYCLES = "150", 1_920


def test_lightning_scans_every_cycle_and_trades_what_pays(home: Settings, tmp_path: Path) -> None:
    """At an exchange without a fee, cycles pay: they are traded as they come, over all cycles."""
    money = ("--fee-bps", "0", "--balance", "USDT=100000,BTC=1")
    with (
        running_exchange(tmp_path, "--symbols", SYMBOLS, *money) as exchange,
        running_session(home.root, LIGHTNING, keys_of(exchange), group="strategy") as session,
    ):
        session.traded(10)
        config = ask(session.folder, "config")["config"]
        followed = exchange.subscriptions()
        summary = session.stop()
    assert config["cycles"] >= LEAST_CYCLES
    assert sum("level1" in topic for topic in followed) == config["symbols"]
    counts = summary["counts"]
    assert sum(counts["executions"].values()) >= 10
    assert counts["signals"] >= 10
    assert counts["books"] > config["symbols"]
    assert counts["in_flight"] == summary["unwritten"] == 0
