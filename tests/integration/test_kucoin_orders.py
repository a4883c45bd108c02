"""Orders to a KuCoin that fails in every way: what the errors say; nothing is sent twice."""

from __future__ import annotations

import asyncio
import logging
import socket
import traceback
from decimal import Decimal

import pytest
from aiohttp import web
from pydantic import SecretStr

from arb_pipelines.errors import (
    ConfigError,
    Fatal,
    InvariantBroken,
    OutcomeUnknown,
    Rejected,
    Transient,
)
from arb_pipelines.market.graph import BUY, SELL
from arb_pipelines.trading.events import OrderKind, TimeInForce
from arb_pipelines.venues.base import NewOrder
from arb_pipelines.venues.kucoin import rest
from arb_pipelines.venues.kucoin.account import KucoinAccount
from arb_pipelines.venues.kucoin.limits import DEFAULT_LIMITS, Pool
from arb_pipelines.venues.kucoin.order_entry import RestOrderEntry, SocketOrderEntry
from arb_pipelines.venues.kucoin.rest import Rest, Timeouts
from arb_pipelines.venues.kucoin.signing import Credentials, Signer
from tests.fakes.kucoin_server import (
    KEY,
    PASSPHRASE,
    SECRET,
    SOON,
    fake_kucoin,
    no,
    on_loop,
    sign,
    signer,
    until,
    yes,
)


def market_buy(client_id: str = "a1", funds: str = "50") -> NewOrder:
    return NewOrder(client_id, "BTC-USDT", BUY, OrderKind.MARKET, funds=Decimal(funds))


async def drop(request: web.Request) -> web.StreamResponse:
    """Close the connection without an answer."""
    request.transport.close()
    await asyncio.Event().wait()
    raise AssertionError


async def hang(request: web.Request) -> web.StreamResponse:
    """Never answer."""
    await asyncio.Event().wait()
    raise AssertionError


def answers(response: web.Response):
    async def answer(request: web.Request) -> web.StreamResponse:
        return response

    return answer


@on_loop
async def test_an_order_leaves_as_the_venue_wants_it():
    """Exact amounts without exponents, signed; the answer carries the venue's id and our times."""
    async with fake_kucoin() as fake, fake.rest() as client:
        entry = RestOrderEntry(client, KucoinAccount(client))
        accepted = await entry.place(
            NewOrder(
                "a1",
                "BTC-USDT",
                SELL,
                OrderKind.LIMIT,
                size=Decimal("1E-8"),
                price=Decimal("64000.10"),
                time_in_force=TimeInForce.IOC,
            )
        )
        await entry.place(market_buy("a2", "1e2"))
        assert fake.orders[0] == {
            "clientOid": "a1",
            "symbol": "BTC-USDT",
            "side": "sell",
            "type": "limit",
            "size": "0.00000001",
            "price": "64000.10",
            "timeInForce": "IOC",
        }
        assert fake.orders[1] == {
            "clientOid": "a2",
            "symbol": "BTC-USDT",
            "side": "buy",
            "type": "market",
            "funds": "100",
        }
        assert accepted.order_id == "id-a1"
        assert accepted.ts_sent <= accepted.ts_recv
        assert fake.bad_signatures == 0


@pytest.mark.parametrize(
    ("answer", "error", "code"),
    [
        (drop, OutcomeUnknown, None),
        (hang, OutcomeUnknown, None),
        (answers(web.Response(status=502, text="<html>")), OutcomeUnknown, None),
        (answers(no("500000", "internal", 200)), OutcomeUnknown, "500000"),
        (answers(no("200004", "balance", 503)), OutcomeUnknown, "200004"),
        (answers(web.Response(text="nonsense")), OutcomeUnknown, None),
        (answers(yes({"clientOid": "other", "orderId": "1"})), OutcomeUnknown, None),
        (answers(yes({})), OutcomeUnknown, None),
        (answers(web.Response(status=307, headers={"Location": "/x"})), OutcomeUnknown, None),
        (answers(no("429000", "too many", 429)), Transient, "429000"),
        (answers(no("200004", "Balance insufficient!")), Rejected, "200004"),
        (answers(no("400100", "bad", 400)), Rejected, "400100"),
        (answers(no("999999", "never heard of")), Rejected, "999999"),
        (answers(no("400005", "Invalid KC-API-SIGN", 401)), Fatal, "400005"),
        (answers(no("411100", "frozen")), Fatal, "411100"),
        (answers(web.Response(status=403, text="<html>")), OutcomeUnknown, None),
        (answers(web.Response(status=429, text="<html>")), Transient, None),
        (answers(web.Response(status=404, text="<html>")), OutcomeUnknown, None),
        (answers(web.Response(status=408)), OutcomeUnknown, None),
        (answers(web.Response(status=409, text="<html>")), OutcomeUnknown, None),
        (answers(web.Response(status=425)), OutcomeUnknown, None),
        (answers(web.Response(status=499)), OutcomeUnknown, None),
        (answers(no("200000", "", 400)), OutcomeUnknown, "200000"),
    ],
)
@on_loop
async def test_what_an_answer_to_an_order_means(answer, error, code):
    """Each failure is told as what to do now; the order was sent once, whatever it is."""
    timeouts = Timeouts(connect_s=1.0, total_s=0.2)
    async with fake_kucoin() as fake, fake.rest(timeouts=timeouts) as client:
        account = KucoinAccount(client)
        await client.warm_up(1)  # on a kept connection a library may be tempted to try again
        fake.order_answers.append(answer)
        with pytest.raises(error) as raised:
            await RestOrderEntry(client, account).place(market_buy())
        assert raised.value.code == code
        assert len(fake.orders) == 1
        if error is OutcomeUnknown:
            with pytest.raises(InvariantBroken, match="followed already"):
                account.follow(market_buy())
        else:
            account.follow(market_buy())


