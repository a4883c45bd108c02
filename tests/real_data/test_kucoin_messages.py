"""KuCoin's messages as other projects recorded them, read by our parsers."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest

from arb_pipelines.venues.base import Done, Match, Resting
from arb_pipelines.venues.kucoin.codec import (
    BestOffer,
    DepthBook,
    Frame,
    FullBook,
    Level2Update,
    Reader,
)
from arb_pipelines.venues.kucoin.codec_orders import (
    AccountRow,
    BalanceMessage,
    FillPage,
    FillRow,
    OrderChange,
    OrderDetail,
)
from arb_pipelines.venues.kucoin.orders_followed import events_of

FRAME = Reader(Frame, "a message of a stream")
BY_SUBJECT = {
    "trade.l2update": Level2Update,
    "level2": DepthBook,
    "level1": BestOffer,
    "orderChange": OrderChange,
    "account.balance": BalanceMessage,
}


@pytest.fixture
def protocol(real_data: Path) -> Path:
    return real_data / "kucoin_protocol"


def test_every_recorded_stream_message_of_spot_is_read(protocol):
    """Frames of gocryptotrader's recording; those of our topics whole."""
    kinds = []
    for line in (protocol / "gocryptotrader/wsHandleData.json").read_text().splitlines():
        if not line or "/contract" in line:
            continue
        if "type" not in json.loads(line):
            continue
        frame = FRAME.read(line)
        if frame.subject in BY_SUBJECT:
            Reader(BY_SUBJECT[frame.subject], frame.subject).read(frame.data)
            kinds.append(frame.subject)
    assert sorted(set(kinds)) == ["account.balance", "level2", "orderChange", "trade.l2update"]


def test_the_recorded_orders_become_events(protocol):
    """Open, a match, filled and canceled, with their amounts exact."""
    events = []
    for line in (protocol / "gocryptotrader/wsHandleData.json").read_text().splitlines():
        if '"/spotMarket/tradeOrders"' in line:
            change = Reader(OrderChange, "an order").read(FRAME.read(line).data)
            events += events_of(change, 0)
    assert [type(event) for event in events] == [Resting, Match, Done, Done]
    assert events[1].price == Decimal("0.96738")
    assert events[1].taker
    assert [event.cancelled for event in events[2:]] == [False, True]
    assert events[2].filled_size == Decimal("0.1")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("AggBook", Level2Update),
        ("Book", DepthBook),
        ("BestOffers", BestOffer),
        ("MatchOrder", OrderChange),
        ("NewOrder", OrderChange),
        ("OrderUpdate", OrderChange),
        ("Balance", BalanceMessage),
    ],
)
def test_the_subscriptions_of_kucoin_net_are_read(protocol, name, kind):
    """What a subscription sends, after its ``=``."""
    text = (protocol / f"kucoin_net/Subscriptions_Spot/{name}.txt").read_text()
    frame = FRAME.read(text.split("\n= \n")[1])
    assert Reader(kind, name).read(frame.data)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("ExchangeData/GetAggregatedFullOrderBook", FullBook),
        ("Account/GetAccounts", list[AccountRow]),
        ("HfTrading/GetOrder", OrderDetail),
        ("HfTrading/GetOrderByClientOrderId", OrderDetail),
        ("HfTrading/GetUserTrades", FillPage),
    ],
)
def test_the_answers_of_kucoin_net_are_read(protocol, path, kind):
    """The ``data`` of an answer, after method, path and whether it is signed."""
    text = (protocol / f"kucoin_net/Endpoints/Spot/{path}.txt").read_text()
    data = json.dumps(json.loads(text.split("\n", 3)[3])["data"])
    assert Reader(kind, path).read(data)


def test_every_field_we_read_is_in_the_official_specification(protocol):
    """What our structs name is what KuCoin's OpenAPI names, for each answer we read."""
    kinds = {
        ("spot-order", "/api/v1/hf/orders/client-order/{clientOid}"): OrderDetail,
        ("spot-order", "/api/v1/hf/fills"): FillPage,
        ("account-account", "/api/v1/accounts"): AccountRow,
        ("spot-market", "/api/v3/market/orderbook/level2"): FullBook,
    }
    folder = protocol / "kucoin_universal_sdk_spec"
    for (name, path), kind in kinds.items():
        document = json.loads((folder / f"openapi-{name}.json").read_text())
        answer = document["paths"][path]["get"]["responses"]["200"]["content"]
        data = answer["application/json"]["schema"]["properties"]["data"]
        properties = data.get("items", data)["properties"]
        assert set(kind.__struct_encode_fields__) <= set(properties), path
    items = properties_of_fills(folder)
    assert set(FillRow.__struct_encode_fields__) <= set(items)


def properties_of_fills(folder: Path) -> dict[str, object]:
    """The fields of one fill in the specification."""
    document = json.loads((folder / "openapi-spot-order.json").read_text())
    answer = document["paths"]["/api/v1/hf/fills"]["get"]["responses"]["200"]["content"]
    data = answer["application/json"]["schema"]["properties"]["data"]["properties"]
    return data["items"]["items"]["properties"]
