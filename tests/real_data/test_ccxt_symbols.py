"""Recorded symbol lists read by ccxt's classes, against our own parsers of them."""

from __future__ import annotations

import asyncio
import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from arb_pipelines.market.symbols import Market
from arb_pipelines.settings import load_settings
from arb_pipelines.venues.ccxt_any.client import make_client
from arb_pipelines.venues.ccxt_any.symbols import describe, parse_symbols
from arb_pipelines.venues.symbol_lists import read_symbol_list

#: The recorded list of each venue, and where ccxt asks for it.
LISTS = {
    "kucoin": ("kucoin_symbols_20210425.json.gz", "/symbols", 634),
    "binance": ("binance_exchangeInfo_20211012.json.gz", "/exchangeInfo", 1695),
    "okx": ("okx_spot_instruments_20220513.json.gz", "/public/instruments", 513),
}


def read_by_ccxt(venue: str, path: str, document: object) -> list[Market]:
    """What ccxt makes of an exchange's list; every other question gets an empty answer."""

    async def fetch(url: str, *_: Any, **__: Any) -> object:
        return document if path in url else {"code": "200000", "data": []}

    async def body() -> list[Market]:
        settings = load_settings(ccxt_url="http://127.0.0.1:1")
        client = make_client(settings, venue, exact=True)
        client.fetch = fetch
        try:
            await client.load_markets()
            return parse_symbols(json.loads(json.dumps(describe(client))), venue)
        finally:
            await client.close()

    return asyncio.run(body())


@pytest.mark.parametrize("venue", LISTS)
def test_ccxt_reads_a_list_as_we_do(real_data: Path, venue: str) -> None:
    """Every increment, limit and status of every symbol; ccxt renames a few currencies."""
    name, path, count = LISTS[venue]
    file = real_data / "exchange_metadata" / name
    theirs = read_by_ccxt(venue, path, json.loads(gzip.decompress(file.read_bytes())))
    ours = {market.venue_symbol: market for market in read_symbol_list(file, venue)}
    assert len(theirs) == len(ours) == count
    renamed = 0
    for market in theirs:
        known = ours[market.venue_symbol]
        named = replace(
            market,
            symbol=known.symbol,
            base=known.base,
            quote=known.quote,
            base_max_size=known.base_max_size,
            taker_fee_bps=known.taker_fee_bps,
            maker_fee_bps=known.maker_fee_bps,
        )
        assert named == known
        renamed += market.symbol != known.symbol
    assert renamed <= 8
