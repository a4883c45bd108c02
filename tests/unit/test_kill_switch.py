"""The kill switch as a file: who throws it, what it says, and who takes it back."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from arb_pipelines.clock import NS_PER_S
from arb_pipelines.errors import ConfigError
from arb_pipelines.execution import kill_switch
from arb_pipelines.execution.limits import watch_kill_files


def test_it_says_who_threw_it_when_and_why_and_each_who_did_again(tmp_path: Path) -> None:
    """On one line each, also where the folder is new."""
    file = tmp_path / "home" / "KILL"
    kill_switch.throw(file, who="ada", reason="prices\nlook wrong", now_ns=0)
    kill_switch.throw(file, who="process 7", reason="", now_ns=NS_PER_S)
    said = kill_switch.lift(file)
    assert said.splitlines() == [
        "1970-01-01T00:00:00.000000000Z ada: prices look wrong",
        "1970-01-01T00:00:01.000000000Z process 7: no reason given",
    ]
    with pytest.raises(ConfigError, match="no kill switch is thrown"):
        kill_switch.lift(file)


@pytest.mark.parametrize(
    ("written", "told"),
    [(b"", ""), (b"first\nsecond\n\n", ": second"), (b"\xff by hand", ": \ufffd by hand")],
)
def test_a_session_stops_by_what_the_file_says(tmp_path: Path, written: bytes, told: str) -> None:
    """The newest line of it, whatever it is; an empty file stops as well."""
    file = tmp_path / "KILL"
    file.write_bytes(written)
    reasons: list[str] = []
    asyncio.run(watch_kill_files([file], reasons.append))
    assert reasons == [f"kill switch: {file}{told}"]
