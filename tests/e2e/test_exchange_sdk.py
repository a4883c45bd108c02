"""The local exchange through KuCoin's official SDK, as it is but for its endpoints."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from kucoin_universal_sdk.api import DefaultClient
from kucoin_universal_sdk.generate.account.account import GetSpotAccountListReqBuilder
from kucoin_universal_sdk.generate.account.fee import GetSpotActualFeeReqBuilder
from kucoin_universal_sdk.generate.spot.market import (
    GetAllSymbolsReqBuilder,
    GetFullOrderBookReqBuilder,
    GetPartOrderBookReqBuilder,
    GetTickerReqBuilder,
)
from kucoin_universal_sdk.generate.spot.order import (
    AddOrderReqBuilder,
    AddOrderSyncReqBuilder,
    CancelOrderByOrderIdReqBuilder,
    GetOrderByClientOidReqBuilder,
    GetOrderByOrderIdReqBuilder,
    GetTradeHistoryReqBuilder,
)
from kucoin_universal_sdk.internal.infra.uta_private_trade_ws_service import (
    UtaPrivateTradeWsService,
)
from kucoin_universal_sdk.model import (
    ClientOptionBuilder,
    RestError,
    TransportOptionBuilder,
    WebSocketClientOptionBuilder,
)

from tests.e2e.exchange_process import ExchangeProcess, running_exchange

SYMBOL = "BTC-USDT"
TIMEOUT_S = 20.0


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeProcess]:
    """An exchange of ten symbols that plays the generator at its own pace."""
    home = tmp_path_factory.mktemp("exchange")
    arguments = ("--symbols", "10", "--balance", "USDT=10000,BTC=1")
    with running_exchange(home, *arguments) as process:
        yield process


@pytest.fixture(scope="module")
def client(exchange: ExchangeProcess) -> DefaultClient:
    """The SDK's client with the endpoints of ``exchange``."""
    return client_of(exchange, exchange.secret)


def client_of(exchange: ExchangeProcess, secret: str) -> DefaultClient:
    """A client that signs with ``secret``."""
    return DefaultClient(
        ClientOptionBuilder()
        .set_key(exchange.key)
        .set_secret(secret)
        .set_passphrase(exchange.passphrase)
        .set_spot_endpoint(exchange.rest)
        .set_futures_endpoint(exchange.rest)
        .set_broker_endpoint(exchange.rest)
        .set_transport_option(TransportOptionBuilder().build())
        .set_websocket_client_option(WebSocketClientOptionBuilder().build())
        .build()
    )


@contextmanager
def started(session: Any) -> Iterator[Any]:
    """A WebSocket session of the SDK, stopped when the block is left."""
    session.start()
    try:
        yield session
    finally:
        session.stop()


def into(events: queue.Queue[Any]) -> Callable[[str, str, Any], None]:
    """A callback of the SDK that puts what it is told into ``events``."""
    return lambda _topic, _subject, event: events.put(event)


def test_market_data(exchange: ExchangeProcess, client: DefaultClient) -> None:
    """Symbols, tickers and books read back as the SDK's own types."""
    market = client.rest_service().get_spot_service().get_market_api()
    listed = market.get_all_symbols(GetAllSymbolsReqBuilder().build()).data
    ticker = market.get_ticker(GetTickerReqBuilder().set_symbol(SYMBOL).build())
    part = market.get_part_order_book(
        GetPartOrderBookReqBuilder().set_symbol(SYMBOL).set_size("20").build()
    )
    full = market.get_full_order_book(GetFullOrderBookReqBuilder().set_symbol(SYMBOL).build())
    assert {entry.symbol for entry in listed} == set(exchange.symbols)
    assert Decimal(ticker.best_bid) < Decimal(ticker.best_ask)
    assert len(part.bids) == len(part.asks) == 20
    assert Decimal(full.bids[0][0]) < Decimal(full.asks[0][0])
    assert int(full.sequence) >= int(part.sequence)
    assert market.get_server_time().data > 0
    assert market.get_service_status().status.value == "open"
    assert full.common_response.rate_limit.limit == 4000
    assert part.common_response.rate_limit.limit == 2000


def test_orders(client: DefaultClient) -> None:
    """A resting limit order is found and cancelled; a market order by size is filled."""
    spot = client.rest_service().get_spot_service()
    orders = spot.get_order_api()
    ticker = spot.get_market_api().get_ticker(GetTickerReqBuilder().set_symbol(SYMBOL).build())
    client_oid = str(uuid4())
    price = str(round(Decimal(ticker.best_bid) * Decimal("0.8")))
    placed = orders.add_order(
        AddOrderReqBuilder()
        .set_client_oid(client_oid)
        .set_side("buy")
        .set_symbol(SYMBOL)
        .set_type("limit")
        .set_price(price)
        .set_size("0.01")
        .build()
    )
    resting = orders.get_order_by_client_oid(
        GetOrderByClientOidReqBuilder().set_client_oid(client_oid).set_symbol(SYMBOL).build()
    )
    assert (resting.id, resting.active, resting.in_order_book) == (placed.order_id, True, True)
    orders.cancel_order_by_order_id(
        CancelOrderByOrderIdReqBuilder().set_order_id(placed.order_id).set_symbol(SYMBOL).build()
    )
    ended = orders.get_order_by_order_id(
        GetOrderByOrderIdReqBuilder().set_order_id(placed.order_id).set_symbol(SYMBOL).build()
    )
    assert (ended.active, ended.cancel_exist, ended.cancelled_size) == (False, True, "0.01")
    bought = orders.add_order_sync(
        AddOrderSyncReqBuilder()
        .set_client_oid(str(uuid4()))
        .set_side("buy")
        .set_symbol(SYMBOL)
        .set_type("market")
        .set_size("0.001")
        .build()
    )
    fills = orders.get_trade_history(
        GetTradeHistoryReqBuilder().set_symbol(SYMBOL).set_order_id(bought.order_id).build()
    )
    assert (bought.status.value, bought.deal_size) == ("done", "0.001")
    assert sum(Decimal(fill.size) for fill in fills.items) == Decimal("0.001")


