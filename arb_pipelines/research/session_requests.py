"""Requests for sessions: what one may say, and making one that is checked.

As a file it is one of ``<ARB_HOME>/sessions/requests/`` (``request_folder``)::

    strategy: demo        # a name in the strategies folder, or the path of a file
    venue: kucoin         # default: the strategy's
    mode: paper           # default: the strategy's; or live
    minutes: 30           # default: until it is stopped
    cycles: 100           # default: the strategy's session.max_executions
    dry_run: true         # default: false

Running a session belongs to ``sessions``.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from arb_pipelines.clock import compact, now_ns
from arb_pipelines.errors import ConfigError
from arb_pipelines.execution.switches import permission
from arb_pipelines.research.strategies import find_strategy_file
from arb_pipelines.settings import Settings
from arb_pipelines.trading.session_rules import TradingMode
from arb_pipelines.trading.strategy import Strategy, load_strategy

#: What the key of a session looks like.
KEY = re.compile(r"[a-z0-9][a-z0-9_-]*-\d{8}T\d{6}Z")

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
        None, pattern=rf"^{KEY.pattern}$", description="Lost session whose limits go on to count."
    )
    cycles: int | None = Field(None, ge=1, description="Executions after which it ends.")
    dry_run: bool = Field(False, description="Whether orders are tested, and none is placed.")


def session_key(strategy: str, venue: str, asked_ns: int) -> str:
    """Name a session by who trades where since when, to the second."""
    return f"{strategy}-{venue}-{compact(asked_ns)}"


def checked_key(key: str) -> str:
    """Give ``key`` back if it can be a session's, and so the name of a folder.

    Raises:
        ConfigError: it cannot.
    """
    if not KEY.fullmatch(key):
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
    trader, asked_ns = trader_of(settings, file, said), now_ns()
    if key is None:
        key = session_key(trader.name, venue or trader.exchange, asked_ns)
    key = checked_key(key)
    return SessionRequest(
        key, file, venue, said.mode, minutes, asked_ns, continues, cycles, dry_run
    )


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


def trader_of(settings: Settings, file: Path, said: RequestFile) -> Strategy:
    """Read the strategy of a request, and see that it may trade as it is asked to."""
    trader = load_strategy(file)
    allowed = settings.allow_live == "yes"
    permission(local=False, strategy=trader.mode, asked=said.mode, allowed=allowed)
    return trader
