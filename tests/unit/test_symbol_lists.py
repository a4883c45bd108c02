"""Symbol lists of the venues: what is taken from an entry, and what is refused."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from arb_pipelines.errors import ConfigError, DataError
from arb_pipelines.market.symbols import FeeSide, Market, Status
from arb_pipelines.venues.symbol_lists import read_symbol_list

KUCOIN_V1 = {
    "symbol": "BCHSV-BTC",
    "name": "BSV-BTC",
    "baseCurrency": "BSV",
    "quoteCurrency": "BTC",
    "feeCurrency": "BTC",
    "market": "BTC",
    "baseMinSize": "0.001",
    "quoteMinSize": "0.00001",
    "baseMaxSize": "10000000000",
    "quoteMaxSize": "99999999",
    "baseIncrement": "0.0001",
    "quoteIncrement": "0.00000001",
    "priceIncrement": "0.00000001",
    "priceLimitRate": "0.1",
    "isMarginEnabled": False,
    "enableTrading": True,
}
KUCOIN_V2 = KUCOIN_V1 | {
    "symbol": "BTC-USDT",
    "name": "BTC-USDT",
    "baseCurrency": "BTC",
    "quoteCurrency": "USDT",
    "quoteMinSize": "0.1",
    "minFunds": "0.2",
    "feeCategory": 1,
    "makerFeeCoefficient": "0.00",
    "takerFeeCoefficient": "1.00",
    "st": False,
    "callauctionIsEnabled": False,
    "callauctionPriceFloor": None,
}
BINANCE = {
    "symbol": "ETHBTC",
    "status": "TRADING",
    "baseAsset": "ETH",
    "quoteAsset": "BTC",
    "quoteAssetPrecision": 8,
    "filters": [
        {"filterType": "PRICE_FILTER", "minPrice": "0", "maxPrice": "9", "tickSize": "0.00000100"},
        {"filterType": "LOT_SIZE", "minQty": "0.0001", "maxQty": "100000", "stepSize": "0.0001"},
        {"filterType": "MIN_NOTIONAL", "minNotional": "0.0002", "applyToMarket": True},
    ],
}
OKX = {
    "instId": "BTC-USDT",
    "instType": "SPOT",
    "baseCcy": "BTC",
    "quoteCcy": "USDT",
    "tickSz": "0.1",
    "lotSz": "0.00000001",
    "minSz": "0.00001",
    "maxLmtSz": "9999999999",
    "state": "live",
}
KRAKEN = {
    "altname": "ETHXBT",
    "wsname": "ETH/XBT",
    "base": "XETH",
    "quote": "XXBT",
    "pair_decimals": 5,
    "lot_decimals": 8,
    "fees": [[0, 0.26], [50000, 0.24]],
    "fees_maker": [[0, 0.16], [50000, 0.14]],
    "ordermin": "0.005",
}
WRAP: dict[str, Callable[[list[Any]], Any]] = {
    "kucoin": lambda entries: {"code": "200000", "data": entries},
    "binance": lambda entries: {"timezone": "UTC", "symbols": entries},
    "okx": lambda entries: {"code": "0", "data": entries, "msg": ""},
    "kraken": lambda entries: {"error": [], "result": {f"P{i}": e for i, e in enumerate(entries)}},
}
SAMPLE = {"kucoin": KUCOIN_V2, "binance": BINANCE, "okx": OKX, "kraken": KRAKEN}


def read(folder: Path, venue: str, *entries: object) -> list[Market]:
    """Read a list of ``entries`` in the venue's own wrapping."""
    path = folder / "list.json"
    path.write_text(json.dumps(WRAP[venue](list(entries))))
    return read_symbol_list(path, venue)


def refusal(folder: Path, venue: str, *entries: object) -> DataError:
    """The refusal of such a list; it names the file."""
    with pytest.raises(DataError) as caught:
        read(folder, venue, *entries)
    assert caught.value.source == str(folder / "list.json")
    return caught.value


