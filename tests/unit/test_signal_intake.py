"""The way of a signal to the desk: each check, in its order, and what is answered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from arb_pipelines.execution.control.board import ReportTold
from arb_pipelines.execution.signals.intake import SignalRefused
from arb_pipelines.execution.signals.wire import decode_signal
from arb_pipelines.trading.events import CycleSignal
from tests.fakes.signals import MS, NOW, TOPS, SignalDesk, a_book, a_leg, a_signal, changed_leg

NOW_MS = NOW / MS
UNSORTED_BIDS = {"bids": [["6", "1"], ["7", "1"]], "asks": [["8", "1"]]}
ASKS_TWICE = {"bids": [["6", "1"]], "asks": [["8", "1"], ["8", "1"]]}


def refused(desk: SignalDesk, reason: str, document: dict[str, Any]) -> str:
    """Send a signal that is refused; give the detail."""
    before = desk.intake.refused[reason]
    answer = desk.send(document)
    assert (answer["accepted"], answer["reason"]) == (False, reason), answer
    assert answer["correlation_id"] == document["correlation_id"]
    assert desk.intake.refused[reason] == before + 1
    assert not desk.sent
    return str(answer["detail"])


def test_a_good_signal_is_traded_leg_by_leg() -> None:
    """It is answered with its execution at once; each leg follows the one before."""
    desk = SignalDesk()
    assert desk.send(a_signal()) == {"correlation_id": "one", "accepted": True, "execution": 0}
    desk.fill(desk.sent[0], 0.99)
    desk.fill(desk.sent[1], 9.8)
    desk.fill(desk.sent[2], 107.0)
    assert [order.symbol for order in desk.sent] == list(TOPS)
    assert [order.client_id for order in desk.sent] == ["s-0-0", "s-0-1", "s-0-2"]
    (report,) = [event for event in desk.events if isinstance(event, ReportTold)]
    assert (report.execution, report.correlation_id, report.status) == (0, "one", "filled")
    assert desk.sent[0].funds is not None
    assert report.profit == 107.0 - desk.sent[0].funds
    assert report.from_signal_ms == report.from_book_ms == 3.0
    assert (report.ts_signal_ns, report.ts_ended_ns) == (NOW, desk.now)
    assert [(top.symbol, (top.bid, top.ask)) for top in report.tops] == list(TOPS.items())
    assert [leg.symbol for leg in report.legs] == list(TOPS)


def test_a_scanner_in_the_process_uses_the_same_intake() -> None:
    """A signal as a value passes the same checks as a line."""
    desk = SignalDesk()
    signal = decode_signal(msgspec.json.encode(a_signal()))
    assert desk.intake.take(signal).accepted
    assert desk.intake.take(signal).reason == "invalid"  # its id was accepted before


def test_what_the_desk_hears_is_what_was_sent() -> None:
    """Volume bounds it, the id and the book's time go with it."""
    desk = SignalDesk()
    desk.send(a_signal(starting_volume="20", book_ts_ms=NOW_MS - 5))
    (signal,) = [event for event in desk.events if isinstance(event, CycleSignal)]
    assert (signal.ts, signal.most, signal.correlation_id) == (NOW, 20.0, "one")
    assert signal.ts_book == NOW - 5 * MS
    assert signal.product == pytest.approx(1.09705)
    assert desk.sent[0].reserve <= 20.0


def test_a_paused_session_says_so_before_anything_else() -> None:
    """Even a signal that is no signal hears that the session is paused, and why."""
    desk = SignalDesk()
    desk.controls.paused = "lunch"
    assert refused(desk, "paused", a_signal()).endswith("(lunch)")
    assert refused(desk, "paused", {"correlation_id": "x", "nonsense": 1})
    desk.controls.stop("enough")
    assert refused(desk, "stopping", a_signal()).endswith("(enough)")


