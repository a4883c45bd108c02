"""`arb generate` as a person runs it."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


def arb(
    *arguments: str, hash_seed: str = "0", threads: str = "1"
) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own."""
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "POLARS_MAX_THREADS": threads}
    return subprocess.run(
        [sys.executable, "-m", "arb_pipelines.cli", "generate", *arguments],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )


def test_processes_agree_on_the_bytes(tmp_path: Path) -> None:
    """Neither hash order nor threads enter; the printed digests are those of the files."""
    documents = []
    for name, hash_seed, threads in (("a", "1", "1"), ("b", "2", "4")):
        done = arb(
            *("--out", str(tmp_path / name), "--symbols", "12", "--minutes", "1"),
            *("--planted", "2", "--days", "2026-01-05..2026-01-06", "--json"),
            hash_seed=hash_seed,
            threads=threads,
        )
        assert (done.returncode, done.stderr) == (0, "")
        documents.append(json.loads(done.stdout))
    first, second = documents
    assert first["states"] == sum(file["states"] for file in first["recordings"]) == 2 * 1444
    assert (first["symbols"], first["planted"], len(first["recordings"])) == (12, 4, 2)
    for ours, theirs in zip(
        [first["symbol_list"], first["truth"], *first["recordings"]],
        [second["symbol_list"], second["truth"], *second["recordings"]],
        strict=True,
    ):
        assert ours["sha256"] == theirs["sha256"]
        data = Path(ours["path"]).read_bytes()
        assert (hashlib.sha256(data).hexdigest(), len(data)) == (ours["sha256"], ours["bytes"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--symbols", "1301"), "--symbols"),
        (("--day", "2026-13-01"), "2026-13-01"),
        (("--minutes", "1", "--planted", "500"), "do not fit"),
        (("--rate", "0"), "rate"),
        (("--out", "/dev/null/market"), "cannot be made a folder"),
    ],
)
def test_bad_arguments_end_in_code_2_and_one_line(
    tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    """The line says what is wrong, and nothing is on stdout."""
    done = arb("--out", str(tmp_path / "market"), *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert message in done.stderr