def test_kucoin_v2_is_read_exactly(tmp_path: Path) -> None:
    """Greater of the two smallest funds; a coefficient of 0 is no fee, any other is no rate."""
    assert read(tmp_path, "kucoin", KUCOIN_V2) == [
        Market(
            "kucoin",
            "BTC-USDT",
            "BTC",
            "USDT",
            "BTC-USDT",
            base_increment=Decimal("0.0001"),
            quote_increment=Decimal("0.00000001"),
            price_increment=Decimal("0.00000001"),
            base_min_size=Decimal("0.001"),
            base_max_size=Decimal("10000000000"),
            min_funds=Decimal("0.2"),
            taker_fee_bps=None,
            maker_fee_bps=0.0,
            fee_side=FeeSide.QUOTE,
        )
    ]


def test_kucoin_v1_is_read_and_a_renamed_symbol_goes_by_its_currencies(tmp_path: Path) -> None:
    """The venue's name stays BCHSV-BTC, the canonical one says what is traded."""
    (market,) = read(tmp_path, "kucoin", KUCOIN_V1)
    assert (market.symbol, market.venue_symbol) == ("BSV-BTC", "BCHSV-BTC")
    assert (market.min_funds, market.taker_fee_bps) == (Decimal("0.00001"), None)


def test_binance_is_read_through_its_filters(tmp_path: Path) -> None:
    """Tick, step, sizes and notional come from the filters; the list has no fees."""
    (market,) = read(tmp_path, "binance", BINANCE)
    assert (market.symbol, market.venue_symbol) == ("ETH-BTC", "ETHBTC")
    assert market.price_increment == Decimal("0.000001")
    assert market.base_increment == market.base_min_size == Decimal("0.0001")
    assert market.quote_increment == Decimal("0.00000001")
    assert (market.base_max_size, market.min_funds) == (Decimal(100000), Decimal("0.0002"))
    assert (market.taker_fee_bps, market.fee_side) == (None, FeeSide.RECEIVED)


def test_binance_s_newer_filter_and_rules_switched_off(tmp_path: Path) -> None:
    """NOTIONAL replaces MIN_NOTIONAL; a tick of 0 is no tick."""
    price, lot, _ = BINANCE["filters"]
    filters = [
        price | {"tickSize": "0.00000000"},
        lot,
        {"filterType": "NOTIONAL", "minNotional": "5.0", "maxNotional": "9000000.0"},
    ]
    (market,) = read(tmp_path, "binance", BINANCE | {"filters": filters})
    assert (market.price_increment, market.min_funds) == (None, Decimal(5))


def test_okx_is_read(tmp_path: Path) -> None:
    """Sizes and ticks; no smallest funds, no fees."""
    (market,) = read(tmp_path, "okx", OKX)
    assert (market.symbol, market.venue_symbol) == ("BTC-USDT", "BTC-USDT")
    assert (market.price_increment, market.base_min_size) == (Decimal("0.1"), Decimal("0.00001"))
    assert market.min_funds is market.quote_increment is market.taker_fee_bps is None


def test_kraken_is_read_with_its_fees(tmp_path: Path) -> None:
    """Percent become bps without a rounding error, decimals become increments."""
    (market,) = read(tmp_path, "kraken", KRAKEN)
    assert (market.symbol, market.venue_symbol) == ("ETH-XBT", "ETH/XBT")
    assert (market.taker_fee_bps, market.maker_fee_bps) == (26.0, 16.0)
    assert (market.price_increment, market.base_increment) == (Decimal("1E-5"), Decimal("1E-8"))


def test_kraken_s_newer_fields_are_used(tmp_path: Path) -> None:
    """Tick size, smallest cost and cost decimals where the list has them."""
    newer = {"tick_size": "0.00005", "costmin": "0.00002", "cost_decimals": 10, "status": "online"}
    (market,) = read(tmp_path, "kraken", KRAKEN | newer)
    assert (market.price_increment, market.min_funds) == (Decimal("0.00005"), Decimal("0.00002"))
    assert (market.quote_increment, market.status) == (Decimal("1E-10"), Status.TRADING)


