"""The four recorded symbol lists: parsed whole, and their cycles equal to networkx's."""

from __future__ import annotations

from pathlib import Path

import pytest

from arb_pipelines.market.cycles import find_cycles
from arb_pipelines.market.symbols import FeeSide, Market, Status
from arb_pipelines.venues.symbol_lists import read_symbol_list
from tests.cycle_oracle import named, networkx_cycles

LISTS = {
    "kucoin": ("kucoin_symbols_20210425.json.gz", 634, 633),
    "binance": ("binance_exchangeInfo_20211012.json.gz", 1695, 1262),
    "okx": ("okx_spot_instruments_20220513.json.gz", 513, 513),
    "kraken": ("kraken_AssetPairs_20210417.json.gz", 304, 293),
}


def markets_of(real_data: Path, venue: str) -> list[Market]:
    """The recorded list of ``venue``."""
    return read_symbol_list(real_data / "exchange_metadata" / LISTS[venue][0], venue)


@pytest.mark.parametrize("venue", LISTS)
def test_every_entry_is_taken(real_data: Path, venue: str) -> None:
    """As many markets as entries, as many trading as the venue says, sizes and ticks on each."""
    markets = markets_of(real_data, venue)
    trading = [market for market in markets if market.status is Status.TRADING]
    assert (len(markets), len(trading)) == LISTS[venue][1:]
    assert all(market.price_increment and market.base_increment for market in markets)
    assert all(market.base_min_size for market in trading)
    assert {market.fee_side for market in markets} == {
        FeeSide.QUOTE if venue == "kucoin" else FeeSide.RECEIVED
    }
    assert {market.taker_fee_bps for market in trading} == (
        {20.0, 26.0} if venue == "kraken" else {None}
    )


@pytest.mark.parametrize(
    "venue", [pytest.param("binance", marks=pytest.mark.long), "kucoin", "okx", "kraken"]
)
def test_cycles_equal_networkx(real_data: Path, venue: str) -> None:
    """Every path and every key of the cycles of 3 and 4 legs, whatever their start."""
    markets = markets_of(real_data, venue)
    found = find_cycles(markets, start=None, max_length=4)
    assert named(found) == networkx_cycles(markets, None, 3, 4)


@pytest.mark.parametrize("venue", LISTS)
def test_triangles_through_start_currencies_equal_networkx(real_data: Path, venue: str) -> None:
    """Also where one of the start currencies is not traded, as BTC on Kraken."""
    markets, start = markets_of(real_data, venue), ["USDT", "BTC"]
    assert named(find_cycles(markets, start=start)) == networkx_cycles(markets, start, 3, 3)
