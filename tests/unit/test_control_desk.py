"""What people tell a session over its socket, and what it tells them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from arb_pipelines.execution.control.requests import OPS, ControlUsed
from tests.fakes.signals import MS, NOW, SignalDesk, a_signal


def ask(desk: SignalDesk, op: str, client: Any = None, **arguments: Any) -> dict[str, Any]:
    """Ask a desk that understands; give the answer without what every answer has."""
    answer = desk.say(json.dumps({"op": op} | arguments).encode(), client)
    assert answer.pop("op") == op
    assert answer.pop("ok"), answer
    return answer


class Listener:
    """A client that keeps what it is told, until it hangs up."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []
        self.connected = True

    def tell(self, line: bytes) -> None:
        self.told.append(json.loads(line))


def test_a_paused_session_takes_no_signal_until_it_is_resumed() -> None:
    """What is in flight is not touched."""
    desk = SignalDesk()
    assert desk.send(a_signal())["accepted"]
    assert ask(desk, "pause", reason="lunch") == {"state": "paused"}
    assert desk.send(a_signal("two"))["reason"] == "paused"
    assert len(ask(desk, "in_flight")["in_flight"]) == 1
    assert ask(desk, "resume") == {"state": "running"}
    assert desk.send(a_signal("three"))["reason"] == "triangle"


def test_a_cancelled_execution_goes_no_further() -> None:
    """The leg that is out ends; the next does not leave, what is in hand is sold."""
    desk = SignalDesk()
    desk.send(a_signal())
    assert ask(desk, "cancel") == {"cancelled": [0], "left": {}}
    (flight,) = ask(desk, "in_flight")["in_flight"]
    assert (flight["cancelled"], flight["out"]) == (True, ["s-0-0"])
    desk.show(NOW + MS, {"ETH-USDT": (5.0, 5.1)})  # else the best way back is the way on
    desk.fill(desk.sent[0], 0.99)
    assert [order.symbol for order in desk.sent] == ["BTC-USDT", "BTC-USDT"]
    desk.fill(desk.sent[1], 98.0)
    (report,) = ask(desk, "reports")["reports"]
    assert [leg["kind"] for leg in report["legs"]] == ["leg", "unwind"]
    assert ask(desk, "in_flight") == {"in_flight": []}


def test_what_cannot_be_cancelled_is_told() -> None:
    """An execution whose last leg is out, and one that is none."""
    desk = SignalDesk()
    desk.send(a_signal())
    desk.fill(desk.sent[0], 0.99)
    desk.fill(desk.sent[1], 9.8)
    assert ask(desk, "cancel", execution=0) == {
        "cancelled": [],
        "left": {"0": "its last orders are out"},
    }
    assert ask(desk, "cancel", execution=7)["left"] == {"7": "it is not in flight"}


def test_legs_that_left_at_once_cannot_be_cancelled() -> None:
    """Nothing is left to be kept from leaving; each is listed until it has ended."""
    balances = {"USDT": 1_000.0, "BTC": 10.0, "ETH": 100.0}
    desk = SignalDesk(parallel=True, balances=balances)
    desk.send(a_signal())
    (flight,) = ask(desk, "in_flight")["in_flight"]
    assert flight["out"] == ["s-0-0", "s-0-1", "s-0-2"]
    assert ask(desk, "cancel")["left"] == {"0": "its last orders are out"}
    first, second, third = desk.sent
    desk.fill(third, 107.0)
    (flight,) = ask(desk, "in_flight")["in_flight"]
    assert (flight["out"], len(flight["legs"])) == (["s-0-0", "s-0-1"], 1)
    desk.fill(first, 0.99)
    desk.fill(second, 9.8)
    for order in desk.sent[3:]:  # what is uneven is brought back, or bought back
        desk.fill(order, order.reserve * (99 if order.symbol == "BTC-USDT" else 11))
    assert ask(desk, "in_flight") == {"in_flight": []}
    (report,) = ask(desk, "reports")["reports"]
    assert [leg["kind"] for leg in report["legs"][:3]] == ["leg"] * 3


def test_slots_are_bounded_from_outside() -> None:
    """Below what the strategy allows, never above; null gives them back."""
    desk = SignalDesk(isolation={"triangle": False, "symbol": False})
    assert ask(desk, "slots") == {"slots": 2, "strategy_slots": 2, "in_flight": 0}
    assert ask(desk, "slots", slots=9)["slots"] == 2
    assert ask(desk, "slots", slots=0)["slots"] == 0
    assert desk.send(a_signal())["reason"] == "slots"
    assert ask(desk, "slots", slots=None)["slots"] == 2
    assert desk.send(a_signal())["accepted"]


