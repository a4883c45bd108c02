"""A venue through ccxt, without one: addresses, errors, numbers, lists, look-ups."""

from __future__ import annotations

import asyncio
import decimal
import socket
import sys
from collections.abc import Mapping
from decimal import Decimal
from importlib import import_module
from typing import Any

import aiohttp
import ccxt.async_support
import pytest
from ccxt.base.decimal_to_precision import TICK_SIZE, TRUNCATE, decimal_to_precision

from arb_pipelines.errors import (
    ConfigError,
    DataError,
    Fatal,
    InvariantBroken,
    OutcomeUnknown,
    ProtocolViolation,
    Rejected,
    Transient,
    Unfunded,
    VenueError,
)
from arb_pipelines.market.graph import BUY, SELL
from arb_pipelines.market.symbols import FeeSide, Market, Status
from arb_pipelines.settings import load_settings
from arb_pipelines.trading.events import OrderKind, TimeInForce
from arb_pipelines.venues.base import NewOrder
from arb_pipelines.venues.ccxt_any.account import CcxtAccount
from arb_pipelines.venues.ccxt_any.books import CcxtFeed
from arb_pipelines.venues.ccxt_any.client import make_client
from arb_pipelines.venues.ccxt_any.failures import asking
from arb_pipelines.venues.ccxt_any.numbers import exact
from arb_pipelines.venues.ccxt_any.order_entry import CcxtOrderEntry
from arb_pipelines.venues.ccxt_any.orders import Listed, report_of, request_of
from arb_pipelines.venues.ccxt_any.symbols import parse_symbols
from arb_pipelines.venues.retry import Patience

theirs: Any = import_module("ccxt.base.errors")
HERE = "http://127.0.0.1:8420"
SETTINGS = load_settings(ccxt_url=HERE)
MARKET = Market("some", "BTC-USDT", "BTC", "USDT", "btcusdt", quote_increment=Decimal("0.01"))
LISTED = {"BTC-USDT": Listed("BTC/USDT", MARKET)}
FILLED = {
    "id": "77",
    "clientOrderId": "mine",
    "side": "buy",
    "status": "closed",
    "filled": Decimal("0.1"),
    "cost": Decimal("6400.1"),
    "fee": {"cost": Decimal("6.4001"), "currency": "USDT"},
    "timestamp": 1_700_000_000_000,
}


# -- addresses and retries -----------------------------------------------------------------


def test_every_class_goes_where_it_is_told_and_sends_once() -> None:
    """All of ccxt's exchanges: each address is the one that was set, no retries are on."""
    elsewhere = []
    for exchange in ccxt.async_support.exchanges:
        client = make_client(SETTINGS, exchange, exact=True)
        elsewhere += [
            (exchange, address)
            for address in leaves(client.urls["api"])
            if address.partition("://")[2].partition("/")[0] != "127.0.0.1:8420"
        ]
        assert client.options["maxRetriesOnFailure"] == 0
        assert client.number is Decimal
    assert elsewhere == []


def leaves(tree: Any) -> list[str]:
    """All texts of a tree of mappings."""
    if isinstance(tree, Mapping):
        return [leaf for branch in tree.values() for leaf in leaves(branch)]
    return [tree] if isinstance(tree, str) else []


def test_a_client_of_this_machine_stays_there() -> None:
    """Whatever asks it to go elsewhere, by REST or by WebSocket."""

    async def body() -> None:
        client = make_client(SETTINGS, "kucoin", exact=False)
        with pytest.raises(InvariantBroken, match=r"ccxt would go to api\.kucoin\.com"):
            await client.fetch("https://api.kucoin.com/api/v1/timestamp")
        with pytest.raises(InvariantBroken):
            client.client("wss://ws-api-spot.kucoin.com/?token=abc")
        await client.close()

    asyncio.run(body())


