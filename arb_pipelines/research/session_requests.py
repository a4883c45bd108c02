"""Requests for sessions: files in a folder, written by a command, a person or a trading window.

A request is a file of ``<ARB_HOME>/sessions/requests/``::

    strategy: demo        # a name in the strategies folder, or the path of a file
    venue: kucoin         # default: the strategy's
    mode: paper           # default: the strategy's; or live
    minutes: 30           # default: until it is stopped
    cycles: 100           # default: the strategy's session.max_executions
    dry_run: true         # default: false

It stays there until its session begins, so that nothing is lost if the process that was
about to start it ends. What cannot be understood is moved to ``rejected/``, with the reason
beside it. Whose turn it is belongs to ``session_turns``, running a session to ``sessions``.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from arb_pipelines.clock import NS_PER_S, compact, now_ns
from arb_pipelines.errors import ConfigError
from arb_pipelines.execution.records.heartbeat import beat
from arb_pipelines.execution.records.values import SessionState
from arb_pipelines.execution.switches import permission
from arb_pipelines.research.session_folders import heartbeats
from arb_pipelines.research.strategies import find_strategy_file
from arb_pipelines.settings import Settings
from arb_pipelines.trading.session_rules import TradingMode
from arb_pipelines.trading.strategy import Strategy, load_strategy
from arb_pipelines.yaml_files import mistake_at, read_model

#: A file that was changed within this time may not be whole yet, and is not judged.
_SETTLED_NS = 2 * NS_PER_S
_KEY = re.compile(r"[a-z0-9][a-z0-9_-]*-\d{8}T\d{6}Z")

#: What ``switches.permission`` finds missing.
_SWITCHES = {"mode", "ARB_ALLOW_LIVE"}

#: Minutes that a session may last: up to a week.
Minutes = Annotated[float, Field(gt=0, le=7 * 24 * 60, allow_inf_nan=False)]


@dataclass(frozen=True, slots=True)
class SessionRequest:
    """A session that somebody asked for, by its key; ``None`` takes what the strategy says.

    ``strategy`` is its file. Without ``minutes`` it lasts until it is stopped.
    ``continues`` is the key of a lost session, whose limits go on to count. ``cycles`` are
    executions after which it ends; a ``dry_run`` has the venue test orders and places none.
    """

    key: str
    strategy: Path
    venue: str | None
    mode: TradingMode | None
    minutes: float | None
    asked_ns: int
    continues: str | None = None
    cycles: int | None = None
    dry_run: bool = False


class RequestFile(BaseModel):
    """What the file of a request may say."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    strategy: str = Field(min_length=1, description="Name in the strategies folder, or a file.")
    venue: str | None = Field(
        None, pattern=r"^[a-z0-9][a-z0-9_-]*$", description="Default: the strategy's exchange."
    )
    mode: TradingMode | None = Field(None, description="Default: the strategy's mode.")
    minutes: Minutes | None = Field(None, description="How long; default until it is stopped.")
    continues: str | None = Field(
        None, pattern=rf"^{_KEY.pattern}$", description="Lost session whose limits go on to count."
    )
    cycles: int | None = Field(None, ge=1, description="Executions after which it ends.")
    dry_run: bool = Field(False, description="Whether orders are tested, and none is placed.")


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


def session_key(strategy: str, venue: str, asked_ns: int) -> str:
    """Name a session by who trades where since when, to the second."""
    return f"{strategy}-{venue}-{compact(asked_ns)}"


def checked_key(key: str) -> str:
    """Give ``key`` back if it can be a session's, and so the name of a folder.

    Raises:
        ConfigError: it cannot.
    """
    if not _KEY.fullmatch(key):
        raise ConfigError(
            "is no key of a session, as demo-kucoin-20260105T093000Z is; see arb session list",
            source=repr(key),
        )
    return key


def new_request(
    settings: Settings,
    strategy: str,
    *,
    venue: str | None = None,
    mode: str | None = None,
    minutes: float | None = None,
    continues: str | None = None,
    cycles: int | None = None,
    dry_run: bool = False,
    key: str | None = None,
) -> SessionRequest:
    """Make a checked request of now; ``key`` is another's that it repeats.

    Raises:
        ConfigError: there is no such strategy, its file or a parameter is wrong, ``key`` is
            none, or live was asked for and a switch is missing.
    """
    file = strategy_file(settings, strategy)
    try:
        said = RequestFile.model_validate(
            {
                "strategy": str(file),
                "venue": venue,
                "mode": mode,
                "minutes": minutes,
                "continues": continues,
                "cycles": cycles,
                "dry_run": dry_run,
            }
        )
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(first["msg"], source=str(first["loc"][0])) from None
    trader, asked_ns = _trader(settings, file, said), now_ns()
    if key is None:
        key = session_key(trader.name, venue or trader.exchange, asked_ns)
    key = checked_key(key)
    return SessionRequest(
        key, file, venue, said.mode, minutes, asked_ns, continues, cycles, dry_run
    )


def drop_request(settings: Settings, request: SessionRequest) -> Path:
    """Ask for a session by a file, there whole or not at all; give the file.

    Raises:
        ConfigError: the same session was asked for within the same second.
    """
    file = requests_folder(settings) / f"{request.key}.yaml"
    if not _appears(file, request_text(request)):
        raise ConfigError("this session has been asked for already", source=str(file))
    return file


def request_text(request: SessionRequest) -> str:
    """Write a request as its file says it."""
    said = {
        "strategy": str(request.strategy),
        "venue": request.venue,
        "mode": None if request.mode is None else str(request.mode),
        "minutes": request.minutes,
        "continues": request.continues,
        "cycles": request.cycles,
        "dry_run": request.dry_run or None,
    }
    kept = {name: value for name, value in said.items() if value is not None}
    return yaml.safe_dump(kept, sort_keys=False)


def strategy_file(settings: Settings, named: str) -> Path:
    """Find the file of a strategy by its name, or by its path.

    A path that is not absolute is looked up here first, then in the strategies folder.

    Raises:
        ConfigError: there is no such file, or no strategy of that name.
    """
    if Path(named).suffix in {".yaml", ".yml"} or os.sep in named:
        for path in (Path(named).expanduser(), settings.strategies / named):
            if path.is_file():
                return path.absolute()
        raise ConfigError("there is no such strategy file", source=named)
    return find_strategy_file(settings.strategies, named).absolute()


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
        trader = _trader(settings, found, said)
    except ConfigError as error:
        if error.source in _SWITCHES:
            raise mistake_at(file, ("mode",), error.reason) from None
        raise mistake_at(file, ("strategy",), str(error)) from None
    venue = said.venue or trader.exchange
    key = session_key(trader.name, venue, changed_ns)
    named = key[: -len(compact(changed_ns))]
    if file.stem.startswith(named) and _KEY.fullmatch(file.stem):
        key = file.stem
    request = SessionRequest(
        key, found, said.venue, said.mode, said.minutes, changed_ns, said.continues, said.cycles,
        said.dry_run,
    )  # fmt: skip
    return Asked(file, request, trader.name, venue)


def _trader(settings: Settings, file: Path, said: RequestFile) -> Strategy:
    """Read the strategy of a request, and see that it may trade as it is asked to."""
    trader = load_strategy(file)
    allowed = settings.allow_live == "yes"
    permission(local=False, strategy=trader.mode, asked=said.mode, allowed=allowed)
    return trader


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
