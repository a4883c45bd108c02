"""`arb demo` as a newcomer runs it; and `arb ui` on a port that is taken."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import dagster as dg
import pytest
from typer.testing import CliRunner

from arb_pipelines.cli import app
from arb_pipelines.errors import ConfigError
from arb_pipelines.headless import open_instance
from arb_pipelines.lake.store import Lake
from arb_pipelines.research.arrivals import arrivals
from arb_pipelines.research.demo import land_demo_market
from arb_pipelines.serving import running_services
from arb_pipelines.settings import Settings, load_settings

pytestmark = pytest.mark.xdist_group("dagster-main-job")

SYMBOLS, MINUTES = 12, 0.5
STRATEGIES = Path(__file__).resolve().parents[2] / "strategies"


def run_demo() -> dict[str, object]:
    """Run a small demo in the home of the environment; return its JSON."""
    small = ["demo", "--symbols", str(SYMBOLS), "--minutes", str(MINUTES), "--json"]
    result = CliRunner().invoke(app, small, catch_exceptions=False)
    assert result.exit_code == 0
    document: dict[str, object] = json.loads(result.stdout)
    return {name: value for name, value in document.items() if name not in ("seconds", "tables")}


def test_the_demo_fills_its_home(
    home: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows, and runs in the instance that this home's UI shows and no other's.

    A second demo lands the same bytes, after which nothing is to be run.
    """
    monkeypatch.setenv("ARB_STRATEGIES", str(STRATEGIES))
    first = run_demo()
    assert arrivals(Lake(home)) == ()
    again = land_demo_market(
        home, seed=7, symbols=SYMBOLS, minutes=MINUTES, progress=lambda _: None
    )
    assert again.states == first["books"]
    assert arrivals(Lake(home)) == ()
    lake = Lake(home, read_only=True)
    assert first["books"] == lake.query("SELECT count(*) FROM book_tops").item()
    assert first["cycles"] > 0
    with open_instance(home) as instance:
        jobs = [run.job_name for run in instance.get_runs()]
        days = instance.get_materialized_partitions(dg.AssetKey("opportunities"))
    assert sorted(set(jobs)) == ["backtest", "research"]
    assert days == {"2026-01-05|demo", "2026-01-06|demo"}
    with open_instance(load_settings(home=tmp_path / "other")) as other:
        assert not other.get_runs()


def test_a_taken_port_is_named_before_anything_starts(home: Settings) -> None:
    """`arb ui` says which port and starts no process."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with (
            pytest.raises(ConfigError, match=f"port {port} on 127.0.0.1 cannot be used"),
            running_services(home, port=port),
        ):
            pass
    assert not (home.root / "logs").exists()
