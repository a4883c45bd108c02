"""What an exception of ccxt means for who asked: an error that says what to do now.

ccxt raises the same exception for a connection that was refused and for one that was lost
under an order; what caused it tells them apart. Whatever is not known to have done
nothing has an unknown outcome.

Source: https://docs.ccxt.com (exception hierarchy), ccxt.async_support.base.exchange.fetch
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import localcontext
from importlib import import_module
from typing import Any

import aiohttp

from arb_pipelines.errors import (
    Fatal,
    OutcomeUnknown,
    ProtocolViolation,
    Rejected,
    Transient,
    Unfunded,
    VenueError,
)

#: No connection could be had, so nothing left.
_NOT_SENT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, socket.gaierror)
#: What ccxt's parsers raise over an answer that is not as they expect.
_NONSENSE = (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError)
#: Signatures, keys and tokens travel in the query.
_QUERY = re.compile(r"\?\S+")
_LONGEST_SHOWN = 200


@contextmanager
def asking(what: str, *, acts: bool) -> Iterator[None]:
    """Turn ccxt's exceptions within the block into ours. ``acts``: an order may come of it.

    The block has a decimal context of its own, since ccxt changes the rounding of the one
    it finds.

    Raises:
        Transient: nothing happened, try again later.
        Rejected: the venue, or ccxt before anything left, says no (Unfunded: for lack of money).
        OutcomeUnknown: it acts, and what became of it is not known.
        ProtocolViolation: a question's answer makes no sense.
        Fatal: keys, permission, clock or account need a person.
    """
    known: Any = import_module("ccxt.base.errors")
    try:
        with localcontext():
            yield
    except (known.BaseError, TimeoutError) as error:
        raise meaning(error, what, acts=acts) from None
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        # Nobody asked for it: ccxt cancels what waits for a connection that it gives up.
        raise _lost(f"{what}: ccxt gave the connection up", acts=acts) from None
    except _NONSENSE as error:
        said = f"{what}: ccxt made no sense of the answer ({type(error).__name__})"
        raise (_lost(said, acts=True) if acts else ProtocolViolation(said)) from None


def meaning(error: Exception, what: str, *, acts: bool) -> VenueError:
    """Give our error for one of ccxt's."""
    known: Any = import_module("ccxt.base.errors")
    text = _QUERY.sub("?…", str(error))[:_LONGEST_SHOWN]
    said, cause = f"{what}: {type(error).__name__} {text}".rstrip(), error.__cause__
    if isinstance(error, known.DDoSProtection | known.RateLimitExceeded):
        return Transient(said)
    if isinstance(cause, _NOT_SENT):
        return Transient(f"{said}; no connection, not sent")
    clock = isinstance(error, known.InvalidNonce) and not isinstance(error, known.ChecksumError)
    if isinstance(error, known.AuthenticationError) or clock:
        return Fatal(f"{said}; check key, permissions, address and this machine's clock")
    if isinstance(error, known.InsufficientFunds):
        return Unfunded(said)
    # A bare ExchangeError is what ccxt raises for a code it does not know, and for a
    # connection that broke in the middle of an answer: that is no refusal.
    bare = type(error) is known.ExchangeError
    lost = not isinstance(error, known.ExchangeError) or isinstance(cause, aiohttp.ClientError)
    if lost or (acts and bare):
        return _lost(said, acts=acts)
    return Rejected(said)


def _lost(said: str, *, acts: bool) -> VenueError:
    """The error of a request that had no answer."""
    if acts:
        return OutcomeUnknown(f"{said}; look it up, never send it again")
    return Transient(said)
