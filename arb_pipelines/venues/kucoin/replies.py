"""What an answer of KuCoin means for who asked: data, or an error that says what to do now.

Pure: status, body and quota in, data or an error out. A request that may change something
at the venue (``acts``) is not known to have done nothing just because its answer is bad.

Source: https://www.kucoin.com/docs-new/error-code (and facts learned from real clients)
"""

from __future__ import annotations

import msgspec

from arb_pipelines.errors import (
    Closed,
    Fatal,
    OutcomeUnknown,
    Rejected,
    Transient,
    Unfunded,
    VenueError,
)
from arb_pipelines.venues.kucoin.limits import Quota

OK = "200000"
_TOO_MANY = "429000"
_INTERNAL = "500000"
_UNAVAILABLE = 503
_BALANCE_INSUFFICIENT = "200004"
#: Header, timestamp, key, passphrase, signature, address, permission; a frozen account.
_FOR_A_PERSON = frozenset(
    {"400001", "400002", "400003", "400004", "400005", "400006", "400007", "411100"}
)
_LONGEST_SHOWN = 200


class Answer(msgspec.Struct):
    """``{"code":"200000","data":{…}}`` or ``{"code":"400100","msg":"…"}``."""

    code: str = ""
    msg: str = ""
    data: msgspec.Raw = msgspec.Raw(b"null")


_ANSWER = msgspec.json.Decoder(Answer, strict=False)


def data_of(status: int, body: bytes, quota: Quota | None, *, acts: bool, what: str) -> msgspec.Raw:
    """Give the ``data`` of an answer. ``what`` names the request in errors, without secrets.

    Raises:
        Transient: too many requests; or a 5xx, or an answer that is not the venue's (a page
            of a proxy), to a question, which did nothing.
        Closed: a 503 to a question: the venue is in maintenance.
        Rejected: the venue says no, with its code.
        Fatal: keys, permission, clock or account need a person.
        OutcomeUnknown: a 5xx, or an answer without the venue's code or sense, to a request
            that acts.
    """
    try:
        answer = _ANSWER.decode(body)
    except msgspec.DecodeError:
        answer = Answer()
    if answer.code == OK and status < 300:
        return answer.data
    raise refusal(answer.code, answer.msg, status=status, quota=quota, acts=acts, what=what)


def refusal(
    code: str, message: str, *, status: int, quota: Quota | None, acts: bool, what: str
) -> VenueError:
    """Give the error that an answer which is no success means."""
    said = f"{what}: HTTP {status}, code {code or 'missing'} {message[:_LONGEST_SHOWN]}".rstrip()
    known = code or None
    if status == 429 or code == _TOO_MANY:
        wait_s = quota.reset_ms / 1000 if quota else None
        return Transient(said, code=known, retry_after_s=wait_s)
    if status >= 500 or code == _INTERNAL:
        if acts:
            return OutcomeUnknown(f"{said}; look it up, never send it again", code=known)
        return (Closed if status == _UNAVAILABLE else Transient)(said, code=known)
    if code in _FOR_A_PERSON:
        return Fatal(
            f"{said}; check key, permissions, address and this machine's clock", code=known
        )
    if code == _BALANCE_INSUFFICIENT:
        return Unfunded(said, code=known)
    if code not in ("", OK):
        return Rejected(said, code=known)
    # without a code of the venue a proxy speaks, for what it may have passed on
    if acts:
        return OutcomeUnknown(f"{said}; look it up, never send it again", code=known)
    return Transient(said, code=known)