def test_accounts_and_fees(client: DefaultClient) -> None:
    """Balances and actual fees are answered, the comma of a list signed raw and sent encoded."""
    account = client.rest_service().get_account_service()
    balances = account.get_account_api().get_spot_account_list(
        GetSpotAccountListReqBuilder().set_type("trade").build()
    )
    fees = account.get_fee_api().get_spot_actual_fee(
        GetSpotActualFeeReqBuilder().set_symbols("BTC-USDT,ETH-USDT").build()
    )
    assert {"USDT", "BTC"} <= {row.currency for row in balances.data}
    assert [(fee.symbol, fee.taker_fee_rate) for fee in fees.data] == [
        ("BTC-USDT", "0.001"),
        ("ETH-USDT", "0.001"),
    ]


def test_wrong_secret_is_refused(exchange: ExchangeProcess) -> None:
    """A signature of another secret is answered with KuCoin's codes for it."""
    stranger = client_of(exchange, "another secret").rest_service().get_account_service()
    with pytest.raises(RestError, match=r"40000[45]"):
        stranger.get_account_api().get_spot_account_list(GetSpotAccountListReqBuilder().build())


def test_public_topics(client: DefaultClient) -> None:
    """Book changes of contiguous sequence, depth and tickers arrive over WebSocket."""
    changes: queue.Queue[Any] = queue.Queue()
    depths: queue.Queue[Any] = queue.Queue()
    tickers: queue.Queue[Any] = queue.Queue()
    with started(client.ws_service().new_spot_public_ws()) as session:
        session.orderbook_increment([SYMBOL], into(changes))
        session.orderbook_level5([SYMBOL], into(depths))
        session.ticker([SYMBOL], into(tickers))
        first, second = changes.get(timeout=TIMEOUT_S), changes.get(timeout=TIMEOUT_S)
        depth, ticker = depths.get(timeout=TIMEOUT_S), tickers.get(timeout=TIMEOUT_S)
    assert second.sequence_start == first.sequence_end + 1
    assert len(depth.bids) == len(depth.asks) == 5
    assert Decimal(ticker.best_bid) < Decimal(ticker.best_ask)


def test_private_topics(client: DefaultClient) -> None:
    """An order's life and the balances it moves arrive in order over the private topics."""
    changes: queue.Queue[Any] = queue.Queue()
    balances: queue.Queue[Any] = queue.Queue()
    client_oid = str(uuid4())
    orders = client.rest_service().get_spot_service().get_order_api()
    with started(client.ws_service().new_spot_private_ws()) as session:
        session.order_v2(into(changes))
        session.account(into(balances))
        request = AddOrderReqBuilder().set_client_oid(client_oid).set_side("sell")
        request.set_symbol(SYMBOL).set_type("market").set_size("0.001")
        placed = orders.add_order(request.build())
        seen = [changes.get(timeout=TIMEOUT_S)]
        while seen[-1].status.value != "done":
            seen.append(changes.get(timeout=TIMEOUT_S))
        balance = balances.get(timeout=TIMEOUT_S)
    assert {event.order_id for event in seen} == {placed.order_id}
    assert seen[0].type.value == "received"
    assert seen[-1].type.value == "filled"
    matches = [event for event in seen if event.type.value == "match"]
    assert sum(Decimal(event.match_size) for event in matches) == Decimal("0.001")
    assert balance.relation_context.order_id == placed.order_id


def test_order_entry_over_websocket(
    exchange: ExchangeProcess, client: DefaultClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Orders are placed, cancelled and refused over the signed connection."""
    monkeypatch.setattr(UtaPrivateTradeWsService, "ENDPOINT", f"{exchange.ws}/v1/private")
    orders = client.rest_service().get_spot_service().get_order_api()
    with started(client.ws_service().new_uta_private_trade_ws()) as session:
        market = {"symbol": SYMBOL, "side": "BUY", "orderType": "MARKET", "tradeType": "SPOT"}
        bought = session.place_order(market | {"size": "20", "sizeUnit": "QUOTECCY"})
        filled = orders.get_order_by_order_id(
            GetOrderByOrderIdReqBuilder()
            .set_order_id(bought["data"]["orderId"])
            .set_symbol(SYMBOL)
            .build()
        )
        limit = {"symbol": SYMBOL, "side": "buy", "type": "limit", "price": "1000", "size": "0.01"}
        resting = session.place_order(limit | {"clientOid": str(uuid4())})
        cancelled = session.cancel_order({"orderId": resting["data"]["orderId"]})
        with pytest.raises(RuntimeError) as refused:
            session.cancel_order({"orderId": resting["data"]["orderId"]})
    assert 19 < Decimal(filled.deal_funds) <= 20
    assert bought["rateLimit"]["remaining"] < bought["rateLimit"]["limit"]
    assert cancelled["data"]["orderId"] == resting["data"]["orderId"]
    assert "order_not_exist_or_not_allow_to_cancel" in str(refused.value.__cause__)
