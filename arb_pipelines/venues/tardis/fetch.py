"""Brings one file from the source to its place, going on where an earlier attempt stopped."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

import aiohttp

from arb_pipelines.errors import Fatal, ProtocolViolation, Rejected, Transient
from arb_pipelines.venues.tardis.part import PartFile

#: Told how many bytes are there and how many there will be, where known.
Received = Callable[[int, int | None], None]

_RANGE = re.compile(r"bytes (?P<first>\d+)-\d+/(?P<length>\d+)")


async def fetch(
    session: aiohttp.ClientSession, url: str, target: Path, *, received: Received
) -> int | None:
    """Download ``url`` to ``target`` in one attempt; return its size, ``None`` if it is empty.

    What an earlier attempt, or process, left in the part file is kept if the
    source still serves the same version. A gzip of nothing is Tardis's way to
    say that it has no data for the day; nothing is stored then.

    Raises:
        Transient: cut off, damaged, timed out, 5xx or 429; what came is kept.
        Rejected: there is no such file, or the request is not accepted.
        Fatal: a key is needed, or the one given does not do.
        ProtocolViolation: an answer that makes no sense.
    """
    part = PartFile(target)
    if part.length is None or part.size != part.length:
        try:
            await _receive(session, url, part, received)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Transient(f"connection lost: {error!r}") from error
    if part.length is not None and part.size < part.length:
        raise Transient(f"ended after {part.size} of {part.length} bytes")
    content = None
    if part.length is None or part.size == part.length:
        content = await asyncio.to_thread(part.content_size)
    if content is None:
        part.discard()
        raise Transient("arrived damaged: its gzip is not whole")
    if content == 0:
        part.discard()
        return None
    return await asyncio.to_thread(part.finish)


async def _receive(
    session: aiohttp.ClientSession, url: str, part: PartFile, received: Received
) -> None:
    """Append what is missing to the part file, or write it anew."""
    start, validator = part.size, part.validator
    headers = {}
    if start and validator:
        headers = {"Range": f"bytes={start}-", "If-Range": validator}
    async with session.get(url, headers=headers) as response:
        if response.status == 200:
            part.begin(_validator(response), response.content_length)
        elif response.status == 206 and headers:
            _check_continues(response, part, start, validator)
        elif response.status == 416 and headers:
            _check_nothing_is_missing(response, part, start)
            return
        else:
            raise await _refusal(response)
        with part.path.open("ab", buffering=0) as file:
            received(part.size, part.length)
            async for chunk in response.content.iter_any():
                file.write(chunk)
                received(file.tell(), part.length)


def _check_continues(
    response: aiohttp.ClientResponse, part: PartFile, start: int, validator: str | None
) -> None:
    """Make sure that a partial answer is the rest of what is there."""
    given = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
    same_version = _validator(response) in (None, validator)
    same_length = given is not None and part.length in (None, int(given["length"]))
    if given is None or int(given["first"]) != start or not (same_version and same_length):
        part.discard()
        raise Transient("the source resumed elsewhere or another version; starting anew")


def _check_nothing_is_missing(response: aiohttp.ClientResponse, part: PartFile, start: int) -> None:
    """Take "no such range" as the end of a file whose length had not been told, if it is that."""
    if response.headers.get("Content-Range") != f"bytes */{start}":
        part.discard()
        raise Transient("the file at the source has become shorter; starting anew")
    part.describe(part.validator, start)


def _validator(response: aiohttp.ClientResponse) -> str | None:
    """Return what ``If-Range`` takes: a strong ETag, else the date of change (RFC 9110, 13.1.5)."""
    etag = response.headers.get("ETag")
    if etag and not etag.startswith("W/"):
        return etag
    return response.headers.get("Last-Modified") if etag is None else None


async def _refusal(response: aiohttp.ClientResponse) -> Exception:
    status = response.status
    if status in (401, 403):
        return Fatal(
            "needs a key: set ARB_TARDIS_API_KEY (only the first day of a month is served without)"
            if "Authorization" not in response.request_info.headers
            else "the key in ARB_TARDIS_API_KEY does not cover it"
        )
    if status == 404:
        return Rejected("no such file at the source")
    said = " ".join((await response.text(errors="replace"))[:200].split())
    if status in (408, 429) or status >= 500:
        pause = _retry_after_s(response.headers.get("Retry-After"))
        return Transient(f"HTTP {status} {said}".strip(), retry_after_s=pause)
    if status >= 400:
        return Rejected(f"refused: HTTP {status} {said}".strip())
    return ProtocolViolation(f"unexpected HTTP {status} {said}".strip())


def _retry_after_s(header: str | None) -> float | None:
    """Read ``Retry-After``: seconds or a date; anything else is no wish."""
    if header is None:
        return None
    if header.strip().isdecimal():
        return float(header)
    try:
        wished = parsedate_to_datetime(header)
    except ValueError:
        return None
    if wished.tzinfo is None:  # "-0000" names no zone; HTTP dates are GMT
        wished = wished.replace(tzinfo=UTC)
    return max(0.0, (wished - datetime.now(UTC)).total_seconds())
