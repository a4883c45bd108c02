"""Fixtures of the integration tests: a private Postgres, and a lake on either catalog."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from arb_pipelines.settings import Settings, load_settings

_FAST = "-c fsync=off -c full_page_writes=off -c max_connections=100"


def _free_port() -> int:
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def postgres() -> Iterator[Callable[[str], str]]:
    """A Postgres server of this session alone; call it with a name for a fresh database's DSN."""
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: path.parts[-3]
    )
    if not found:
        pytest.skip("no Postgres under /usr/lib/postgresql; install postgresql to run this test")
    programs = found[-1].parent
    # initdb refuses to run as root, and pytest's own folders are closed to others.
    user = {"user": "nobody", "group": pwd.getpwnam("nobody").pw_gid, "extra_groups": []}
    identity = user if os.getuid() == 0 else {}
    folder = Path(tempfile.mkdtemp(prefix="arb-postgres-"))
    if identity:
        shutil.chown(folder, "nobody")
    port = _free_port()

    def run(program: str, *arguments: str) -> None:
        subprocess.run(
            [str(programs / program), *arguments],
            check=True,
            cwd=folder,
            stdout=subprocess.DEVNULL,
            timeout=60,
            **identity,
        )

    data = str(folder / "data")
    address = ("-h", "127.0.0.1", "-p", str(port), "-U", "arb")
    try:
        run(
            "initdb",
            "-D",
            data,
            "-U",
            "arb",
            "--auth=trust",
            "--no-sync",
            "--locale=C",
            "-E",
            "UTF8",
        )
        options = (
            f"{_FAST} -p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder}"
        )
        run("pg_ctl", "-D", data, "-w", "-l", str(folder / "log"), "-o", options, "start")

        def database(name: str) -> str:
            run("createdb", *address, name)
            return f"dbname={name} host=127.0.0.1 port={port} user=arb password=s3cret"

        yield database
    finally:
        with contextlib.suppress(subprocess.CalledProcessError):  # it may not have started
            run("pg_ctl", "-D", data, "-m", "immediate", "stop")
        shutil.rmtree(folder)


@pytest.fixture(
    params=["sqlite", pytest.param("postgres", marks=pytest.mark.xdist_group("postgres"))]
)
def any_home(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Settings:
    """Settings of a fresh home on either catalog, in the environment of child processes too."""
    monkeypatch.setenv("ARB_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ARB_LAKE_THREADS", "1")  # the processes are many enough
    if request.param == "postgres":
        database = request.getfixturevalue("postgres")
        name = f"lake_{abs(hash(request.node.name))}"
        monkeypatch.setenv("ARB_LAKE_CATALOG", f"postgres:{database(name)}")
    return load_settings()
