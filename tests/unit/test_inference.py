"""Currencies told from names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arb_pipelines.market.inference import KNOWN_QUOTES, infer_market
from arb_pipelines.market.symbols import FeeSide


@pytest.mark.parametrize(
    ("name", "symbol"),
    [
        ("BTCUSDT", "BTC-USDT"),
        ("btcusdt", "BTC-USDT"),
        ("ETHBTC", "ETH-BTC"),
        ("BTCTUSD", "BTC-TUSD"),
        ("BTC-USDT", "BTC-USDT"),
        ("XBT/USD", "XBT-USD"),
        ("doge_eth", "DOGE-ETH"),
        ("ABC-XYZ", "ABC-XYZ"),
    ],
)
def test_a_name_is_split_at_its_separator_or_its_longest_known_quote(
    name: str, symbol: str
) -> None:
    """Separators win; then the longest suffix, so that TUSD is not taken for USD."""
    market = infer_market("binance", name)
    assert market is not None
    assert (market.symbol, market.venue_symbol, market.inferred) == (symbol, name, True)
    assert market.base_increment is market.min_funds is market.taker_fee_bps is None


@pytest.mark.parametrize("name", ["", "USDT", "ABCXYZ", "A-B-C", "BTC-", "-USDT", "BTC-BTC"])
def test_a_name_that_tells_no_two_currencies_gives_nothing(name: str) -> None:
    """Guessing goes no further than the known quotes."""
    assert infer_market("binance", name) is None


def test_the_recording_s_own_columns_win() -> None:
    """Base and quote of the source are kept as they are written."""
    market = infer_market("kucoin", "LYXE-USDT", base="LYXe", quote="USDT")
    assert market is not None
    assert (market.symbol, market.base, market.fee_side) == ("LYXe-USDT", "LYXe", FeeSide.QUOTE)


@given(st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", min_size=1), st.sampled_from(KNOWN_QUOTES))
def test_the_parts_make_the_name_again(base: str, quote: str) -> None:
    """Whatever is split off, nothing of the name is lost."""
    market = infer_market("binance", base + quote)
    if base + quote in KNOWN_QUOTES and market is None:
        return
    assert market is None or market.base + market.quote == base + quote