def test_the_exchanges_own_addresses_have_to_be_asked_for() -> None:
    """There is no default, and nothing else is an address."""
    with pytest.raises(ConfigError, match="ARB_CCXT_URL: is not set"):
        make_client(load_settings(ccxt_url=None), "kucoin", exact=False)
    with pytest.raises(ConfigError, match="ARB_CCXT_URL"):
        load_settings(ccxt_url="api.kucoin.com")
    client = make_client(load_settings(ccxt_url="venue"), "kucoin", exact=False)
    assert client.urls["api"]["public"] == "https://api.kucoin.com"
    assert client.enableRateLimit


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """An exchange that ccxt has not, and ccxt itself, with how to get it."""
    with pytest.raises(ConfigError, match="knows no exchange 'nowhere'"):
        make_client(SETTINGS, "nowhere", exact=False)
    monkeypatch.setitem(sys.modules, "ccxt.pro", None)
    with pytest.raises(ConfigError, match=r"pip install 'arb-pipelines\[ccxt\]'"):
        make_client(SETTINGS, "kucoin", exact=False)


def test_too_many_requests_are_told_by_their_status() -> None:
    """KuCoin's class does not know its own code for it."""
    client = make_client(SETTINGS, "kucoin", exact=False)
    body = '{"code":"429000","msg":"Too many requests"}'
    with pytest.raises(theirs.RateLimitExceeded):
        client.handle_errors(429, "", "", "POST", {}, body, {"code": "429000"}, {}, "")


# -- errors --------------------------------------------------------------------------------

REFUSED = aiohttp.ClientConnectorError(
    aiohttp.client_reqrep.ConnectionKey("x", 1, False, True, None, None, None), OSError()
)
LOST = aiohttp.ServerDisconnectedError()
CASES = [
    (theirs.RequestTimeout(), TimeoutError(), OutcomeUnknown, Transient),
    (theirs.ExchangeNotAvailable(), LOST, OutcomeUnknown, Transient),
    (theirs.ExchangeNotAvailable("503"), None, OutcomeUnknown, Transient),
    (theirs.OnMaintenance(), None, OutcomeUnknown, Transient),
    (theirs.BadResponse(), None, OutcomeUnknown, Transient),
    (theirs.ExchangeNotAvailable(), REFUSED, Transient, Transient),
    (theirs.ExchangeNotAvailable(), socket.gaierror(), Transient, Transient),
    (theirs.DDoSProtection(), None, Transient, Transient),
    (theirs.RateLimitExceeded(), None, Transient, Transient),
    (theirs.AuthenticationError(), None, Fatal, Fatal),
    (theirs.PermissionDenied(), None, Fatal, Fatal),
    (theirs.InvalidNonce(), None, Fatal, Fatal),
    (theirs.ChecksumError(), None, OutcomeUnknown, Transient),
    (theirs.InsufficientFunds(), None, Unfunded, Unfunded),
    (theirs.InvalidOrder(), None, Rejected, Rejected),
    (theirs.OrderNotFound(), None, Rejected, Rejected),
    (theirs.NotSupported(), None, Rejected, Rejected),
    (theirs.ExchangeError("code 4711"), None, OutcomeUnknown, Rejected),
    (theirs.ExchangeError(), aiohttp.ClientPayloadError(), OutcomeUnknown, Transient),
    (KeyError("data"), None, OutcomeUnknown, ProtocolViolation),
    (TimeoutError(), None, OutcomeUnknown, Transient),
]


@pytest.mark.parametrize(("error", "cause", "acts", "asks"), CASES)
def test_each_error_says_what_to_do_now(
    error: Exception,
    cause: Exception | None,
    acts: type[VenueError],
    asks: type[VenueError],
) -> None:
    """Of an order, and of a question."""
    for is_order, expected in ((True, acts), (False, asks)):
        with pytest.raises(VenueError) as caught, asking("it", acts=is_order):
            raise error from cause
        assert type(caught.value) is expected


def test_a_wait_that_ccxt_cancels_is_a_lost_connection() -> None:
    """It cancels what waits for a connection that it gives up; our own cancel stays one."""

    async def body() -> None:
        for acts, expected in ((True, OutcomeUnknown), (False, Transient)):
            waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            waiting.cancel()
            with pytest.raises(expected), asking("it", acts=acts):
                await waiting

        async def wait_for_ever() -> None:
            with asking("it", acts=False):
                await asyncio.get_running_loop().create_future()

        ours = asyncio.create_task(wait_for_ever())
        await asyncio.sleep(0)
        ours.cancel()
        with pytest.raises(asyncio.CancelledError):
            await ours

    asyncio.run(body())


