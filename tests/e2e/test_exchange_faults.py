"""What the local exchange does wrong on demand, what it keeps when killed, and its other books."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from arb_pipelines.generator.write import generate
from tests.e2e.exchange_client import ORDERS, SYMBOL, Client, arm, book, run
from tests.e2e.exchange_process import ExchangeProcess, running_exchange


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeProcess]:
    """An exchange whose books move only when they are told to."""
    home = tmp_path_factory.mktemp("exchange")
    with running_exchange(home, "--symbols", "5", "--speed", "0") as process:
        yield process


@pytest.mark.parametrize(
    ("kind", "accepted"), [("drop_before", False), ("drop_after", True), ("server_error", True)]
)
def test_answers_that_leave_the_outcome_open(
    exchange: ExchangeProcess, kind: str, accepted: bool
) -> None:
    """Whether an unanswered order was accepted is found by its client id alone."""

    async def body(client: Client) -> None:
        arm(exchange, kind, match=f"POST {ORDERS}")
        if kind == "server_error":
            assert (await client.buy(kind))["http"] == 500
        else:
            with pytest.raises(aiohttp.ClientError):
                await client.buy(kind)
        assert (await client.dealt(kind) is not None) == accepted
        assert (await client.buy(f"{kind}-again"))["code"] == "200000"

    run(exchange, body)


def test_lost_acknowledgement(exchange: ExchangeProcess) -> None:
    """The order is filled, its answer never comes, and the connection stays."""

    async def body(client: Client) -> None:
        arm(exchange, "lost_acknowledgement", match=f"POST {ORDERS}")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.buy("lost"), 0.5)
        assert await client.dealt("lost") is not None

    run(exchange, body)


def test_too_many_requests(exchange: ExchangeProcess) -> None:
    """A spent quota is answered with 429 and 429000 and the headers that say so."""

    async def body(client: Client) -> None:
        await client.call("GET", "/api/v1/base-fee")
        left = int(client.headers["gw-ratelimit-remaining"])
        await client.call("GET", "/api/v1/base-fee")
        assert int(client.headers["gw-ratelimit-remaining"]) == left - 3
        exchange.operate("POST", "/limits", {"spot": 0})
        answer = await client.buy("quota")
        assert (answer["http"], answer["code"]) == (429, "429000")
        assert client.headers["gw-ratelimit-remaining"] == "0"
        assert 0 < int(client.headers["gw-ratelimit-reset"]) <= 30_000
        exchange.operate("POST", "/limits", {"spot": 4000})
        assert (await client.buy("quota"))["code"] == "200000"

    run(exchange, body)


def test_rejected_leg_partial_fill_and_halted_symbol(exchange: ExchangeProcess) -> None:
    """An order of one symbol is refused, or finds half of what it wants, or finds no market."""

    async def body(client: Client) -> None:
        arm(exchange, "reject", match=f"{SYMBOL} buy", code="200004")
        assert (await client.buy("rejected"))["code"] == "200004"
        assert await client.dealt("rejected") is None
        book(exchange, "60000", "60001")
        arm(exchange, "partial_fill", match=SYMBOL, share=0.5)
        await client.buy("partial", "100")
        assert 49 < (await client.dealt("partial") or 0) <= 50
        exchange.operate("POST", f"/symbols/{SYMBOL}/halt")
        assert (await client.buy("halted"))["code"] == "200001"
        exchange.operate("POST", f"/symbols/{SYMBOL}/resume")
        book(exchange, "60000", "60002")
        assert (await client.buy("resumed"))["code"] == "200000"

    run(exchange, body)


def test_skewed_clock(exchange: ExchangeProcess) -> None:
    """A client whose clock is more than 5 s off is refused with 400002."""

    async def body(client: Client) -> None:
        exchange.operate("POST", "/clock", {"skew_ms": 6_000})
        assert (await client.buy("skewed"))["code"] == "400002"
        exchange.operate("POST", "/clock", {"skew_ms": 4_000})
        assert (await client.buy("skewed"))["code"] == "200000"
        exchange.operate("POST", "/clock", {"skew_ms": 0})

    run(exchange, body)


def test_level2_gap_duplicate_and_reordering(exchange: ExchangeProcess) -> None:
    """Messages are missing, come twice, or change places, and sequences show it."""
    topic = f"/market/level2:{SYMBOL}"

    async def body(client: Client) -> None:
        book(exchange, "60000", "60002")
        socket = await client.subscribe(topic)
        arm(exchange, "gap", match=topic, skip=1)
        arm(exchange, "duplicate", match=topic, skip=1)
        arm(exchange, "reorder", match=topic, skip=2)
        for ask in range(60_003, 60_008):
            book(exchange, "60000", str(ask))
        starts = [(await socket.receive_json())["data"]["sequenceStart"] for _ in range(5)]
        first = starts[0]
        # Each book withdraws one ask and shows another: two sequence numbers.
        assert [(start - first) // 2 for start in starts] == [0, 2, 2, 4, 3]

    run(exchange, body)


def test_fill_arrives_before_the_answer(exchange: ExchangeProcess) -> None:
    """An order whose answer is lost has told of its end on the private topic."""

    async def body(client: Client) -> None:
        socket = await client.subscribe("/spotMarket/tradeOrdersV2")
        book(exchange, "60000", "60010")
        arm(exchange, "lost_acknowledgement", match=f"POST {ORDERS}")
        order = asyncio.create_task(client.buy("unanswered"))
        seen = []
        while not seen or seen[-1]["status"] != "done":
            seen.append((await socket.receive_json())["data"])
        assert not order.done()
        assert {event["clientOid"] for event in seen} == {"unanswered"}
        order.cancel()

    run(exchange, body)


def test_expired_tokens_and_complaints(exchange: ExchangeProcess) -> None:
    """Expired tokens end their sessions; unknown topics and types have KuCoin's codes."""

    async def body(client: Client) -> None:
        socket = await client.subscribe()
        for request, code in (
            ({"type": "subscribe", "topic": "/market/unknown:BTC-USDT"}, 404),
            ({"type": "subscribe", "topic": "/market/level2:NO-SUCH"}, 404),
            ({"type": "dance"}, 415),
        ):
            await socket.send_json({"id": "1"} | request)
            answer = await socket.receive_json()
            assert (answer["type"], answer["code"]) == ("error", code)
        exchange.operate("POST", "/tokens/expire")
        assert (await socket.receive()).type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)
        late = await client.session.ws_connect(f"{exchange.ws}/endpoint?token=expired&connectId=9")
        answer = await late.receive_json()
        assert (answer["id"], answer["type"], answer["code"]) == ("9", "error", 401)

    run(exchange, body)


