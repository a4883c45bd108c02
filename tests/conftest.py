"""Fixtures shared by every test: a home of its own, a lake in it, the real recordings."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from arb_pipelines.execution import locks
from arb_pipelines.lake.store import Lake
from arb_pipelines.settings import Settings, load_settings

ROOT = Path(__file__).resolve().parent.parent


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take ``--long``: run what is left out to keep a test run within twenty minutes."""
    parser.addoption("--long", action="store_true", help="run the tests marked long, too")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip the long tests unless they are asked for."""
    if config.getoption("--long"):
        return
    skip = pytest.mark.skip(reason="long: give pytest --long, or make test LONG=--long")
    for item in items:
        if "long" in item.keywords and "each_time" not in item.keywords:
            item.add_marker(skip)


@pytest.fixture(scope="session", autouse=True)
def own_machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the accounts of fakes, which all have one name, apart between test processes."""
    folder = tmp_path_factory.mktemp("machine-locks")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(locks, "machine_folder", lambda: folder)
        yield


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of a fresh ARB_HOME that no other test touches."""
    monkeypatch.setenv("ARB_HOME", str(tmp_path / "home"))
    return load_settings()


@pytest.fixture
def lake(home: Settings) -> Lake:
    """An empty lake in ``home``."""
    return Lake(home)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of the recorded data; the test is skipped where it is absent."""
    folder = Path(os.environ.get("ARB_REAL_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no recorded data at {folder}; set ARB_REAL_DATA to its folder")
    return folder