def test_no_secret_gets_into_a_message() -> None:
    """Signatures travel in the query of the address that ccxt quotes."""
    quoted = "binance GET https://api.binance.com/api/v3/order?symbol=BTCUSDT&signature=cafe"
    with pytest.raises(Transient) as caught, asking("it", acts=False):
        raise theirs.RequestTimeout(quoted)
    assert "cafe" not in str(caught.value)
    assert "api/v3/order" in str(caught.value)


def test_ccxts_rounding_stays_with_ccxt() -> None:
    """It changes the decimal context that it finds."""
    before = decimal.getcontext().copy()
    with asking("it", acts=False):
        decimal_to_precision("0.129", TRUNCATE, "0.01", TICK_SIZE)
        assert decimal.getcontext().rounding == decimal.ROUND_HALF_UP
    assert decimal.getcontext().rounding == before.rounding
    assert decimal.getcontext().traps == before.traps


# -- numbers and lists ---------------------------------------------------------------------


def test_numbers_are_exact() -> None:
    """Text and decimals digit by digit; a float as the shortest decimal that names it."""
    assert exact("0.10000000000000000000000001") == Decimal("0.10000000000000000000000001")
    assert exact(0.1) == Decimal("0.1")
    assert exact(7) == 7
    for value in (None, "abc", float("nan"), True, Decimal("Infinity"), [1]):
        with pytest.raises(ProtocolViolation):
            exact(value)


def listing(mode: str, **fields: object) -> dict[str, object]:
    """A document of one symbol."""
    entry: dict[str, object] = {
        "symbol": "BTC/USDT", "id": "btcusdt", "base": "BTC", "quote": "USDT", "active": True,
        "base_step": "0.001", "price_step": "0.5", "funds_step": None, "min_size": "0.01",
        "max_size": None, "min_funds": "5", "taker": "0.0015", "maker": "0", "fee_side": "get",
    }  # fmt: skip
    return {"exchange": "some", "precision_mode": mode, "markets": [entry | fields]}


@pytest.mark.parametrize(
    ("mode", "given", "base", "price"),
    [
        ("tick_size", ("0.001", "0.5"), Decimal("0.001"), Decimal("0.5")),
        ("decimal_places", ("8", "0"), Decimal("0.00000001"), Decimal(1)),
        ("significant_digits", ("8", "5"), None, None),
    ],
)
def test_precisions_become_increments(
    mode: str, given: tuple[str, str], base: Decimal | None, price: Decimal | None
) -> None:
    """In each of ccxt's three ways to give them; significant digits are none."""
    steps = {"base_step": given[0], "price_step": given[1]}
    (market,) = parse_symbols(listing(mode, **steps), "list")
    assert (market.base_increment, market.price_increment) == (base, price)
    assert (market.quote_increment, market.min_funds) == (None, 5)
    assert (market.taker_fee_bps, market.maker_fee_bps) == (15.0, 0.0)
    assert (market.fee_side, market.status) == (FeeSide.RECEIVED, Status.TRADING)


def test_a_fee_in_another_currency_is_no_market_of_ours() -> None:
    """The quote and what is received are what decisions can reckon with."""
    assert parse_symbols(listing("tick_size", fee_side="give"), "list") == []
    (market,) = parse_symbols(listing("tick_size", fee_side="quote", active=False), "list")
    assert (market.fee_side, market.status) == (FeeSide.QUOTE, Status.HALTED)


@pytest.mark.parametrize(
    "document",
    [[], {"code": "400"}, listing("fathoms"), listing("tick_size", min_size="many")],
)
def test_what_is_no_list_is_refused(document: object) -> None:
    """With what it is instead."""
    with pytest.raises(DataError):
        parse_symbols(document, "list")


# -- orders --------------------------------------------------------------------------------