@pytest.mark.parametrize(
    ("where", "changes"),
    [
        ("live", {"live": True}),
        ("triangle_key", {"triangle_key": ["BTC-USDT", "ETH-USDT", "ETH-BTC"]}),
        ("books", {"books": [a_book("BTC-USDT")]}),
        ("books[0]", {"books": [{"bids": [["9", "1"]], "asks": [["8", "1"]]}] * 3}),
        ("books[0].bids", {"books": [{"bids": [], "asks": [["8", "1"]]}] * 3}),
        ("books[0].asks", {"books": [{"bids": [["7", "1"]], "asks": [["8", "0"]]}] * 3}),
        ("books[0].bids", {"books": [UNSORTED_BIDS] * 3}),
        ("books[0].asks", {"books": [ASKS_TWICE] * 3}),
        ("books[0].bids", {"books": [{"bids": [["sNaN", "1"]], "asks": [["8", "1"]]}] * 3}),
        ("books[0].asks", {"books": [{"bids": [["7", "1"]], "asks": [["8", "1e999999"]]}] * 3}),
        ("primary_quote", {"primary_quote": "BTC"}),
        ("legs[1].base_increment", {"legs": changed_leg(1, base_increment="0.001")}),
        ("legs[1].base_min_size", {"legs": changed_leg(1, base_min_size="0.02")}),
        ("legs[2].quote_increment", {"legs": changed_leg(2, quote_increment="0")}),
        ("legs[0].fee_rate", {"legs": changed_leg(0, fee_rate="0.0008")}),
        ("legs[0].fee_currency", {"legs": changed_leg(0, fee_currency="BTC")}),
        ("legs[0].order_param", {"legs": changed_leg(0, order_param="size")}),
        ("legs[1]", {"legs": changed_leg(1, side="sell", order_param="size")}),
        ("legs[0].pair", {"legs": changed_leg(0, pair="BTCUSDT")} | {
            "triangle_key": ["BTCUSDT", "ETH-BTC", "ETH-USDT"]
        }),
    ],
)  # fmt: skip
def test_what_does_not_agree_with_the_session_is_invalid(
    where: str, changes: dict[str, Any]
) -> None:
    """The detail begins with the field, and ends with what to do."""
    detail = refused(SignalDesk(), "invalid", a_signal(**changes))
    assert detail.startswith(f"{where}: ")
    assert "; " in detail


def test_a_cycle_of_another_universe_is_invalid() -> None:
    """Symbols that the session does not trade, and a way round that it does not go."""
    legs = [a_leg("BTC-USDT", "buy"), a_leg("SOL-BTC", "buy"), a_leg("SOL-USDT", "sell")]
    key = [leg["pair"] for leg in legs]
    detail = refused(SignalDesk(), "invalid", a_signal(legs=legs, triangle_key=key))
    assert detail.startswith("legs[1].pair: 'SOL-BTC' is not traded")
    turned = [a_leg(*leg) for leg in (("ETH-BTC", "buy"), ("ETH-USDT", "sell"))]
    turned.append(a_leg("BTC-USDT", "buy"))
    books = [a_book(leg["pair"]) for leg in turned]
    document = a_signal(
        legs=turned,
        triangle_key=[leg["pair"] for leg in turned],
        books=books,
        primary_quote="BTC",
    )
    detail = refused(SignalDesk(), "invalid", document)
    assert detail.startswith("triangle_key: no cycle of this session begins with BTC")


@pytest.mark.parametrize("field", ["ts_ms", "t_eval_ms", "t_arrive_ms", "t_sock_arrive_ms"])
def test_a_signal_is_as_old_as_what_it_was_made_of(field: str) -> None:
    """The earliest of the sender's times counts against the strategy's signal_age_ms."""
    assert "is 1001.0 ms old" in refused(SignalDesk(), "stale", a_signal(**{field: NOW_MS - 1_001}))
    assert SignalDesk().send(a_signal(**{field: NOW_MS - 1_000}))["accepted"]


@pytest.mark.parametrize("field", ["ts_ms", "book_ts_ms"])
def test_a_signal_of_tomorrow_is_stale(field: str) -> None:
    """A clock that is off would make any book look fresh."""
    assert "ahead" in refused(SignalDesk(), "stale", a_signal(**{field: NOW_MS + 1_001}))


def test_a_signal_from_before_the_triangles_last_trade_is_stale() -> None:
    """What it saw is what that trade may have taken."""
    desk = SignalDesk()
    desk.send(a_signal())
    for received in (0.99, 9.8, 107.0):
        desk.fill(desk.sent[-1], received)
    desk.sent.clear()
    assert "traded until" in refused(desk, "stale", a_signal("two", at_ms=NOW_MS + 3))
    desk.now += MS
    assert desk.send(a_signal("three", at_ms=NOW_MS + 4))["accepted"]


def test_a_volume_below_a_legs_minimum_is_refused() -> None:
    """1.05 USDT buy 0.0104 BTC, the least; those buy 0.1 ETH; 0.9 USDT buy too little BTC."""
    detail = refused(SignalDesk(), "volume", a_signal(starting_volume="0.9"))
    assert "legs[0] has 0.9 USDT for its buy of BTC-USDT" in detail
    assert "no less than 0.01 BTC" in detail
    assert SignalDesk().send(a_signal(starting_volume="1.05"))["accepted"]


