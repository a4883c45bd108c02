"""Orders as clients ask for them in JSON: the REST body, which WebSocket entry shares.

Whether the symbol takes the order, and whether it can be paid for, is the engine's word.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from typing import TypeVar

import orjson

from arb_pipelines.exchange.engine.orders import (
    NewOrder,
    OrderType,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from arb_pipelines.exchange.server.answers import BAD_PARAMETER, Refusal
from arb_pipelines.exchange.server.texts import number

_REMARK_MAX = 20

Choice = TypeVar("Choice", bound=StrEnum)


def decode_object(body: bytes | str) -> dict[str, object]:
    """Read a JSON object.

    Raises:
        Refusal: it is none.
    """
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        document = None
    if not isinstance(document, dict):
        raise Refusal(BAD_PARAMETER, "Bad Request: the body is no JSON object")
    return document


def parse_order(body: Mapping[str, object]) -> NewOrder:
    """Read the body of ``POST /api/v1/hf/orders``.

    A market order::

        {"clientOid":"5c52e11203aa677f33e493fb","side":"buy","symbol":"BTC-USDT",
         "type":"market","funds":"10"}

    Nulls and empty texts count as absent, as the official SDK sends them;
    ``timeInForce`` and what goes with it are ignored on a market order.

    Raises:
        Refusal: 400100, naming the field.
    """
    given = {name: value for name, value in body.items() if value not in (None, "")}
    kind = choice(OrderType, given.get("type", "limit"), "type")
    sizes = {name: number(given[name], name) for name in ("size", "funds") if name in given}
    limit = kind is OrderType.LIMIT
    in_force = choice(TimeInForce, given.get("timeInForce", "GTC"), "timeInForce")
    return NewOrder(
        symbol=_text(given.get("symbol"), "symbol"),
        side=choice(Side, given.get("side"), "side"),
        type=kind,
        client_oid=_text(given["clientOid"], "clientOid") if "clientOid" in given else None,
        price=number(given["price"], "price") if limit and "price" in given else None,
        size=sizes.get("size"),
        funds=sizes.get("funds"),
        time_in_force=in_force if limit else TimeInForce.GTC,
        cancel_after_s=_cancel_after(given, in_force) if limit else None,
        post_only=limit and _flag(given, "postOnly"),
        hidden=limit and _flag(given, "hidden"),
        iceberg=limit and _flag(given, "iceberg"),
        stp=choice(SelfTradePrevention, given["stp"], "stp") if "stp" in given else None,
        remark=_remark(given, "remark"),
        tags=_remark(given, "tags"),
    )


def choice(kind: type[Choice], value: object, name: str) -> Choice:
    """Read one of the words of ``kind``.

    Raises:
        Refusal: it is none; the message names the field.
    """
    word: Choice | None = _words(kind).get(_text(value, name))
    if word is None:
        raise Refusal(BAD_PARAMETER, f"{name} parameter is invalid.")
    return word


@cache
def _words(kind: type[Choice]) -> Mapping[str, Choice]:
    return {word.value: word for word in kind}


def _text(value: object, name: str) -> str:
    if not isinstance(value, str):
        raise Refusal(BAD_PARAMETER, f"{name} parameter is invalid.")
    return value


def _flag(given: Mapping[str, object], name: str) -> bool:
    return given.get(name) in (True, "true")


def _remark(given: Mapping[str, object], name: str) -> str | None:
    value = given.get(name)
    if value is not None and len(_text(value, name)) > _REMARK_MAX:
        raise Refusal(BAD_PARAMETER, f"{name} is longer than {_REMARK_MAX} characters.")
    return value if isinstance(value, str) else None


def _cancel_after(given: Mapping[str, object], in_force: TimeInForce) -> int | None:
    """Seconds of a GTT order; SDKs send -1 with the others, for none."""
    if in_force is not TimeInForce.GTT:
        return None
    value = given.get("cancelAfter")
    if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
        raise Refusal(BAD_PARAMETER, "cancelAfter parameter is invalid.")
    return value