class ScriptedClient:
    """A class of ccxt with the methods that a test gives it."""

    id = "some"

    def __init__(self, has: set[str], orders: list[dict[str, Any]] | None = None) -> None:
        self.has = dict.fromkeys(has, True)
        self.orders = orders or []
        self.sent: list[tuple[Any, ...]] = []
        self.features: Mapping[str, Any] = {"spot": {"createOrder": {"timeInForce": {"IOC": True}}}}

    def amount_to_precision(self, _: str, amount: Decimal) -> str:
        return f"{amount:.3f}"

    price_to_precision = amount_to_precision

    async def create_order(self, *request: Any) -> dict[str, Any]:
        self.sent.append(request)
        return {"id": "77", "clientOrderId": "another"}

    async def fetch_order_with_client_order_id(self, *_: str) -> dict[str, Any]:
        return {"id": "1", "clientOrderId": None}  # as a class does that ignores the client id

    async def fetch_open_orders(self, _: str) -> list[dict[str, Any]]:
        return [order for order in self.orders if order["status"] == "open"]

    async def fetch_closed_orders(self, _: str) -> list[dict[str, Any]]:
        return [order for order in self.orders if order["status"] != "open"]


def new(side: int = BUY, **fields: Any) -> NewOrder:
    """An order of a test."""
    kind = OrderKind.LIMIT if "price" in fields else OrderKind.MARKET
    return NewOrder("mine", "BTC-USDT", side, kind, **fields)


@pytest.mark.parametrize(
    ("order", "has", "reason"),
    [
        (new(size=Decimal("0.0015")), set(), "make size 0.0015 into 0.002"),
        (new(size=Decimal(1), price=Decimal("7.0001")), set(), "make price 7.0001 into 7.000"),
        (new(funds=Decimal(10)), set(), "no market orders by funds"),
        (
            new(funds=Decimal("10.001")),
            {"createMarketBuyOrderWithCost"},
            "make funds 10.001 into 10.000",
        ),
        (
            new(size=Decimal(1), price=Decimal(7), time_in_force=TimeInForce.FOK),
            set(),
            "no time in force FOK",
        ),
    ],
)
def test_what_ccxt_would_change_is_not_sent(order: NewOrder, has: set[str], reason: str) -> None:
    """Refused with what it would have become."""

    async def body() -> None:
        client = ScriptedClient(has)
        account = CcxtAccount(client, LISTED)
        with pytest.raises(Rejected, match=f"{reason}; not sent"):
            await CcxtOrderEntry(client, account, LISTED).place(order)
        assert client.sent == []
        account.follow(order)  # the id is free again

    asyncio.run(body())


def test_an_order_is_put_into_ccxts_words() -> None:
    """Amounts stay decimals."""
    client = ScriptedClient({"createMarketBuyOrderWithCost"})
    by_funds = request_of(client, new(funds=Decimal("10.5")), LISTED["BTC-USDT"])
    assert (by_funds.kind, by_funds.side) == ("market", "buy")
    assert by_funds.params == {"clientOrderId": "mine", "cost": Decimal("10.5")}
    limit = new(SELL, size=Decimal(1), price=Decimal(7), time_in_force=TimeInForce.IOC)
    request = request_of(client, limit, LISTED["BTC-USDT"])
    assert (request.kind, request.side, request.amount, request.price) == ("limit", "sell", 1, 7)
    assert request.params["timeInForce"] == "IOC"


def test_an_answer_for_another_order_is_no_answer() -> None:
    """What became of ours is to be looked up."""

    async def body() -> None:
        client = ScriptedClient(set())
        entry = CcxtOrderEntry(client, CcxtAccount(client, LISTED), LISTED)
        with pytest.raises(OutcomeUnknown, match="look it up"):
            await entry.place(new(size=Decimal(1)))
        assert len(client.sent) == 1

    asyncio.run(body())


def test_a_check_is_not_asked_of_a_class_that_would_place_the_order() -> None:
    """Most classes ignore the mark."""

    async def body() -> None:
        client = ScriptedClient(set())
        entry = CcxtOrderEntry(client, CcxtAccount(client, LISTED), LISTED)
        with pytest.raises(Rejected, match="cannot have orders checked"):
            await entry.test(new(size=Decimal(1)))
        assert client.sent == []

    asyncio.run(body())


