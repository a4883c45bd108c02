"""KuCoin's signatures: of a REST request, and of a connection for orders.

The keys stay here. Neither they nor what is made of them belongs into a log, an
exception or a ``repr``.

Source: https://www.kucoin.com/docs-new/authentication
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass
from urllib.parse import urlencode

from pydantic import SecretStr

_KEY_VERSION = "2"


@dataclass(frozen=True, slots=True)
class Credentials:
    """An API key with its secret and passphrase."""

    key: SecretStr
    secret: SecretStr
    passphrase: SecretStr


class Signer:
    """Signs with one key. Hashing the secret once halves the cost of a signature."""

    __slots__ = ("_key", "_passphrase", "_prepared")

    def __init__(self, credentials: Credentials) -> None:
        self._key = credentials.key.get_secret_value()
        secret = credentials.secret.get_secret_value().encode()
        self._prepared = hmac.new(secret, digestmod=hashlib.sha256)
        self._passphrase = self.sign(credentials.passphrase.get_secret_value().encode())

    def sign(self, message: bytes) -> str:
        """Base64 of HMAC-SHA256 of ``message`` under the secret."""
        mac = self._prepared.copy()
        mac.update(message)
        return base64.b64encode(mac.digest()).decode()

    def headers(self, timestamp_ms: int, method: str, target: str, body: bytes) -> dict[str, str]:
        """Headers of a request; ``target`` is path and query, not percent-encoded."""
        return {
            "KC-API-KEY": self._key,
            "KC-API-SIGN": self.sign(f"{timestamp_ms}{method}{target}".encode() + body),
            "KC-API-TIMESTAMP": str(timestamp_ms),
            "KC-API-PASSPHRASE": self._passphrase,
            "KC-API-KEY-VERSION": _KEY_VERSION,
            "Content-Type": "application/json",
        }

    def connection_query(self, timestamp_ms: int) -> str:
        """Query with which a connection for orders is opened."""
        return urlencode(
            {
                "apikey": self._key,
                "timestamp": timestamp_ms,
                "sign": self.sign(f"{self._key}{timestamp_ms}".encode()),
                "passphrase": self._passphrase,
            }
        )
