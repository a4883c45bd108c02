"""Delays, refused requests, and what can go wrong with order entry over WebSocket."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import pairwise

import pytest

from tests.e2e.exchange_client import ORDERS, SYMBOL, Client, arm, run
from tests.e2e.exchange_process import ExchangeProcess, running_exchange

ENTRY = "WS spot.order"


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeProcess]:
    """An exchange whose books move only when they are told to."""
    home = tmp_path_factory.mktemp("exchange")
    with running_exchange(home, "--symbols", "3", "--speed", "0") as process:
        yield process


def test_a_delayed_request_is_overtaken_by_the_next(exchange: ExchangeProcess) -> None:
    """A request waits before it is looked at, and keeps nobody else waiting."""

    async def body(client: Client) -> None:
        arm(exchange, "delay", match=f"POST {ORDERS}", ms=60_000)
        delayed = asyncio.create_task(client.buy("delayed"))
        while exchange.operate("GET", "/faults"):
            await asyncio.sleep(0.005)
        assert (await client.buy("next"))["code"] == "200000"
        assert not delayed.done()
        assert await client.dealt("delayed") is None
        delayed.cancel()

    run(exchange, body)


def test_a_delay_ends_with_the_answer(exchange: ExchangeProcess) -> None:
    """After its delay, with its jitter, a request is answered as any other."""

    async def body(client: Client) -> None:
        loop = asyncio.get_running_loop()
        arm(exchange, "delay", match=f"POST {ORDERS}", ms=80, jitter_ms=20)
        began = loop.time()
        assert (await client.buy("late"))["code"] == "200000"
        assert loop.time() - began >= 0.06
        assert await client.dealt("late") is not None

    run(exchange, body)


def test_too_many_requests_on_demand(exchange: ExchangeProcess) -> None:
    """A request is refused with 429 though the quota is not spent, and nothing happens."""

    async def body(client: Client) -> None:
        arm(exchange, "too_many_requests", match=f"POST {ORDERS}", count=2)
        for number in range(2):
            answer = await client.buy(f"refused-{number}")
            assert (answer["http"], answer["code"]) == (429, "429000")
            assert await client.dealt(f"refused-{number}") is None
        assert (await client.buy("refused-0"))["code"] == "200000"

    run(exchange, body)


def test_order_entry_without_faults(exchange: ExchangeProcess) -> None:
    """An order over the connection is the account's as any, and counts against its quota."""

    async def body(client: Client) -> None:
        entry = await client.order_entry()
        answers = [await entry.buy(f"entry-{number}") for number in range(2)]
        assert [answer["code"] for answer in answers] == ["200000", "200000"]
        left = [answer["rateLimit"]["remaining"] for answer in answers]
        assert all(late == early - 1 for early, late in pairwise(left))
        assert await client.dealt("entry-1") is not None
        again = await entry.buy("entry-1")
        assert (again["code"], again["op"]) == ("400100", "spot.order")

    run(exchange, body)


@pytest.mark.parametrize(
    ("kind", "code", "accepted"),
    [("too_many_requests", "429000", False), ("server_error", "500000", True)],
)
def test_order_entry_answers_with_an_error(
    exchange: ExchangeProcess, kind: str, code: str, accepted: bool
) -> None:
    """A 5xx leaves the outcome open, where 429 says that nothing happened."""

    async def body(client: Client) -> None:
        entry = await client.order_entry()
        arm(exchange, kind, match=ENTRY)
        answer = await entry.buy(kind)
        assert (answer["id"], answer["code"]) == ("1", code)
        assert (await client.dealt(kind) is not None) == accepted
        assert (await entry.buy(f"{kind}-again"))["code"] == "200000"

    run(exchange, body)


@pytest.mark.parametrize(("kind", "accepted"), [("drop_before", False), ("drop_after", True)])
def test_order_entry_is_cut_off(exchange: ExchangeProcess, kind: str, accepted: bool) -> None:
    """The connection ends before or after the order is accepted; a new one goes on."""

    async def body(client: Client) -> None:
        entry = await client.order_entry()
        arm(exchange, kind, match=ENTRY)
        with pytest.raises(TypeError, match="Received message"):
            await entry.buy(f"entry-{kind}")
        assert (await client.dealt(f"entry-{kind}") is not None) == accepted
        assert (await (await client.order_entry()).buy(f"new-{kind}"))["code"] == "200000"

    run(exchange, body)


def test_order_entry_loses_an_answer_and_delays_another(exchange: ExchangeProcess) -> None:
    """The answer that comes is that of the second order; both were accepted."""

    async def body(client: Client) -> None:
        entry = await client.order_entry()
        arm(exchange, "lost_acknowledgement", match=ENTRY)
        arm(exchange, "delay", match=ENTRY, ms=20, skip=1)
        for number in range(2):
            order = {"clientOid": f"lost-{number}", "symbol": SYMBOL, "side": "buy"}
            order |= {"type": "market", "funds": "10"}
            await entry.socket.send_json({"id": str(number), "op": "spot.order", "args": order})
        assert (await entry.socket.receive_json())["id"] == "1"
        assert await client.dealt("lost-0") is not None
        assert exchange.operate("GET", "/faults") == []

    run(exchange, body)


def test_order_entry_meets_the_faults_of_orders(exchange: ExchangeProcess) -> None:
    """A rejected leg and a partial fill strike orders whichever way they come."""

    async def body(client: Client) -> None:
        entry = await client.order_entry()
        arm(exchange, "reject", match=f"{SYMBOL} buy", code="200004", msg="Balance insufficient!")
        answer = await entry.buy("entry-rejected")
        assert (answer["code"], answer["msg"]) == ("200004", "Balance insufficient!")
        arm(exchange, "partial_fill", match=SYMBOL, share=0.25)
        assert (await entry.buy("entry-partial", "100"))["code"] == "200000"
        assert 20 < (await client.dealt("entry-partial") or 0) <= 25

    run(exchange, body)