@pytest.mark.parametrize("asked", [set(), {"fetchOrder"}])
def test_an_order_is_found_in_the_lists(asked: set[str]) -> None:
    """Where the class cannot ask by client id, or pretends to; ``None`` is a real answer."""

    async def body() -> None:
        lists = {"fetchOpenOrders", "fetchClosedOrders"}
        client = ScriptedClient(asked | lists, [FILLED | {"clientOrderId": "x"}, FILLED])
        account = CcxtAccount(client, LISTED)
        report = await account.look_up("mine", "BTC-USDT")
        assert report is not None
        assert (report.size, report.funds) == (Decimal("0.1"), Decimal("6400.1"))
        assert await account.look_up("never", "BTC-USDT") is None
        blind = CcxtAccount(ScriptedClient({"fetchOpenOrders"}), LISTED)
        with pytest.raises(Rejected, match="cannot look orders up"):
            await blind.look_up("mine", "BTC-USDT")

    asyncio.run(body())


def test_a_report_is_read_from_what_a_class_tells() -> None:
    """Cost or average, one fee or several of one currency, or none."""
    report = report_of(FILLED, "BTC-USDT")
    assert (report.side, report.active, report.cancelled) == (BUY, False, False)
    assert (report.fee, report.fee_currency) == (Decimal("6.4001"), "USDT")
    assert report.ts_event == 1_700_000_000_000_000_000
    fees = [{"cost": Decimal(1), "currency": "BNB"}, {"cost": Decimal(2), "currency": "BNB"}]
    several = FILLED | {"cost": None, "average": Decimal(64000), "fee": None, "fees": fees}
    report = report_of(several, "BTC-USDT")
    assert (report.funds, report.fee, report.fee_currency) == (6400, 3, "BNB")
    mixed = FILLED | {"fee": None, "fees": [*fees, {"cost": Decimal(1), "currency": "USDT"}]}
    assert report_of(mixed, "BTC-USDT").fee is None
    cancelled = report_of(FILLED | {"status": "canceled", "filled": 0, "cost": None}, "BTC-USDT")
    assert (cancelled.active, cancelled.cancelled, cancelled.funds) == (False, True, 0)
    for bad in ({"status": None}, {"side": "both"}, {"filled": None}, {"cost": None}):
        with pytest.raises(ProtocolViolation):
            report_of(FILLED | bad, "BTC-USDT")


# -- books ---------------------------------------------------------------------------------


class PolledClient:
    """A class without streams: each question is answered by the next of ``answers``."""

    def __init__(self, *answers: Any) -> None:
        self.has: Mapping[str, bool] = {}
        self.answers = list(answers)

    async def fetch_order_book(self, _: str) -> Any:
        if not self.answers:
            await asyncio.get_running_loop().create_future()
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def a_book(*bids: tuple[float, float]) -> dict[str, object]:
    """ccxt's structure of a book, with a level of size 0 that is none."""
    return {"bids": [[*bid, 5] for bid in bids], "asks": [[11.0, 0.0], [12.0, 1.0]]}


def test_a_book_is_polled_where_there_is_no_stream() -> None:
    """A question without an answer shows no book; the next answer shows it again."""

    async def body() -> None:
        first, last = a_book((10.0, 1.0), (9.0, 2.0)), a_book((8.0, 1.0))
        client = PolledClient(first, theirs.RequestTimeout(), last)
        feed = CcxtFeed(
            client, {"BTC-USDT": "BTC/USDT"}, depth=5, poll_s=0.0, patience=Patience(1, 0.0)
        )
        running = asyncio.create_task(feed.run())
        seen: list[list[float]] = []
        while len(seen) < 3:
            for book in await feed.changed():
                seen.append(book.bid_px.tolist())
                assert book.ask_px.tolist() in ([12.0], [])
        assert seen == [[10.0, 9.0], [], [8.0]]
        running.cancel()

    asyncio.run(body())


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (theirs.BadSymbol(), Rejected),
        (theirs.PermissionDenied(), Fatal),
        (a_book((float("nan"), 1.0)), ProtocolViolation),
        (a_book((10.0, -1.0)), ProtocolViolation),
    ],
)
def test_a_feed_ends_with_what_no_patience_mends(
    answer: object, expected: type[VenueError]
) -> None:
    """One error, whatever else was running."""

    async def body() -> None:
        symbols = {"BTC-USDT": "BTC/USDT", "ETH-USDT": "ETH/USDT"}
        with pytest.raises(expected):
            await CcxtFeed(PolledClient(answer), symbols).run()

    asyncio.run(body())