def test_kraken_s_dark_pools_stay_halted_under_their_lit_names(tmp_path: Path) -> None:
    """A dark pool never clashes with the lit pair and never gives an edge."""
    dark = {name: value for name, value in KRAKEN.items() if name not in ("wsname", "ordermin")}
    lit, pool = read(tmp_path, "kraken", KRAKEN, dark | {"altname": "ETHXBT.d"})
    assert (lit.symbol, lit.status) == ("ETH-XBT", Status.TRADING)
    assert (pool.symbol, pool.venue_symbol) == ("ETH-XBT.d", "ETHXBT.d")
    assert (pool.status, pool.base, pool.quote) == (Status.HALTED, "ETH", "XBT")


@pytest.mark.parametrize(
    ("venue", "change"),
    [
        ("kucoin", {"enableTrading": False}),
        ("binance", {"status": "BREAK"}),
        ("okx", {"state": "suspend"}),
        ("kraken", {"status": "cancel_only"}),
    ],
)
def test_what_does_not_trade_is_halted(tmp_path: Path, venue: str, change: dict[str, Any]) -> None:
    """Any state but the venue's word for trading is halted, also one invented tomorrow."""
    assert read(tmp_path, venue, SAMPLE[venue] | change)[0].status is Status.HALTED


@pytest.mark.parametrize("venue", SAMPLE)
def test_gzip_is_read_like_plain_text(tmp_path: Path, venue: str) -> None:
    """The content decides, not the file's name."""
    plain = read(tmp_path, venue, SAMPLE[venue])
    path = tmp_path / "packed"
    path.write_bytes(gzip.compress((tmp_path / "list.json").read_bytes()))
    assert read_symbol_list(path, venue) == plain


@pytest.mark.parametrize(
    ("venue", "change", "reason"),
    [
        ("kucoin", {"baseIncrement": "abc"}, "BTC-USDT: baseIncrement is 'abc', not a number"),
        ("kucoin", {"baseIncrement": "1_0"}, "not a number"),
        ("kucoin", {"baseIncrement": "٣"}, "not a number"),
        ("kucoin", {"baseIncrement": "NaN"}, "not a number"),
        ("kucoin", {"baseIncrement": "-1"}, "not a number"),
        ("kucoin", {"baseIncrement": True}, "not a number"),
        ("kucoin", {"baseIncrement": "0"}, "0, not an increment"),
        ("kucoin", {"baseIncrement": None}, "baseIncrement is None, not a number"),
        ("kucoin", {"baseIncrement": "0.0000000000000000001"}, "does not fit"),
        ("kucoin", {"baseMaxSize": "1e30"}, "does not fit"),
        ("kucoin", {"baseCurrency": "B-C"}, "not the name of a currency"),
        ("kucoin", {"baseCurrency": ""}, "not a text"),
        ("kucoin", {"enableTrading": "true"}, "not true or false"),
        ("kucoin", {"quoteCurrency": "BTC"}, "trades BTC for itself"),
        ("binance", {"filters": []}, "has no filter PRICE_FILTER"),
        ("binance", {"filters": "none"}, "has no list of filters"),
        ("binance", {"quoteAssetPrecision": 19}, "not 0 to 18 decimals"),
        ("okx", {"instType": "SWAP"}, "ask for instType=SPOT"),
        ("okx", {"tickSz": ""}, "tickSz is '', not a number"),
        ("kraken", {"wsname": "ETHXBT"}, "not the name of a currency"),
        ("kraken", {"fees": []}, "not a schedule of fees"),
        ("kraken", {"fees": [[0, "free"]]}, "not a number"),
    ],
)
def test_a_garbled_entry_is_refused_by_name(
    tmp_path: Path, venue: str, change: dict[str, Any], reason: str
) -> None:
    """The refusal says which entry, which field and what is wrong with it."""
    other = {"kucoin": KUCOIN_V1}.get(venue)
    entries = [SAMPLE[venue] | change] if other is None else [other, SAMPLE[venue] | change]
    error = refusal(tmp_path, venue, *entries)
    assert reason in error.reason
    assert error.row == len(entries) - 1


@pytest.mark.parametrize("venue", SAMPLE)
@pytest.mark.parametrize("entry", [7, None, [], {}])
def test_what_is_no_entry_is_refused(tmp_path: Path, venue: str, entry: object) -> None:
    """An entry that is no object, or has nothing in it."""
    refusal(tmp_path, venue, entry)


