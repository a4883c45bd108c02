"""What is made of executions that a session's end cut short."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from arb_pipelines.errors import Rejected, Transient
from arb_pipelines.execution.recovery import Recovered, Unfinished, look_into, read_unfinished
from arb_pipelines.market.graph import BUY, SELL
from arb_pipelines.market.symbols import FeeSide, Market
from arb_pipelines.venues.base import OrderReport

FEE = Decimal("0.001")


class Asked:
    """An account that answers look-ups as a test says."""

    def __init__(self, answers: Mapping[str, OrderReport | Exception | None]) -> None:
        self._answers = answers

    async def look_up(self, client_id: str, symbol: str) -> OrderReport | None:
        answer = self._answers[client_id]
        if isinstance(answer, Exception):
            raise answer
        return answer


def market(symbol: str) -> Market:
    base, _, quote = symbol.partition("-")
    return Market("test", symbol, base, quote, symbol, fee_side=FeeSide.QUOTE)


def report(symbol: str, side: int, size: str, funds: str, **changed: Any) -> OrderReport:
    facts = {
        "client_id": "x",
        "order_id": "1",
        "symbol": symbol,
        "side": side,
        "active": False,
        "cancelled": False,
        "size": Decimal(size),
        "funds": Decimal(funds),
        "fee": None,
        "fee_currency": None,
        "ts_event": 0,
    }
    return OrderReport(**(facts | changed))  # type: ignore[arg-type]


def look(answers: Mapping[str, OrderReport | Exception | None], *symbols: str) -> Recovered:
    """Look into one execution, whose orders are named 0, 1, 2 and so on."""
    markets = {symbol: market(symbol) for symbol in ("BTC-USDT", "ETH-BTC")}
    unfinished = Unfinished("a-7", tuple((str(n), symbol) for n, symbol in enumerate(symbols)))
    account: Any = Asked(answers)
    return asyncio.run(look_into(unfinished, account, markets, dict.fromkeys(markets, FEE)))


def test_what_orders_did_is_added_up_exactly() -> None:
    """An order that the venue does not know never arrived, and changed nothing."""
    found = look(
        {
            "0": report("BTC-USDT", BUY, "0.002", "100"),
            "1": report("ETH-BTC", BUY, "0.03", "0.0015", fee=Decimal("1e-6"), fee_currency="BTC"),
            "2": None,
        },
        "BTC-USDT",
        "ETH-BTC",
        "ETH-BTC",
    )
    assert found == Recovered(
        "a-7",
        {"USDT": Decimal("-100.100"), "BTC": Decimal("0.000499"), "ETH": Decimal("0.03")},
        (),
    )


def test_a_fee_in_another_currency_is_counted_there() -> None:
    """Neither what was given nor what was got is less by it."""
    sold = report("BTC-USDT", SELL, "0.002", "100", fee=Decimal("0.05"), fee_currency="KCS")
    found = look({"0": sold}, "BTC-USDT")
    assert found.changes == {
        "BTC": Decimal("-0.002"),
        "USDT": Decimal(100),
        "KCS": Decimal("-0.05"),
    }


def test_what_the_venue_does_not_tell_is_unknown() -> None:
    """No answer, an order that may still fill, a symbol that is no longer listed."""
    found = look(
        {
            "0": Transient("no connection"),
            "1": report("ETH-BTC", BUY, "0", "0", active=True),
            "2": report("OLD-USDT", BUY, "1", "1"),
            "3": Rejected("busy"),
        },
        "BTC-USDT",
        "ETH-BTC",
        "OLD-USDT",
        "BTC-USDT",
    )
    assert found == Recovered("a-7", {}, ("0", "1", "2", "3"))


def test_executions_without_an_end_are_found_over_all_that_went_on(tmp_path: Path) -> None:
    """Those that ended, or were recovered since, are done; unknown ones are asked for again."""
    old, new = tmp_path / "old", tmp_path / "new"
    for folder in (old, new):
        folder.mkdir()
    (old / "journal.ndjson").write_text(
        '{"event":"intent","client_id":"a-0-0","symbol":"BTC-USDT","side":0}\n'
        '{"event":"ended","execution":"a-0"}\n'
        '{"event":"ended","execution":null,"declined":"edge"}\n'
        '{"event":"intent","client_id":"a-1-0","symbol":"BTC-USDT","side":0}\n'
        '{"event":"intent","client_id":"a-1-1","symbol":"ETH-BTC","side":0}\n'
        '{"event":"cycle","execution":1,"spent":1.0}\n'
        '{"event":"intent","client_id":"a-2-0","symbol":"BTC-USDT","side":0}\n'
        '{"event":"intent","client_id":"a-3-0","symbol":"BTC-USDT","side":0}\n'
        '{"event":"ende'
    )
    (new / "journal.ndjson").write_text(
        '\n{"event":"recovered","execution":"a-1","changes":{},"unknown":["a-1-1"]}\n'
        '{"event":"recovered","execution":"a-2","changes":{},"unknown":[]}\n'
    )
    assert read_unfinished([old, new]) == [
        Unfinished("a-1", (("a-1-0", "BTC-USDT"), ("a-1-1", "ETH-BTC"))),
        Unfinished("a-3", (("a-3-0", "BTC-USDT"),)),
    ]
    assert read_unfinished([tmp_path / "none"]) == []
