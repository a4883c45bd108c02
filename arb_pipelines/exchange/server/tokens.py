"""Tokens of the WebSocket endpoints: 24 hours, used as often as the client likes."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from arb_pipelines.clock import NS_PER_S

LIFE_NS = 24 * 3600 * NS_PER_S


@dataclass(frozen=True, slots=True)
class Grant:
    """What a token opens: the public topics, and the private ones of ``user`` if it has one."""

    user: str | None
    expires_ns: int


class Tokens:
    """Tokens in force."""

    def __init__(self, now_ns: Callable[[], int]) -> None:
        self._now_ns = now_ns
        self._grants: dict[str, Grant] = {}

    def issue(self, user: str | None) -> str:
        """Make a token; without ``user`` it opens the public topics alone."""
        now = self._now_ns()
        self._grants = {t: grant for t, grant in self._grants.items() if grant.expires_ns > now}
        token = secrets.token_urlsafe(48)
        self._grants[token] = Grant(user, now + LIFE_NS)
        return token

    def grant_of(self, token: str) -> Grant | None:
        """What ``token`` opens; None when it is unknown or has expired."""
        grant = self._grants.get(token)
        return grant if grant is not None and grant.expires_ns > self._now_ns() else None

    def expire_all(self) -> int:
        """Let every token expire now; return how many there were."""
        expired = len(self._grants)
        self._grants.clear()
        return expired