@pytest.mark.parametrize(
    ("venue", "field"), [(venue, field) for venue, entry in SAMPLE.items() for field in entry]
)
def test_no_missing_field_gets_past_unseen(tmp_path: Path, venue: str, field: str) -> None:
    """Each field is needed and its absence named, or not needed and its absence harmless."""
    optional = {
        "kucoin": {"name", "feeCurrency", "market", "quoteMaxSize", "priceLimitRate", "st"}
        | {"isMarginEnabled", "minFunds", "feeCategory", "makerFeeCoefficient"}
        | {"takerFeeCoefficient", "callauctionIsEnabled", "callauctionPriceFloor"},
        "okx": {"maxLmtSz"},
        "kraken": {"altname", "wsname", "fees", "fees_maker", "ordermin"},
    }.get(venue, set())
    entry = {name: value for name, value in SAMPLE[venue].items() if name != field}
    if field in optional:
        assert len(read(tmp_path, venue, entry)) == 1
    else:
        assert field in refusal(tmp_path, venue, entry).reason


@pytest.mark.parametrize("venue", SAMPLE)
def test_an_entry_that_stands_twice_is_refused(tmp_path: Path, venue: str) -> None:
    """Which of the two holds is not ours to guess."""
    assert "listed twice" in refusal(tmp_path, venue, SAMPLE[venue], SAMPLE[venue]).reason


def test_two_symbols_of_the_same_currencies_are_refused(tmp_path: Path) -> None:
    """They would be one canonical symbol with two books."""
    error = refusal(tmp_path, "kucoin", KUCOIN_V1, KUCOIN_V1 | {"symbol": "BSV-BTC"})
    assert "BSV-BTC is listed twice, first in row 0" in error.reason


def test_an_old_name_may_be_another_s_new_one(tmp_path: Path) -> None:
    """A renamed symbol keeps its venue symbol, which newer currencies may now carry."""
    newer = KUCOIN_V1 | {"symbol": "NEW-BTC", "baseCurrency": "BCHSV"}
    symbols = [market.symbol for market in read(tmp_path, "kucoin", KUCOIN_V1, newer)]
    assert symbols == ["BSV-BTC", "BCHSV-BTC"]


@pytest.mark.parametrize(
    ("venue", "content", "reason"),
    [
        ("kucoin", b'{"code":"400100","msg":"Bad Request"}', "Bad Request"),
        ("binance", b'{"code":-1121,"msg":"Invalid symbol."}', "Invalid symbol."),
        ("okx", b'{"code":"51000","msg":"Parameter error","data":[]}', "Parameter error"),
        ("kraken", b'{"error":["EGeneral:Temporary lockout"]}', "Temporary lockout"),
        ("kucoin", b"[]", "is not KuCoin's symbol list"),
        ("kucoin", b'{"code":"200000","data":{}}', "no list of symbols"),
        ("kucoin", b'{"code":"200000","data":[]}', "lists no symbols"),
        ("kraken", b'{"error":[],"result":{"A":{},"A":{}}}', "'A' stands twice"),
        ("okx", b'{"code":"0","data":[', "is not JSON"),
        ("okx", b"", "is not JSON"),
        ("okx", b'{"code":"\xff"}', "UTF"),
        ("okx", b"\x1f\x8b\x08\x00", "gzip"),
        ("okx", gzip.compress(b'{"code":"0","data":[]}' * 50, mtime=0)[:-9], "gzip"),
        ("okx", b"[" * 100_000, "is not"),
    ],
)
def test_a_file_that_is_no_list_is_refused(
    tmp_path: Path, venue: str, content: bytes, reason: str
) -> None:
    """Error answers, broken files and other people's JSON are refused, and say what they are."""
    path = tmp_path / "list.json"
    path.write_bytes(content)
    with pytest.raises(DataError, match=str(path)) as caught:
        read_symbol_list(path, venue)
    assert reason in caught.value.reason


def test_a_file_that_is_not_there_and_a_venue_nobody_knows(tmp_path: Path) -> None:
    """Both say what to do about it."""
    with pytest.raises(DataError, match="No such file"):
        read_symbol_list(tmp_path / "none.json", "okx")
    with pytest.raises(ConfigError, match="binance, kraken, kucoin, okx"):
        read_symbol_list(tmp_path / "none.json", "mtgox")