def test_stopping_is_for_good() -> None:
    """The first reason stands, and nothing more is taken."""
    desk = SignalDesk()
    assert ask(desk, "stop", reason="enough") == {"state": "stopping"}
    ask(desk, "stop", reason="again")
    ask(desk, "resume")
    assert desk.controls.stop_reason == "enough"
    assert desk.send(a_signal())["reason"] == "stopping"


def test_health_counts_every_signal() -> None:
    """By refusal, with the state and its reason."""
    desk = SignalDesk()
    desk.send(a_signal())
    desk.send(a_signal("two", ts_ms=1))
    desk.say(b"nonsense")
    ask(desk, "pause", reason="lunch")
    found = ask(desk, "health")
    assert (found["state"], found["reason"], found["in_flight"]) == ("paused", "lunch", 1)
    assert (found["signals"], found["accepted"]) == (3, 1)
    assert found["refused"] == {"stale": 1, "invalid": 1}


def test_uptime_is_by_the_clock() -> None:
    """Since when, and for how long."""
    desk = SignalDesk()
    desk.now += 1_500 * MS
    found = ask(desk, "uptime")
    assert found["uptime_s"] == 1.5
    assert found["started"] == "2026-01-05T09:00:00.000000000Z"


def test_config_shows_no_secret() -> None:
    """Whatever is put into it: a secret is stars, however deep."""
    desk = SignalDesk(config={"home": Path("/x"), "keys": [{"key": SecretStr("hunter2")}]})
    raw = desk.control.answer(b'{"op":"config"}', None)  # type: ignore[arg-type]
    assert b"hunter2" not in raw
    assert json.loads(raw)["config"] == {"home": "/x", "keys": [{"key": "**********"}]}


def test_reports_go_to_who_subscribed() -> None:
    """Once each, also if one subscribed twice; who has hung up is forgotten."""
    desk = SignalDesk()
    first, second, gone = Listener(), Listener(), Listener()
    for client in (first, first, second, gone):
        ask(desk, "subscribe", client)
    gone.connected = False
    desk.send(a_signal())
    for received in (0.99, 9.8, 107.0):
        desk.fill(desk.sent[-1], received)
    (told,) = first.told
    assert second.told == first.told
    assert gone.told == []
    assert (told["op"], told["execution"], told["correlation_id"]) == ("report", 0, "one")
    assert ask(desk, "reports", last=1)["reports"] == [
        {name: value for name, value in told.items() if name != "op"}
    ]
    ledger = told["ledger"]
    parts = sum(ledger[name] for name in ("fee", "slippage", "latency", "unwind", "residual"))
    assert ledger["expected_profit"] - parts == pytest.approx(told["profit"])


def test_reports_are_newest_first() -> None:
    """And no more than were asked for."""
    desk = SignalDesk()
    for k in range(3):
        desk.now += MS
        desk.send(a_signal(str(k), at_ms=desk.now / MS))
        for received in (0.99, 9.8, 107.0):
            desk.fill(desk.sent[-1], received)
    assert [told["execution"] for told in ask(desk, "reports", last=2)["reports"]] == [2, 1]


@pytest.mark.parametrize("op", ["pause", "resume", "cancel", "stop"])
def test_what_people_do_is_told_on_the_bus(op: str) -> None:
    """So that the journal knows who stopped what."""
    desk = SignalDesk()
    ask(desk, op)
    (used,) = [event for event in desk.events if isinstance(event, ControlUsed)]
    assert (used.ts, used.op) == (NOW, op)


@pytest.mark.parametrize(
    "line",
    [
        b'{"op":"dance"}',
        b'{"op":7}',
        b'{"op":null}',
        b'{"op":"pause","why":"x"}',
        b'{"op":"slots","slots":65}',
        b'{"op":"reports","last":0}',
        b'{"op":"cancel","execution":"all"}',
    ],
)
def test_what_is_not_understood_is_refused(line: bytes) -> None:
    """With what may be asked; nothing is changed."""
    desk = SignalDesk()
    answer = desk.say(line)
    assert answer["op"] == json.loads(line)["op"]
    assert not answer["ok"]
    assert all(op in answer["detail"] for op in OPS)
    assert desk.controls.paused is None
