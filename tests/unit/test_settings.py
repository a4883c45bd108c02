"""Where settings come from, and what no file may say."""

from __future__ import annotations

from pathlib import Path

import pytest

from arb_pipelines import cli
from arb_pipelines.errors import ConfigError
from arb_pipelines.settings import load_settings, unknown_names


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own, in which ``.env`` is looked for, and no switch in the environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ARB_ALLOW_LIVE", raising=False)
    monkeypatch.delenv("ARB_KUCOIN_KEY", raising=False)
    return tmp_path


def test_keys_may_come_from_a_file(folder: Path) -> None:
    """And trading with money is off unless somebody says so."""
    (folder / ".env").write_text("ARB_KUCOIN_KEY=abc\n")
    settings = load_settings()
    assert settings.kucoin_key is not None
    assert settings.kucoin_key.get_secret_value() == "abc"
    assert settings.allow_live == "no"


def test_the_environment_allows_live(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one place for it."""
    monkeypatch.setenv("ARB_ALLOW_LIVE", "yes")
    assert load_settings().allow_live == "yes"


@pytest.mark.parametrize("line", ["ARB_ALLOW_LIVE=yes", "export arb_allow_live='yes'"])
def test_a_file_allows_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    """Told by name, also where a tool has put the file into the environment as well."""
    (folder / ".env").write_text(f"ARB_KUCOIN_KEY=abc\n{line}\n")
    with pytest.raises(ConfigError, match=r"\.env: ARB_ALLOW_LIVE: belongs in the environment"):
        load_settings()
    monkeypatch.setenv("ARB_ALLOW_LIVE", "yes")
    with pytest.raises(ConfigError, match="take it out of this file"):
        load_settings()


def test_a_misspelt_name_is_told_with_the_nearest(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By every command, once, wherever the name stands; nothing else is."""
    monkeypatch.setenv("ARB_ALOW_LIVE", "yes")
    monkeypatch.setenv("ARB_REAL_DATA", str(folder))
    monkeypatch.setenv("ARBITRUM_KEY", "0x")
    (folder / ".env").write_text("export arb_kucoin_passphrse=abc\nARB_ELSE=1\nOTHER=1\n")
    assert unknown_names() == {
        "ARB_ALOW_LIVE": "ARB_ALLOW_LIVE",
        "ARB_ELSE": None,
        "ARB_KUCOIN_PASSPHRSE": "ARB_KUCOIN_PASSPHRASE",
    }
    with pytest.raises(SystemExit, match="0"):
        cli.main(["--help"])
    told = [line for line in capsys.readouterr().err.splitlines() if "unknown_name" in line]
    assert [line.partition("unknown_name_ignored")[2].split() for line in told] == [
        ["meant=ARB_ALLOW_LIVE", "name=ARB_ALOW_LIVE"],
        ["name=ARB_ELSE"],
        ["meant=ARB_KUCOIN_PASSPHRASE", "name=ARB_KUCOIN_PASSPHRSE"],
    ]
    assert "abc" not in "".join(told)
