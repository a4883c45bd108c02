"""What a cycle meets before its engine dies: the variants of the crash matrix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tests.torture.strategy import Rules

Fault = Mapping[str, object]

_PLACE, _PLACE_BY_SOCKET = "POST /api/v1/hf/orders", "WS spot.order"
#: Nothing of an order fills if the share of the book that it finds rounds to nothing.
_NOTHING = 1e-9


@dataclass(frozen=True, slots=True)
class Variant:
    """One way for the same three legs to go; ``rules`` are its strategy's.

    ``venue_too``: the exchange dies with the engine. ``torn``: the last frame of the state
    file's log is lost. ``recovering``: killed at a point of the cycle, the engine is killed
    again at each point of its recovery.
    """

    name: str
    faults: Sequence[Fault] = ()
    rules: Rules = field(default_factory=dict)
    venue_too: bool = False
    torn: bool = False
    recovering: bool = False


def _partial(match: str, share: float) -> Fault:
    return {"kind": "partial_fill", "match": match, "share": share}


def _second(kind: str, way: str = _PLACE) -> Fault:
    """Something happens to the request of the second order."""
    return {"kind": kind, "match": way, "skip": 1}


def _refused(match: str) -> Fault:
    return {"kind": "reject", "match": match, "code": "600100"}


def _session(**said: object) -> Rules:
    return {"session": said}


def _of_orders(kind: str, rules: Rules) -> list[Variant]:
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


def _limit(price: str) -> Rules:
    return _session(
        orders="limit", limit_orders={"price": price, "reprice_ms": 60, "max_reprices": 1}
    )


#: Limit legs that trade what is there at once, and what is left of them by a second price.
_CROSS = _limit("cross")
#: Limit legs that find nobody: they rest, are priced again, and go by the market in the end.
_JOIN = _limit("join")
_SOCKET = _session(entry="socket")
#: Each leg is paid for by a balance of its own, which the account has.
PARALLEL: Rules = _session(legs="parallel") | {"balances": {"BTC": 1, "ETH": 10}}
#: What a crash cuts short is not finished. An order takes about half of what a cycle holds,
#: since that is more than a share of the books' size: a sale is two orders, and a pause.
_SOLD: Rules = {
    "recovery": {"max_age_s": 0},
    "panic_sell": {"slice_share": 1.8e-5, "slice_pause_ms": 5},
}
#: The desk gives up after one order back, and leaves the rest to the seller.
_ONE_BACK: Rules = {"unwind": {"max_orders": 1}, "panic_sell": {"retry_every_s": 0.2}}

_DUST_LEFT = _partial("ETH-USDT sell", 0.999)

VARIANTS: Sequence[Variant] = (
    *_of_orders("market", {}),
    *_of_orders("limit", _CROSS),
    Variant("limit: resting, priced again", rules=_JOIN),
    Variant("socket: full", rules=_SOCKET),
    Variant(
        "socket: second order without an answer",
        [_second("lost_acknowledgement", _PLACE_BY_SOCKET)],
        _SOCKET,
    ),
    Variant("parallel: full", rules=PARALLEL),
    Variant("parallel: second leg partial", [_partial("ETH-BTC buy", 0.5)], PARALLEL),
    Variant(
        "market: left by the desk, sold",
        [_refused("ETH-BTC buy"), _refused("BTC-USDT sell")],
        _ONE_BACK,
    ),
    Variant("market: first order refused", [_refused("BTC-USDT buy")]),
    Variant("market: dust of the third leg left, sold", [_DUST_LEFT]),
    Variant(
        "market: dust of the third leg left, held", [_DUST_LEFT], {"panic_sell": {"enabled": False}}
    ),
    Variant("market: sold after the restart", rules=_SOLD),
    Variant("market: killed again while recovering", recovering=True),
    Variant("market: killed again while selling", rules=_SOLD, recovering=True),
)
