"""Who sent a request: KuCoin's signature, passphrase and clock window.

Source: https://www.kucoin.com/docs-new/authentication
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from urllib.parse import unquote

from arb_pipelines.clock import NS_PER_MS
from arb_pipelines.exchange.server.answers import Refusal

WINDOW_MS = 5_000
_HEADERS = ("KC-API-KEY", "KC-API-SIGN", "KC-API-TIMESTAMP", "KC-API-PASSPHRASE")
_HASHED_VERSIONS = ("2", "3")


@dataclass(frozen=True, slots=True)
class Credentials:
    """An API key of ``user``. ``permissions`` are KuCoin's names, such as ``General``, ``Spot``."""

    key: str
    secret: str
    passphrase: str
    user: str
    permissions: tuple[str, ...] = ("General", "Spot")


class Keyring:
    """The keys this exchange knows.

    ``check_request`` and ``check_connection`` give the credentials of the sender or
    raise the refusal that KuCoin would answer.
    """

    def __init__(self, known: Mapping[str, Credentials]) -> None:
        self._known = dict(known)

    def check_request(
        self,
        headers: Mapping[str, str],
        method: str,
        raw_path: str,
        body: bytes,
        now_ns: int,
        *,
        permission: str = "General",
    ) -> Credentials:
        """Check the headers of one REST request. ``raw_path`` is path and query as sent.

        A client signs the query before or after encoding it (the official SDK
        sends ``%2C`` and signs the comma), so either is accepted.

        Raises:
            Refusal: 400001 a header is missing, 400002 the timestamp, 400003 the
                key, 400004 the passphrase, 400005 the signature, 400007 the
                key lacks ``permission``.
        """
        values = [headers.get(name, "") for name in _HEADERS]
        if not all(values):
            raise Refusal(
                "400001",
                "Please check the header of your request for KC-API-KEY, KC-API-SIGN, "
                "KC-API-TIMESTAMP, KC-API-PASSPHRASE",
                status=401,
            )
        key, sign, timestamp, passphrase = values
        _check_timestamp(timestamp, now_ns)
        owner = self.owner(key)
        version = headers.get("KC-API-KEY-VERSION", "1")
        _check_passphrase(owner, passphrase, hashed=version in _HASHED_VERSIONS)
        if not any(
            _same(signature(owner.secret, f"{timestamp}{method}{path}".encode() + body), sign)
            for path in _ways_to_write(raw_path)
        ):
            raise Refusal("400005", "Invalid KC-API-SIGN", status=401)
        if permission not in owner.permissions:
            raise Refusal("400007", "Access denied, require more permission.", status=403)
        return owner

    def check_connection(self, query: Mapping[str, str], now_ns: int) -> Credentials:
        """Check the query of an order-entry connection: its sign covers key and timestamp.

        Raises:
            Refusal: as ``check_request``.
        """
        key, timestamp = query.get("apikey", ""), query.get("timestamp", "")
        _check_timestamp(timestamp, now_ns)
        owner = self.owner(key)
        _check_passphrase(owner, query.get("passphrase", ""), hashed=True)
        expected = signature(owner.secret, f"{key}{timestamp}".encode())
        if not _same(expected, query.get("sign", "")):
            raise Refusal("400005", "Invalid KC-API-SIGN", status=401)
        return owner

    def owner(self, key: str) -> Credentials:
        """Find a key.

        Raises:
            Refusal: 400003, there is none.
        """
        owner = self._known.get(key)
        if owner is None:
            raise Refusal("400003", "KC-API-KEY not exists", status=401)
        return owner


def signature(secret: str, payload: bytes) -> str:
    """Base64 of HMAC-SHA256 of ``payload``."""
    mac = _prepared(secret).copy()
    mac.update(payload)
    return base64.b64encode(mac.digest()).decode()


@cache
def _prepared(secret: str) -> hmac.HMAC:
    """The part of a signature that is the same for every payload."""
    return hmac.new(secret.encode(), digestmod=hashlib.sha256)


@cache
def _hashed_passphrase(owner: Credentials) -> str:
    return signature(owner.secret, owner.passphrase.encode())


def _ways_to_write(raw_path: str) -> tuple[str, ...]:
    return (raw_path, unquote(raw_path)) if "%" in raw_path else (raw_path,)


def _same(expected: str, given: str) -> bool:
    return hmac.compare_digest(expected.encode(), given.encode())


def _check_timestamp(timestamp: str, now_ns: int) -> None:
    in_time = timestamp.isdecimal() and abs(int(timestamp) - now_ns // NS_PER_MS) <= WINDOW_MS
    if not in_time:
        raise Refusal("400002", "KC-API-TIMESTAMP Invalid", status=401)


def _check_passphrase(owner: Credentials, given: str, *, hashed: bool) -> None:
    if not _same(_hashed_passphrase(owner) if hashed else owner.passphrase, given):
        raise Refusal("400004", "KC-API-PASSPHRASE error", status=401)
