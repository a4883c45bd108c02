"""What is made of executions that a session's end cut short."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from arb_pipelines.clock import now_ns
from arb_pipelines.errors import OutcomeUnknown, ProtocolViolation, Rejected, Transient
from arb_pipelines.execution.limits import Spent
from arb_pipelines.execution.records.journal_reading import unfinished_orders
from arb_pipelines.execution.recovery import (
    Recovered,
    Unfinished,
    look_into,
    note_recovered,
    read_unfinished,
)
from arb_pipelines.execution.spent import read_spent
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
    unfinished = Unfinished("a-7", tuple((str(n), symbol) for n, symbol in enumerate(symbols)), "X")
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
            "4": ProtocolViolation("'hold' is not a side of an order"),
            "5": OutcomeUnknown("no answer"),
            "6": report("BTC-USDT", BUY, "0.002", "100"),
        },
        "BTC-USDT",
        "ETH-BTC",
        "OLD-USDT",
        *["BTC-USDT"] * 4,
    )
    assert found.unknown == ("0", "1", "2", "3", "4", "5")
    assert found.changes["USDT"] == Decimal("-100.100")


def test_an_order_that_is_still_on_its_way_is_asked_for_again() -> None:
    """Sent a moment ago and not known yet, it may arrive after the first question."""

    class Late:
        """An account that knows of an order from the second question on."""

        asked = 0

        async def look_up(self, client_id: str, symbol: str) -> OrderReport | None:
            self.asked += 1
            return report("BTC-USDT", BUY, "1", "100") if self.asked > 1 else None

    late: Any = Late()
    markets = {"BTC-USDT": market("BTC-USDT")}
    unfinished = Unfinished("a-7", (("0", "BTC-USDT"),), "USDT", now_ns())
    found = asyncio.run(look_into(unfinished, late, markets, {"BTC-USDT": FEE}))
    assert found.changes == {"USDT": Decimal("-100.1"), "BTC": Decimal(1)}


def test_executions_without_an_end_are_found(tmp_path: Path) -> None:
    """Those that ended, or were recovered since, are done; unknown ones are asked for again."""
    (tmp_path / "journal.ndjson").write_text(
        '{"event":"intent","client_id":"a-0-0","symbol":"BTC-USDT","side":0}\n'
        '{"event":"ended","execution":"a-0"}\n'
        '{"event":"ended","execution":null,"declined":"edge"}\n'
        '{"event":"intent","client_id":"a-1-0","symbol":"BTC-USDT","side":0}\n'
        '{"event":"intent","client_id":"a-1-1","symbol":"ETH-BTC","side":0}\n'
        '{"event":"cycle","execution":1,"spent":1.0}\n'
        '{"event":"intent","client_id":"a-2-0","symbol":"BTC-USDT","side":0}\n'
        '{"event":"intent","client_id":"a-3-0","symbol":"ETH-BTC","side":1}\n'
        '{"event":"ende'
        '\n{"event":"recovered","execution":"a-1","changes":{},"unknown":["a-1-1"]}\n'
        '{"event":"recovered","execution":"a-2","changes":{},"unknown":[]}\n'
    )
    assert read_unfinished(tmp_path) == [
        Unfinished("a-1", (("a-1-0", "BTC-USDT"), ("a-1-1", "ETH-BTC")), "USDT"),
        Unfinished("a-3", (("a-3-0", "ETH-BTC"),), "ETH"),
    ]
    assert read_unfinished(tmp_path / "none") == []


def test_what_was_found_out_is_noted_where_it_was_left_and_counts_there(tmp_path: Path) -> None:
    """Once: it is not asked for again, and what its start currency lost counts as a loss."""
    journal = tmp_path / "journal.ndjson"
    journal.write_text(
        '{"ts_ns":1,"event":"intent","client_id":"a-0-0","symbol":"BTC-USDT","side":0}\n'
        '{"ts_ns":1,"event":"intent","client_id":"a-0-1","symbol":"ETH-BTC","side":0}\n'
        '{"ts_ns":2,"event":"or'
    )
    changes = {"USDT": Decimal("-100.1"), "ETH": Decimal("0.03")}
    note_recovered(tmp_path, Recovered("a-0", changes, ("a-0-1",)))
    assert len(read_unfinished(tmp_path)) == 1
    assert len(unfinished_orders(tmp_path)) == 2
    assert read_spent(tmp_path) == Spent(1)  # it is asked for again, and counts then
    note_recovered(tmp_path, Recovered("a-0", changes, ()))
    assert read_unfinished(tmp_path) == []
    assert unfinished_orders(tmp_path) == []
    assert read_spent(tmp_path) == Spent(1, {"USDT": -100.1})


def test_a_journal_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    """The next session looks into it once more."""
    note_recovered(tmp_path / "gone", Recovered("a-0", {}, ()))
