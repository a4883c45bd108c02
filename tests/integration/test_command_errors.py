"""What the machine, the settings or the lake refuse is one line on stderr and exit code 2."""

from __future__ import annotations

import errno
import os
from datetime import date
from pathlib import Path

import pytest

from arb_pipelines import cli
from arb_pipelines.lake.schemas import BOOK_TOPS
from arb_pipelines.lake.staging import stage
from arb_pipelines.lake.store import Lake
from arb_pipelines.settings import Settings

DAY = date(2025, 8, 31)


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Run a command that must fail as a bad input does; give its one line."""
    with pytest.raises(SystemExit) as left:
        cli.main([*arguments])
    lines = capsys.readouterr().err.splitlines()
    assert (left.value.code, len(lines)) == (2, 1), lines
    return lines[0]


def _raising(error: Exception) -> object:
    def refuse(*_: object, **__: object) -> None:
        raise error

    return refuse


def test_a_full_disk_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line says where, what, and what to do."""
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/disk/file")
    monkeypatch.setattr(cli, "app", _raising(full))
    assert refusal(capsys) == (
        "arb: /disk/file: No space left on device; free some space, or set ARB_HOME to a larger "
        "disk"
    )


@pytest.mark.parametrize("bug", [ValueError("a bug"), OSError("raised by code, without errno")])
def test_a_bug_is_not_dressed_up_as_bad_input(
    bug: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What nobody expected keeps its traceback."""
    monkeypatch.setattr(cli, "app", _raising(bug))
    with pytest.raises(type(bug)):
        cli.main([])


def test_a_home_that_is_a_file_is_named(home: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    """A writing command says which folder cannot be made, and by which setting to move it."""
    home.root.write_text("not a folder")
    line = refusal(capsys, "lake", "maintain")
    assert str(home.root) in line
    assert "ARB_HOME" in line


@pytest.mark.parametrize("command", ["info", "maintain"])
def test_a_damaged_catalog_is_one_line(
    home: Settings, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A catalog that is no database is said to be damaged, and is left as it is."""
    home.root.mkdir()
    catalog = home.root / "catalog.sqlite"
    catalog.write_bytes(b"garbage" * 1000)
    assert "the catalog is damaged" in refusal(capsys, "lake", command)
    assert catalog.read_bytes() == b"garbage" * 1000


def test_a_damaged_data_file_is_named(lake: Lake, capsys: pytest.CaptureFixture[str]) -> None:
    """A Parquet file of the lake that was overwritten fails a command that reads it."""
    row = {"venue": "v", "day": DAY, "row_no": 0, "symbol": "A-B", "ts_recv": 0, "source": "f"}
    part = {"venue": "v", "day": DAY}
    staged = stage(Path(lake.data_path()), BOOK_TOPS, part, BOOK_TOPS.frame([row]))
    lake.commit(lambda tx: tx.replace(BOOK_TOPS, part, staged))
    (file,) = Path(lake.data).rglob("*.parquet")
    file.write_bytes(b"PAR1xxxxxxxxxxxxx")
    assert str(file) in refusal(capsys, "scan", "--venue", "v", "--day", str(DAY))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ARB_LAKE_MEMORY", "lots"),
        ("ARB_LAKE_MEMORY", "0GB"),
        ("ARB_LAKE_THREADS", "99999999999999999999"),
        ("ARB_LAKE_CATALOG", "nonsense"),
        ("ARB_LAKE_CATALOG", "postgres://u:sekrit@127.0.0.1:1/x"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(
    home: Settings,
    name: str,
    value: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The variable is named, and a secret in it is not repeated."""
    monkeypatch.setenv(name, value)
    line = refusal(capsys, "lake", "maintain")
    assert name in line
    assert "sekrit" not in line


def test_too_little_memory_says_which_setting_to_raise(
    home: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """DuckDB's paragraph of advice becomes the name of our setting."""
    monkeypatch.setenv("ARB_LAKE_MEMORY", "1MB")
    assert refusal(capsys, "lake", "maintain").endswith("raise ARB_LAKE_MEMORY")


@pytest.mark.parametrize("snapshot", ["0", "-1", "99999", str(2**63), str(10**30)])
def test_a_snapshot_that_never_was_is_refused(
    lake: Lake, snapshot: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever the number, the answer is one line."""
    lake.snapshot()
    assert "snapshot" in refusal(capsys, "sql", "SELECT 1", "--snapshot", snapshot)


def test_models_that_are_not_built_are_named(
    lake: Lake, capsys: pytest.CaptureFixture[str]
) -> None:
    """Testing before building says what to build."""
    lake.snapshot()
    assert "arb models run" in refusal(capsys, "models", "test")


def test_a_statement_that_is_not_text_is_refused(
    lake: Lake, capsys: pytest.CaptureFixture[str]
) -> None:
    """Bytes of a command line that are not UTF-8 arrive as surrogates."""
    lake.snapshot()
    assert "UTF-8" in refusal(capsys, "sql", "SELECT '\udcff'")


def test_an_interrupt_that_a_library_wrapped_is_still_one(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C within a query ends as Ctrl-C does anywhere: code 130 and no traceback."""
    wrapped = RuntimeError("Query interrupted")
    wrapped.__cause__ = KeyboardInterrupt()
    monkeypatch.setattr(cli, "app", _raising(wrapped))
    with pytest.raises(SystemExit) as left:
        cli.main([])
    assert (left.value.code, capsys.readouterr().err) == (130, "")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--study", "demo"), "give --study and --window together"),
        (("--window", "w00"), "give --study and --window together"),
        (("--venue", "v"), "give --day together"),
        (("--study", "demo", "--window", "w00", "--venue", "v", "--day", "2026-01-05"), "only one"),
    ],
)
def test_half_a_partition_is_refused(
    home: Settings, arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Models of a partition are asked for by all of its columns."""
    assert said in refusal(capsys, "models", "run", *arguments)
