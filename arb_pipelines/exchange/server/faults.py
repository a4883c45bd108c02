"""What a test can make the exchange do wrong, and how often.

A fault is armed for the requests or messages it names, and counts down as it
strikes. The faults of state (maintenance, a halted symbol, expired tokens, a skewed clock)
are set at once by ``admin`` and need no arming.
"""

from __future__ import annotations

import random
from enum import StrEnum
from typing import Annotated, Literal

import msgspec

from arb_pipelines.clock import NS_PER_MS, now_ns
from arb_pipelines.exchange.server.answers import INTERNAL, Refusal


class Kind(StrEnum):
    """What goes wrong: with requests, with orders, with the messages of a topic."""

    DELAY = "delay"
    DROP_BEFORE = "drop_before"
    DROP_AFTER = "drop_after"
    LOST_ACKNOWLEDGEMENT = "lost_acknowledgement"
    TOO_MANY_REQUESTS = "too_many_requests"
    SERVER_ERROR = "server_error"
    REJECT = "reject"
    PARTIAL_FILL = "partial_fill"
    LATE_BALANCE = "late_balance"
    DUPLICATE = "duplicate"
    REORDER = "reorder"
    GAP = "gap"


class Fault(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One armed fault.

    ``match`` is a part of what it strikes: of a request (``POST
    /api/v1/hf/orders``, ``WS spot.order``), of an order (``BTC-USDT buy``: REJECT,
    PARTIAL_FILL and LATE_BALANCE) or of a topic (``/market/level2:BTC-USDT``); empty
    strikes all. ``skip`` strikes are let pass first. ``ms`` and ``jitter_ms`` are of
    DELAY, ``code`` and ``msg`` of REJECT; ``share`` of an order finds liquidity at
    PARTIAL_FILL, the rest of the book is gone until the feed shows it again. What an
    order received is on hold for ``ms`` at LATE_BALANCE.
    """

    kind: Kind
    match: str = ""
    count: Annotated[int, msgspec.Meta(ge=1)] = 1
    skip: Annotated[int, msgspec.Meta(ge=0)] = 0
    ms: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    jitter_ms: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    share: Annotated[float, msgspec.Meta(gt=0, lt=1)] = 0.5
    code: str = "200004"
    msg: str = "Balance insufficient!"


class Faults:
    """Armed faults; drawn jitter is seeded, so that a run can be had again."""

    def __init__(self, seed: int = 0) -> None:
        self._armed: list[Fault] = []
        self._random = random.Random(seed)  # noqa: S311 - jitter, no secret

    @property
    def armed(self) -> tuple[Fault, ...]:
        """Faults that have strikes left."""
        return tuple(self._armed)

    def arm(self, fault: Fault) -> None:
        """Add ``fault``."""
        self._armed.append(fault)

    def clear(self) -> None:
        """Disarm all."""
        self._armed.clear()

    def strike(self, kind: Kind, target: str) -> Fault | None:
        """Use up one strike of the first fault of ``kind`` that matches; None without one."""
        for fault in self._armed:
            if fault.kind is kind and fault.match in target:
                if fault.skip:
                    fault.skip -= 1
                    return None
                fault.count -= 1
                if not fault.count:
                    self._armed.remove(fault)
                return fault
        return None

    def delay_s(self, target: str) -> float:
        """Seconds that a request waits before it is looked at."""
        fault = self.strike(Kind.DELAY, target) if self._armed else None
        if fault is None:
            return 0.0
        return max(0.0, fault.ms + self._random.uniform(-1, 1) * fault.jitter_ms) / 1000


class Service(msgspec.Struct, forbid_unknown_fields=True):
    """Whether the exchange serves: ``open``; ``cancelonly``, no new orders; ``close``, nothing."""

    status: Literal["open", "cancelonly", "close"] = "open"
    msg: str = ""

    def check(self, *, places: bool) -> None:
        """Refuse a request during maintenance; ``places``: it would make an order.

        Raises:
            Refusal: the exchange is in maintenance.
        """
        if self.status == "close" or (places and self.status == "cancelonly"):
            raise Refusal(INTERNAL, f"The system is in maintenance: {self.msg}", status=503)


class SkewedClock:
    """The exchange's clock: the machine's, off by ``skew_ms``."""

    def __init__(self) -> None:
        self.skew_ms = 0

    def now_ns(self) -> int:
        """The time that the exchange believes it is."""
        return now_ns() + self.skew_ms * NS_PER_MS