def test_a_leg_without_any_price_cannot_be_sized() -> None:
    """The session has seen no book and the one attached is older than its shelf."""
    desk = SignalDesk()
    empty = dict.fromkeys(TOPS, (float("nan"), float("nan")))
    desk.show(NOW, empty)
    assert "attach its book" in refused(desk, "volume", a_signal(book_ts_ms=NOW_MS - 1))


# -- books -----------------------------------------------------------------------------

FALLEN = TOPS | {"ETH-USDT": (5.0, 5.1)}


def test_newer_books_are_what_the_plan_is_priced_on() -> None:
    """The session saw no profit; the signal's later books show it, and it is traded."""
    desk = SignalDesk()
    desk.show(NOW - 10 * MS, FALLEN)
    assert desk.send(a_signal(book_ts_ms=NOW_MS - 5))["accepted"]


def test_older_books_do_not_replace_what_the_session_saw() -> None:
    """The profit that the signal saw has gone since, by the venue's time."""
    desk = SignalDesk()
    desk.show(NOW - 2 * MS, FALLEN)
    answer = desk.send(a_signal(book_ts_ms=NOW_MS - 5))
    assert (answer["accepted"], answer["reason"]) == (False, "depth")


def test_a_session_that_does_not_scan_signals_nothing_itself() -> None:
    """It sees books that pay, and waits to be told."""
    desk = SignalDesk()
    desk.show(NOW)
    assert not any(isinstance(event, CycleSignal) for event in desk.events)
    assert desk.send(a_signal(book_ts_ms=NOW_MS - 5))["accepted"]


def test_books_attached_have_nobody_signal() -> None:
    """They reach the shelf without a market event."""
    desk = SignalDesk()
    desk.send(a_signal("one", starting_volume="100"))
    assert len([event for event in desk.events if isinstance(event, CycleSignal)]) == 1


def test_a_book_of_a_symbol_with_an_order_out_cannot_be_judged() -> None:
    """With isolation off a signal still waits for the order whose trade its book may show."""
    apart = {"triangle": False, "symbol": False}
    desk = SignalDesk(isolation=apart, capital_allocation={"mode": "fixed_amount", "amount": 10})
    assert desk.send(a_signal())["accepted"]
    desk.now += 2 * MS
    answer = desk.send(a_signal("two", at_ms=NOW_MS + 2))
    assert (answer["reason"], answer["detail"][:9]) == ("symbol", "BTC-USDT:")
    assert desk.send(a_signal("three"))["accepted"]  # its books are no newer


# -- the desk's own refusals ------------------------------------------------------------


def _busy(desk: SignalDesk) -> None:
    assert desk.send(a_signal("first"))["accepted"]
    desk.sent.clear()


@pytest.mark.parametrize(
    ("reason", "changes", "prepare"),
    [
        ("triangle", {}, _busy),
        ("symbol", {"isolation": {"triangle": False}}, _busy),
        ("start_currency", {"isolation": {"triangle": False, "symbol": False,
                                          "start_currency": True}}, _busy),
        ("slots", {"slots": 1}, _busy),
        ("funds", {"isolation": {"triangle": False, "symbol": False}}, _busy),
        ("stale", {"max_age_ms": 5}, lambda desk: desk.show(NOW)),
        ("depth", {"min_profit_bps": 2_000}, lambda desk: None),
    ],
)  # fmt: skip
def test_what_the_desk_refuses_is_answered_with_its_reason(
    reason: str, changes: dict[str, Any], prepare: Callable[[SignalDesk], None]
) -> None:
    """Isolation, slots, age of books, funds, depth: each with a word of what to do."""
    desk = SignalDesk(**changes)
    prepare(desk)
    at_ms = NOW_MS
    if reason == "stale":
        desk.now += 20 * MS
        at_ms -= 1
    volume = "2000" if reason == "funds" else "100"
    if reason == "funds":
        desk.portfolio._free["USDT"] = 0.0
    detail = refused(desk, reason, a_signal("two", at_ms=at_ms, starting_volume=volume))
    assert detail != reason


def test_a_cool_down_is_the_desks() -> None:
    """After a trade its symbols rest as the strategy says."""
    desk = SignalDesk(cool_down_ms=50)
    desk.send(a_signal())
    for received in (0.99, 9.8, 107.0):
        desk.fill(desk.sent[-1], received)
    desk.sent.clear()
    desk.now += MS
    refused(desk, "cool_down", a_signal("two", at_ms=desk.now / MS))


def test_every_refusal_before_the_desk_is_told_on_the_bus() -> None:
    """So it is journalled and counted like the desk's own."""
    desk = SignalDesk()
    refused(desk, "stale", a_signal(ts_ms=1))
    (told,) = [event for event in desk.events if isinstance(event, SignalRefused)]
    assert (told.ts, told.correlation_id, told.reason) == (NOW, "one", "stale")
