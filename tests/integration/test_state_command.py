"""`arb state`: files listed, backed up, put back, encrypted and made plain again."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from pydantic import SecretStr

from arb_pipelines import cli
from arb_pipelines.execution.state.files import state_file
from arb_pipelines.execution.state.opening import open_state
from arb_pipelines.settings import Settings
from tests.fakes.state_steps import STEPS, steps_found, steps_of

KEY = "it's a key"


@pytest.fixture
def path(home: Settings) -> Path:
    """A state file with one cycle that has ended and one that has not."""
    path = state_file(home.state, "kucoin", "1")
    with open_state(path) as store:
        assert [*steps_of(store, "ended")] == [*range(STEPS)]
        next(steps_of(store, "open"))
    return path


def arb(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Run `arb state`; give exit code, stdout and stderr, folded lines joined."""
    with pytest.raises(SystemExit) as left:
        cli.main(["state", *arguments])
    captured = capsys.readouterr()
    return int(left.value.code or 0), captured.out, " ".join(captured.err.split())


def test_files_are_listed_with_who_writes_them(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """While one is written, too."""
    code, out, _ = arb(capsys, "list", "--json")
    (told,) = json.loads(out)
    assert (code, told["name"], told["open"], told["lease"]) == (0, path.stem, 1, None)
    with open_state(path, holder="demo"):
        code, out, _ = arb(capsys, "list", "--json")
        assert json.loads(out)[0]["lease"].startswith(f"demo (process {os.getpid()} on ")


def test_a_backup_is_made_and_put_back(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not over a file, not while an engine runs; also where there is no state file yet."""
    copy = tmp_path / "copy.sqlite"
    with open_state(path):
        assert arb(capsys, "backup", str(copy))[0] == 0
        code, _, err = arb(capsys, "restore", str(copy))
        assert code == 2
        assert "is traded by session an engine" in err
    code, _, err = arb(capsys, "backup", str(copy))
    assert code == 2
    assert "copy.sqlite: is there already" in err
    path.unlink()
    code, _, err = arb(capsys, "backup", str(tmp_path / "other.sqlite"))
    assert code == 2
    assert "has no state file" in err
    code, _, err = arb(capsys, "restore", str(copy), "--of", "kucoin")
    assert code == 2
    assert "is no name of a state file" in err
    code, _, err = arb(capsys, "restore", str(copy), "--of", path.stem)
    assert code == 0
    assert err.endswith("what was there is nothing")
    with open_state(path) as store:
        assert [steps_found(store, cycle) for cycle in ("ended", "open")] == [STEPS, 1]


def test_a_file_is_encrypted_and_made_plain(
    path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the key of the environment, which no output shows."""
    code, _, err = arb(capsys, "encrypt")
    assert code == 2
    assert "ARB_STATE_KEY: is not set" in err
    monkeypatch.setenv("ARB_STATE_KEY", KEY)
    code, _, err = arb(capsys, "list")
    assert code == 2
    assert "is not encrypted" in err
    code, out, err = arb(capsys, "encrypt")
    assert code == 0
    assert KEY not in out + err
    with open_state(path, key=SecretStr(KEY)) as store:
        assert steps_found(store, "ended") == STEPS
    assert arb(capsys, "decrypt")[0] == 0
    with open_state(path) as store:
        assert steps_found(store, "open") == 1


def test_one_of_several_is_named(
    path: Path, home: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever names none is told which there are."""
    other = state_file(home.state, "kucoin", "2")
    with open_state(other):
        pass
    copy = tmp_path / "copy.sqlite"
    code, _, err = arb(capsys, "backup", str(copy))
    assert code == 2
    assert "name a state file by --of; there is" in err
    assert path.stem in err
    code, _, err = arb(capsys, "backup", str(copy), "--of", "nobody's")
    assert code == 2
    assert "no state file is named nobody's" in err
    assert arb(capsys, "backup", str(copy), "--of", other.stem)[0] == 0