@on_loop
async def test_a_question_that_fails_did_nothing():
    """The same failures of a test order are Transient, whatever a proxy may say in between."""
    async with fake_kucoin() as fake, fake.rest() as client:
        entry = RestOrderEntry(client, KucoinAccount(client))
        fake.order_answers.extend(
            [
                drop,
                answers(web.Response(status=502)),
                answers(web.Response(status=404, text="<html>")),
                answers(web.Response(status=403, text="<html>")),
                answers(web.Response(text="nonsense")),
            ]
        )
        while fake.order_answers:
            with pytest.raises(Transient):
                await entry.test(market_buy())
        await entry.test(market_buy())


@on_loop
async def test_without_a_connection_nothing_left():
    """Nobody listens: Transient, and the client id is free again."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        async with Rest(f"http://127.0.0.1:{taken.getsockname()[1]}", signer()) as client:
            account = KucoinAccount(client)
            with pytest.raises(Transient, match="not sent"):
                await RestOrderEntry(client, account).place(market_buy())
            account.follow(market_buy())


def test_an_address_has_to_be_given():
    """There is no venue by default."""
    with pytest.raises(ConfigError, match="ARB_KUCOIN_URL"):
        Rest("", signer())


@on_loop
async def test_a_spent_budget_sends_nothing_and_leaves_room_for_orders():
    """Books may not spend the reserve; past the limit nothing leaves, and the wait is told."""
    quotas = {**DEFAULT_LIMITS, Pool.SPOT: 402}
    async with fake_kucoin() as fake, fake.rest(quotas=quotas) as client:
        with pytest.raises(Transient, match="budget"):
            await client.call(rest.FULL_BOOK, query={"symbol": "BTC-USDT"})
        entry = RestOrderEntry(client, KucoinAccount(client))
        limit = {"gw-ratelimit-limit": "402", "gw-ratelimit-remaining": "0"}
        fake.order_answers.append(
            answers(no("429000", "too many", 429, **limit, **{"gw-ratelimit-reset": "1500"}))
        )
        with pytest.raises(Transient) as told:
            await entry.place(market_buy("a1"))
        assert told.value.retry_after_s == 1.5
        with pytest.raises(Transient, match="not sent") as told:
            await entry.place(market_buy("a2"))
        assert 0 < told.value.retry_after_s <= 1.5
        assert len(fake.orders) == 1


@on_loop
async def test_a_cancel_that_is_lost_is_unknown():
    """A cancel acts: no answer means that it may have been done."""
    async with fake_kucoin() as fake, fake.rest() as client:
        entry = RestOrderEntry(client, KucoinAccount(client))
        fake.order_answers.append(answers(web.Response(status=500)))
        with pytest.raises(OutcomeUnknown):
            await entry.cancel("a1", "BTC-USDT")
        await entry.cancel("a1", "BTC-USDT")


@on_loop
async def test_a_kept_connection_that_is_dead_repeats_neither_cancel_nor_order():
    """What left on it may have arrived: whoever asked is told, and decides."""
    async with fake_kucoin() as fake, fake.rest() as client:
        entry = RestOrderEntry(client, KucoinAccount(client))
        await client.warm_up(1)
        fake.order_answers.append(drop)
        with pytest.raises(OutcomeUnknown):
            await entry.cancel("a1", "BTC-USDT")
        assert [method for method, _ in fake.requests].count("DELETE") == 1
        fake.order_answers.append(drop)
        with pytest.raises(OutcomeUnknown):
            await entry.place(market_buy())
        assert len(fake.orders) == 1


@on_loop
async def test_order_entry_by_websocket():
    """Logged in by challenge, once the venue has time; answers are told by their numbers."""
    async with fake_kucoin() as fake, fake.rest() as client, asyncio.TaskGroup() as tasks:
        fake.login_refusals = ["429000", "500000"]
        account = KucoinAccount(client)
        entry = SocketOrderEntry(client, account, fake.order_entry_url, patience=SOON)
        with pytest.raises(Transient, match="not sent"):
            await entry.place(market_buy())
        running = tasks.create_task(entry.run())
        await entry.in_service.wait()
        accepted = await asyncio.gather(*(entry.place(market_buy(f"o{n}")) for n in range(20)))
        assert [answer.order_id for answer in accepted] == [f"id-o{n}" for n in range(20)]
        await entry.cancel("o1", "BTC-USDT")
        fake.socket_refusal = {"code": "200004", "msg": "Balance insufficient!"}
        with pytest.raises(Rejected) as refused:
            await entry.place(market_buy("poor"))
        assert refused.value.code == "200004"
        running.cancel()


@on_loop
async def test_a_lost_connection_leaves_orders_unknown_and_comes_back():
    """The order without an answer is OutcomeUnknown and not sent again; the next one goes."""
    async with fake_kucoin() as fake, fake.rest() as client, asyncio.TaskGroup() as tasks:
        entry = SocketOrderEntry(client, KucoinAccount(client), fake.order_entry_url, patience=SOON)
        running = tasks.create_task(entry.run())
        await entry.in_service.wait()
        fake.lose_next_socket_order = True
        with pytest.raises(OutcomeUnknown, match="never send it again"):
            await entry.place(market_buy("lost"))
        await entry.in_service.wait()
        await entry.place(market_buy("next"))
        assert [order["clientOid"] for order in fake.orders] == ["lost", "next"]
        running.cancel()


@on_loop
async def test_order_entry_ends_on_a_bad_key():
    """A refused login is for a person, not for another attempt."""
    wrong = Signer(Credentials(SecretStr(KEY), SecretStr("wrong"), SecretStr(PASSPHRASE)))
    async with fake_kucoin() as fake, Rest(fake.url, wrong) as client:
        entry = SocketOrderEntry(client, KucoinAccount(client), fake.order_entry_url)
        with pytest.raises(Fatal, match="400005"):
            await entry.run()


@on_loop
async def test_no_error_and_no_log_shows_a_secret(caplog):
    """Key, secret, passphrase and what is signed with them appear in no message or traceback."""
    caplog.set_level(logging.DEBUG)
    shown = []
    async with fake_kucoin() as fake:
        async with fake.rest() as client:
            entry = RestOrderEntry(client, KucoinAccount(client))
            fake.order_answers.extend([drop, answers(no("400005", "sign", 401))])
            for name in ("a", "b"):
                try:
                    await entry.place(market_buy(name))
                except (OutcomeUnknown, Fatal):
                    shown.append(traceback.format_exc())
            shown.append(repr(client))
        address = fake.url
    async with Rest(address, signer()) as client:
        entry = SocketOrderEntry(
            client, KucoinAccount(client), address.replace("http", "ws") + "/v1/private"
        )
        try:
            async with asyncio.timeout(0.5):
                await entry._connection(lambda: None)
        except Transient:
            shown.append(traceback.format_exc())
    assert len(shown) == 4
    text = "".join(shown) + caplog.text
    assert not any(secret in text for secret in (KEY, SECRET, PASSPHRASE, sign(PASSPHRASE)))


@pytest.mark.parametrize(
    "amounts",
    [
        {},
        {"size": Decimal(1), "funds": Decimal(1)},
        {"size": Decimal(0)},
        {"size": Decimal("NaN")},
        {"size": Decimal("Infinity")},
        {"size": Decimal(1), "price": Decimal(1)},
    ],
)
def test_an_order_without_sense_cannot_be_made(amounts):
    """A market order has one amount above zero, and no price."""
    with pytest.raises(InvariantBroken):
        NewOrder("a", "BTC-USDT", BUY, OrderKind.MARKET, **amounts)


@on_loop
async def test_warm_connections_are_used_again():
    """Orders after the warm-up find an open connection."""
    async with fake_kucoin() as fake, fake.rest() as client:
        await client.warm_up(2)
        pool = client.session.connector
        held = sum(len(free) for free in pool._conns.values())
        assert held == 2
        await RestOrderEntry(client, KucoinAccount(client)).place(market_buy())
        assert sum(len(free) for free in pool._conns.values()) == 2
        await until(lambda: len(fake.requests) == 3)
