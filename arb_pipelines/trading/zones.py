"""Time zones as a strategy's file names them."""

from __future__ import annotations

from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator


def _known(zone: str) -> str:
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"no time zone is named {zone!r}; write one such as UTC") from None
    return zone


#: The name of a time zone that there is.
ZoneName = Annotated[str, AfterValidator(_known)]
