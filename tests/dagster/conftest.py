"""Fixtures of the Dagster layer's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let `pytest tests/dagster/test_asset_graph.py --renew` write the snapshot anew."""
    parser.addoption(
        "--renew", action="store_true", help="Write tests/dagster/asset_graph.txt anew."
    )


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """A Dagster instance of its own, in memory."""
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def stored_instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """A Dagster instance in a folder, which schedules want; making it takes seconds."""
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        yield instance