def test_killed_exchange_goes_on_where_it_was(tmp_path: Path) -> None:
    """Orders, fills and balances of a killed exchange are there when it starts again."""
    arguments = ("--symbols", "5", "--speed", "0", "--state", str(tmp_path / "state"))
    arguments += ("--account", "key:secret:phrase", "--balance", "USDT=100", "--fee-bps", "20")

    async def before(client: Client) -> Any:
        await client.buy("kept", "40")
        client.exchange.process.kill()
        return client.exchange.process.wait()

    async def after(client: Client) -> tuple[float | None, list[Any]]:
        return await client.dealt("kept"), (await client.call("GET", "/api/v1/accounts"))["data"]

    with running_exchange(tmp_path, *arguments) as killed:
        assert run(killed, before) == -9
    with running_exchange(tmp_path, *arguments) as again:
        dealt, accounts = run(again, after)
    assert dealt is not None
    assert 39 < dealt <= 40
    balances = {row["currency"]: float(row["balance"]) for row in accounts}
    assert balances["USDT"] == pytest.approx(100 - dealt * 1.002)
    assert balances["BTC"] > 0


def test_books_of_a_recording_step_by_step_over_tls(tmp_path: Path) -> None:
    """A recording is played by hand over https, and its certificate can be trusted."""
    generate(tmp_path, days=[date(2026, 1, 5)], symbols=3, minutes=0.2, seed=3)
    recording = next(tmp_path.glob("*.jsonl.zst"))
    arguments = ("--books", str(recording), "--speed", "0", "--tls")

    async def body(exchange: ExchangeProcess) -> None:
        trusted = ssl.create_default_context(cadata=exchange.certificate)
        connector = aiohttp.TCPConnector(ssl=trusted)
        async with aiohttp.ClientSession(exchange.rest, connector=connector) as session:
            sequences = []
            for _ in range(2):
                path = f"/api/v1/market/orderbook/level2_20?symbol={SYMBOL}"
                async with session.get(path) as answer:
                    sequences.append(int((await answer.json())["data"]["sequence"]))
                async with session.post("/admin/step", json={"states": 10}) as answer:
                    assert (await answer.json())["data"] == {"shown": 10}
            assert sequences[1] > sequences[0] > 0

    with running_exchange(tmp_path, *arguments) as exchange:
        assert len(exchange.symbols) == 3
        asyncio.run(body(exchange))
