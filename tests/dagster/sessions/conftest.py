"""A home for sessions: two strategies and an account."""

from __future__ import annotations

from pathlib import Path

import pytest

from arb_pipelines.lake.store import Lake
from arb_pipelines.settings import load_settings
from tests.dagster.sessions.accounts import SECRETS

STRATEGY = """
name: {name}
exchange: kucoin
universe: {{start: [USDT]}}
min_profit_bps: 1
capital_allocation: {{mode: fixed_amount, amount: 100}}
balances: {{USDT: 1000}}
session: {{restart: {restart}}}
"""


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lake:
    """An empty lake in a home with two strategies and an account."""
    folder = tmp_path / "strategies"
    folder.mkdir()
    for name, restart in (("alpha", "false"), ("beta", "true")):
        (folder / f"{name}.yaml").write_text(STRATEGY.format(name=name, restart=restart))
    monkeypatch.setenv("ARB_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ARB_STRATEGIES", str(folder))
    for name, value in zip(("KEY", "SECRET", "PASSPHRASE"), SECRETS, strict=True):
        monkeypatch.setenv(f"ARB_KUCOIN_{name}", value)
    return Lake(load_settings())
