"""What a cycle meets before its engine dies: the variants of the crash matrix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Fault = Mapping[str, object]

_PLACE = "POST /api/v1/hf/orders"
#: Nothing of an order fills if the share of the book that it finds rounds to nothing.
_NOTHING = 1e-9


@dataclass(frozen=True, slots=True)
class Variant:
    """One way for the same three legs to go; ``rules`` are the session's.

    ``venue_too``: the exchange dies with the engine. ``torn``: the last frame of the state
    file's log is lost. ``recovering``: killed at a point of the cycle, the engine is killed
    again at each point of its recovery.
    """

    name: str
    faults: Sequence[Fault] = ()
    rules: str = ""
    venue_too: bool = False
    torn: bool = False
    recovering: bool = False


def _partial(match: str, share: float) -> Fault:
    return {"kind": "partial_fill", "match": match, "share": share}


def _second(kind: str) -> Fault:
    """Something happens to the request of the second order."""
    return {"kind": kind, "match": _PLACE, "skip": 1}


def _of_orders(kind: str, rules: str) -> list[Variant]:
    return [
        Variant(f"{kind}: full", rules=rules),
        Variant(f"{kind}: first leg partial", [_partial("BTC-USDT buy", 0.5)], rules),
        Variant(f"{kind}: second leg partial", [_partial("ETH-BTC buy", 0.5)], rules),
        Variant(f"{kind}: third leg partial", [_partial("ETH-USDT sell", 0.5)], rules),
        Variant(f"{kind}: second leg none", [_partial("ETH-BTC buy", _NOTHING)], rules),
        Variant(
            f"{kind}: second order without an answer", [_second("lost_acknowledgement")], rules
        ),
        Variant(f"{kind}: second order taken, connection cut", [_second("drop_after")], rules),
        Variant(f"{kind}: second order never arrives", [_second("drop_before")], rules),
        Variant(f"{kind}: venue restarted", rules=rules, venue_too=True),
        Variant(f"{kind}: last page torn", rules=rules, torn=True),
    ]


#: Limit legs that trade what is there at once, and what is left of them by a second price.
_CROSS = ", orders: limit, limit_orders: {price: cross, reprice_ms: 60, max_reprices: 1}"
#: Limit legs that find nobody: they rest, are priced again, and go by the market in the end.
_JOIN = ", orders: limit, limit_orders: {price: join, reprice_ms: 60, max_reprices: 1}"

VARIANTS: Sequence[Variant] = (
    *_of_orders("market", ""),
    *_of_orders("limit", _CROSS),
    Variant("limit: resting, priced again", rules=_JOIN),
    Variant("market: killed again while recovering", recovering=True),
)
