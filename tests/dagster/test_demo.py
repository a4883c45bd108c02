"""`arb demo` as a newcomer runs it, twice; and `arb ui` on a port that is taken."""

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
from arb_pipelines.serving import running_services
from arb_pipelines.settings import Settings, load_settings

pytestmark = pytest.mark.xdist_group("dagster-main-job")

STRATEGIES = Path(__file__).resolve().parents[2] / "strategies"


def run_demo() -> dict[str, object]:
    """Run a small demo in the home of the environment; return its JSON."""
    small = ["demo", "--symbols", "12", "--minutes", "0.5", "--json"]
    result = CliRunner().invoke(app, small, catch_exceptions=False)
    assert result.exit_code == 0
    document: dict[str, object] = json.loads(result.stdout)
    return {name: value for name, value in document.items() if name not in ("seconds", "tables")}


def test_the_demo_twice_is_the_demo_once(
    home: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same rows, in the instance that this home's UI shows and no other's."""
    monkeypatch.setenv("ARB_STRATEGIES", str(STRATEGIES))
    first = run_demo()
    assert first == run_demo()
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
