"""What KuCoin tells of itself and of the key before a session: markets, fees, permissions.

Source: https://www.kucoin.com/docs-new/rest/account-info/trade-fee/get-actual-fee-spot-margin
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import islice
from typing import Any

import msgspec

from arb_pipelines.errors import Rejected, Transient
from arb_pipelines.market.symbols import Market, Status
from arb_pipelines.venues.kucoin import rest
from arb_pipelines.venues.kucoin.codec import Reader
from arb_pipelines.venues.kucoin.rest import Rest
from arb_pipelines.venues.kucoin.symbols import parse_listed

_SYMBOLS_A_REQUEST = 10
_REQUESTS_AT_ONCE = 8
_BPS = 10_000
#: Permissions with which money can leave the account. ``InnerTransfer`` stays within it.
_WITHDRAWS = frozenset({"transfer", "flextransfers", "withdraw", "withdrawal"})


class Rates(msgspec.Struct, rename="camel"):
    """``{"symbol":"BTC-USDT","takerFeeRate":"0.001","makerFeeRate":"0.001"}``; fractions.

    Without a symbol they are the account's base rates, before a symbol's coefficients.
    """

    taker_fee_rate: Decimal
    maker_fee_rate: Decimal
    symbol: str = ""


class KeyInfo(msgspec.Struct, rename="camel"):
    """``{"remark":"account1","apiKey":"6705…","apiVersion":3,"permission":"General,Spot",
    "ipWhitelist":"","createdAt":1728443843000,"uid":165111215,"isMaster":true}``
    """

    permission: str
    uid: int

    @property
    def can_withdraw(self) -> bool:
        """Whether money can leave the account by this key."""
        return not _WITHDRAWS.isdisjoint(name.strip().lower() for name in self.names)

    @property
    def names(self) -> list[str]:
        """What the key may do, in the venue's words."""
        return self.permission.split(",")


class Told(msgspec.Struct):
    """``{"status":"open","msg":""}``; ``close`` and ``cancelonly`` take no orders."""

    status: str
    msg: str | None = None


class _Listed(msgspec.Struct, rename="camel"):
    """What says of a symbol whether it trades: ``{"symbol":"BTC-USDT","enableTrading":true}``."""

    symbol: str
    enable_trading: bool


_SYMBOLS = Reader(list[_Listed], "the list of symbols")
_RATES = Reader(Rates, "the account's fees")
_RATES_LIST = Reader(list[Rates], "the account's fees by symbol")
_TOLD = Reader(Told, "the venue's status")
_KEY = Reader(KeyInfo, "what a key may do")


async def ask_key(client: Rest) -> KeyInfo:
    """Ask what the key may do.

    Raises:
        VenueError: no answer, or the key does not do.
    """
    return _KEY.read(await client.call(rest.API_KEY))


async def ask_closed(client: Rest) -> str | None:
    """Ask whether the venue takes orders: ``None``, or why it does not.

    Source: https://www.kucoin.com/docs-new/rest/spot-trading/market-data/get-service-status

    Raises:
        VenueError: no answer.
    """
    told = _TOLD.read(await client.call(rest.STATUS))
    return None if told.status == "open" else " ".join(filter(None, (told.status, told.msg)))


async def ask_trading(client: Rest) -> frozenset[str]:
    """Ask which symbols trade now.

    Raises:
        VenueError: no answer.
    """
    listed = _SYMBOLS.read(await client.call(rest.SYMBOLS))
    return frozenset(one.symbol for one in listed if one.enable_trading)


async def ask_markets(client: Rest) -> tuple[tuple[Market, ...], Mapping[str, Decimal]]:
    """Ask for the symbols and the account's fees; give markets, and taker fees by symbol.

    Fees of a market are in bps, those by symbol exact fractions; halted ones have none. A
    symbol that was renamed, whose orders go under another name than its currencies', is left
    out.

    Raises:
        VenueError: no answer.
        DataError: the list is none.
    """
    listed: list[dict[str, Any]] = json.loads(
        bytes(await client.call(rest.SYMBOLS)), parse_float=Decimal
    )
    markets = [m for m in parse_listed(listed, rest.SYMBOLS.path) if m.symbol == m.venue_symbol]
    trading = [market.symbol for market in markets if market.status is Status.TRADING]
    rates = await _rates(client, listed, trading)
    priced = tuple(_priced(market, rates.get(market.symbol)) for market in markets)
    return priced, {symbol: found.taker_fee_rate for symbol, found in rates.items()}


def _priced(market: Market, rates: Rates | None) -> Market:
    if rates is None:
        return market
    return replace(
        market,
        taker_fee_bps=float(rates.taker_fee_rate * _BPS),
        maker_fee_bps=float(rates.maker_fee_rate * _BPS),
    )


async def _rates(
    client: Rest, listed: Sequence[Mapping[str, Any]], symbols: Sequence[str]
) -> dict[str, Rates]:
    """Ask for each symbol's own rates; work those that are not told out from the base rates.

    The venue tells none for symbols that it refuses, nor when the rate budget ends.
    """
    found: dict[str, Rates] = {}
    chunks = iter(
        [symbols[at : at + _SYMBOLS_A_REQUEST] for at in range(0, len(symbols), _SYMBOLS_A_REQUEST)]
    )
    while some := list(islice(chunks, _REQUESTS_AT_ONCE)):
        answers = await asyncio.gather(
            *(_ask_rates(client, chunk) for chunk in some), return_exceptions=True
        )
        for answer in answers:
            if isinstance(answer, list):
                found |= {rates.symbol: rates for rates in answer}
            elif not isinstance(answer, Transient | Rejected):
                raise answer
        if any(isinstance(answer, Transient) for answer in answers):
            break
    if any(symbol not in found for symbol in symbols):
        base = _RATES.read(await client.call(rest.BASE_FEE))
        found = {entry["symbol"]: _of_base(base, entry) for entry in listed} | found
    return {symbol: found[symbol] for symbol in symbols}


async def _ask_rates(client: Rest, symbols: Sequence[str]) -> list[Rates]:
    answer = await client.call(rest.TRADE_FEES, query={"symbols": ",".join(symbols)})
    return _RATES_LIST.read(answer)


def _of_base(base: Rates, entry: Mapping[str, Any]) -> Rates:
    return Rates(
        base.taker_fee_rate * Decimal(entry.get("takerFeeCoefficient") or 1),
        base.maker_fee_rate * Decimal(entry.get("makerFeeCoefficient") or 1),
        entry["symbol"],
    )
