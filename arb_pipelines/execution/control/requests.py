"""What may be asked of a running session over its socket: ``{"op": …}`` and nothing unknown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import msgspec
from msgspec import UNSET, UnsetType

from arb_pipelines.errors import DataError


@dataclass(frozen=True, slots=True)
class ControlUsed:
    """Somebody told the session something over its socket; told on its bus, for the journal."""

    ts: int
    op: str
    argument: str | None


Reason = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
_BY_REQUEST, _SOMEBODY = "by request", "somebody at its socket"


class _Request(msgspec.Struct, forbid_unknown_fields=True, tag_field="op"):
    pass


class Pause(_Request, tag="pause"):
    """Begin nothing new; what is in flight goes on.

    With ``keep`` the strategy stays paused in sessions to come, until ``who`` resumes.
    """

    reason: Reason = _BY_REQUEST
    keep: bool = False
    who: Reason = _SOMEBODY


class Resume(_Request, tag="resume"):
    """Take signals again; a pause that is kept with the strategy needs a reason."""

    reason: Reason | None = None
    who: Reason = _SOMEBODY


class CancelExecutions(_Request, tag="cancel"):
    """Bring an execution home between its legs; without a number all that are in flight."""

    execution: int | None = None


class Slots(_Request, tag="slots"):
    """Show the slots, or bound them; ``null`` gives back what the strategy allows."""

    slots: Annotated[int, msgspec.Meta(ge=0, le=64)] | UnsetType | None = UNSET


class InFlight(_Request, tag="in_flight"):
    """List the executions under way."""


class Reports(_Request, tag="reports"):
    """List the last reports, newest first."""

    last: Annotated[int, msgspec.Meta(ge=1, le=1_000)] = 20


class Config(_Request, tag="config"):
    """Show what the session runs with, secrets excepted."""


class Uptime(_Request, tag="uptime"):
    """Show since when it runs."""


class Health(_Request, tag="health"):
    """Show its state and counts."""


class Stop(_Request, tag="stop"):
    """Take no more signals, settle what is in flight, and end."""

    reason: Reason = _BY_REQUEST


Named = Annotated[str, msgspec.Meta(min_length=1, max_length=4_000)]


class Replace(_Request, tag="replace"):
    """Have a strategy's file take the place of this session's; ``strategy`` is its path."""

    strategy: Named


class Add(_Request, tag="add"):
    """Begin another strategy's session in this process; ``strategy`` is its file's path."""

    strategy: Named


class Subscribe(_Request, tag="subscribe"):
    """Send every report from now on to this connection."""


Request = (
    Pause
    | Resume
    | CancelExecutions
    | Slots
    | InFlight
    | Reports
    | Config
    | Uptime
    | Health
    | Stop
    | Replace
    | Add
    | Subscribe
)
OPS = (
    *("pause", "resume", "cancel", "slots", "in_flight", "reports", "config", "uptime"),
    *("health", "stop", "replace", "add", "subscribe"),
)
_DECODER: msgspec.json.Decoder[Request] = msgspec.json.Decoder(Request)


def decode_request(line: bytes) -> Request:
    """Read a request.

    Raises:
        DataError: it is none; says what is wrong, and what may be asked.
    """
    try:
        return _DECODER.decode(line)
    except msgspec.ValidationError as error:
        message = str(error).replace("`", "")
        raise DataError(
            f"{message[:1].lower()}{message[1:]}; see docs/signals.md, ops are {', '.join(OPS)}"
        ) from None
