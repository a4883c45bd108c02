"""The folder of requests: files written by a command, a person or a trading window.

A request stays there until its session begins, so that nothing is lost if the process that was
about to start it ends. What cannot be understood is moved to ``rejected/``, with the reason
beside it. What a file may say is in ``session_requests``, whose turn it is in ``session_turns``.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from arb_pipelines.clock import NS_PER_S, compact, now_ns
from arb_pipelines.errors import ConfigError
from arb_pipelines.execution.records.heartbeat import beat
from arb_pipelines.execution.records.values import SessionState
from arb_pipelines.research.session_folders import heartbeats
from arb_pipelines.research.session_requests import (
    KEY,
    RequestFile,
    SessionRequest,
    checked_key,
    request_text,
    session_key,
    strategy_file,
    trader_of,
)
from arb_pipelines.settings import Settings
from arb_pipelines.yaml_files import mistake_at, read_model

#: A file that was changed within this time may not be whole yet, and is not judged.
_SETTLED_NS = 2 * NS_PER_S
#: What ``switches.permission`` finds missing.
_SWITCHES = {"mode", "ARB_ALLOW_LIVE"}


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that waits: its file, who would run and where."""

    file: Path
    request: SessionRequest
    strategy: str
    venue: str


@dataclass(frozen=True, slots=True)
class RejectedFile:
    """A file that is no request: where it is now, and why."""

    file: Path
    reason: str


def requests_folder(settings: Settings) -> Path:
    """Folder into which requests are dropped."""
    return settings.sessions / "requests"


def drop_request(settings: Settings, request: SessionRequest) -> Path:
    """Ask for a session by a file, there whole or not at all; give the file.

    Raises:
        ConfigError: the same session was asked for within the same second.
    """
    file = requests_folder(settings) / f"{request.key}.yaml"
    if not _appears(file, request_text(request)):
        raise ConfigError("this session has been asked for already", source=str(file))
    return file


def waiting_requests(settings: Settings) -> tuple[list[Asked], list[RejectedFile]]:
    """Read the requests that wait, oldest first, and say what is wrong with other files there."""
    asked: list[Asked] = []
    wrong: list[RejectedFile] = []
    folder = requests_folder(settings)
    for file in sorted((*folder.glob("[!.]*.yaml"), *folder.glob("[!.]*.yml"))):
        try:
            asked.append(_read(settings, file, file.stat().st_mtime_ns))
        except FileNotFoundError:  # its session has begun meanwhile
            continue
        except ConfigError as error:
            wrong.append(RejectedFile(file, str(error)))
    return sorted(asked, key=lambda each: (each.request.asked_ns, each.request.key)), wrong


def waiting_request(settings: Settings, file: Path) -> Asked:
    """Read one request that waits.

    Raises:
        ConfigError: it waits no longer, or cannot be understood.
    """
    try:
        return _read(settings, file, file.stat().st_mtime_ns)
    except FileNotFoundError:
        raise ConfigError("no such request waits", source=str(file)) from None


def admit_requests(settings: Settings) -> tuple[list[Asked], list[RejectedFile]]:
    """Read the requests that wait, oldest first; move away and give the files that are none.

    So each of those is given once. A file that was dropped by hand gets its key as its name.
    """
    asked, wrong = waiting_requests(settings)
    rejected = [
        reject(one.file, one.reason)
        for one in wrong
        if now_ns() - one.file.stat().st_mtime_ns > _SETTLED_NS
    ]
    admitted = []
    for each in asked:
        named = each.file.with_name(f"{each.request.key}.yaml")
        if named == each.file:
            admitted.append(each)
        elif named.exists():
            rejected.append(reject(each.file, f"{named.name} asks for the same session"))
        else:
            admitted.append(replace(each, file=each.file.rename(named)))
    return admitted, rejected


def begin_session(settings: Settings, request: SessionRequest) -> None:
    """Keep the request of a session that begins now in its folder; it waits no longer.

    Raises:
        ConfigError: its key cannot be a session's.
    """
    checked_key(request.key)
    _appears(settings.sessions / request.key / "request.yaml", request_text(request))
    (requests_folder(settings) / f"{request.key}.yaml").unlink(missing_ok=True)


def refuse_sessions(settings: Settings, requests: Sequence[SessionRequest], reason: str) -> None:
    """Have the heartbeats of sessions that could not begin say why; those that have one keep it."""
    known = heartbeats(settings)
    for request in requests:
        if request.key not in known:
            beat(settings.sessions / request.key, SessionState.FAILED, {"reason": reason})


def reject(file: Path, reason: str) -> RejectedFile:
    """Move a request's file to ``rejected/`` and write ``reason`` beside it."""
    folder = file.parent / "rejected"
    folder.mkdir(parents=True, exist_ok=True)
    target, number = folder / file.name, 1
    while target.exists():
        target, number = folder / f"{file.stem}.{number}{file.suffix}", number + 1
    file.replace(target)
    target.with_suffix(".reason").write_text(reason + "\n", encoding="utf-8")
    return RejectedFile(target, reason)


def _read(settings: Settings, file: Path, changed_ns: int) -> Asked:
    said = read_model(file, RequestFile)
    try:
        found = strategy_file(settings, said.strategy)
        trader = trader_of(settings, found, said)
    except ConfigError as error:
        if error.source in _SWITCHES:
            raise mistake_at(file, ("mode",), error.reason) from None
        raise mistake_at(file, ("strategy",), str(error)) from None
    venue = said.venue or trader.exchange
    key = session_key(trader.name, venue, changed_ns)
    named = key[: -len(compact(changed_ns))]
    if file.stem.startswith(named) and KEY.fullmatch(file.stem):
        key = file.stem
    request = SessionRequest(
        key, found, said.venue, said.mode, said.minutes, changed_ns, said.continues, said.cycles,
        said.dry_run,
    )  # fmt: skip
    return Asked(file, request, trader.name, venue)


def _appears(target: Path, text: str) -> bool:
    """Make ``target`` appear with all of ``text``; false if it was there."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", dir=target.parent, prefix=".", suffix=".part"
    ) as part:
        part.write(text)
        part.flush()
        os.fsync(part.fileno())
        try:
            os.link(part.name, target)
        except FileExistsError:
            return False
    return True
