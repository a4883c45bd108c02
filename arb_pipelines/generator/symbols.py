"""A symbol list shaped like a real venue's, as KuCoin's own JSON.

Hubs (USDT, BTC, ETH, then USDC and KCS) quote coins of falling rank; the lower
the rank, the fewer quotes. Shares follow KuCoin's 608 quoted symbols of
2022-02-28: 53 % in USDT, 26 % in BTC, 12 % in ETH, 295 triangles.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from arb_pipelines.errors import ConfigError
from arb_pipelines.generator.arithmetic import decimals_of_step, exponential

#: KuCoin's shape of list, in which the generated one is written.
SHAPE = "kucoin"
SYMBOLS_MIN, SYMBOLS_MAX = 3, 1300

#: US dollars a unit; the hubs first. Orders of magnitude, not quotations.
_HUB_VALUES = {"USDT": 1.0, "BTC": 60_000.0, "ETH": 3_000.0, "USDC": 1.0, "KCS": 10.0}
_COIN_VALUES = {
    "SOL": 150.0, "XRP": 0.55, "DOGE": 0.12, "ADA": 0.45, "TRX": 0.12, "AVAX": 35.0,
    "LINK": 15.0, "DOT": 6.5, "LTC": 80.0, "BCH": 400.0, "NEAR": 5.5, "UNI": 8.0,
    "ATOM": 8.5, "XLM": 0.11, "ETC": 26.0, "FIL": 5.5, "ALGO": 0.18, "VET": 0.03,
    "ICP": 12.0, "AAVE": 95.0, "EOS": 0.8, "XMR": 140.0, "SAND": 0.42, "MANA": 0.43,
    "XTZ": 0.95, "KSM": 30.0, "DASH": 30.0, "ZEC": 25.0, "NEO": 15.0, "EGLD": 40.0,
    "CHZ": 0.11, "GRT": 0.28, "MKR": 2_800.0, "SNX": 2.6, "CRV": 0.42, "COMP": 55.0,
    "YFI": 6_800.0, "BAT": 0.24, "ENJ": 0.29, "ZIL": 0.023, "SHIB": 0.000024, "IOTA": 0.22,
}  # fmt: skip
_CORE = (("BTC", "USDT"), ("ETH", "USDT"), ("ETH", "BTC"))
_SECOND_HUBS = (
    ("USDC", "USDT"), ("BTC", "USDC"), ("ETH", "USDC"),
    ("KCS", "USDT"), ("KCS", "BTC"), ("KCS", "ETH"),
)  # fmt: skip
#: Coins that come before the second hubs.
_COINS_FIRST = 4
_MARKET_NAME = {"USDT": "USDS", "USDC": "USDS", "BTC": "BTC"}
#: Least notional of an order, in units of the quote currency.
_MIN_FUNDS_DECIMALS = {"USDT": 1, "USDC": 1, "KCS": 2, "ETH": 5, "BTC": 6}
_FUNDS_DECIMALS = {"USDT": 6, "USDC": 6, "KCS": 6, "ETH": 7, "BTC": 8}
_SMALLEST_PRICE = 1e-7


@dataclass(frozen=True, slots=True)
class Listing:
    """A venue's symbols, sorted by name, and what its currencies are worth at the start.

    ``base`` and ``quote`` (shape ``(n,)``) index ``currencies``; ``value`` is in
    US dollars. ``rank`` is 0 for symbols among hubs, else the coin's place from
    1. A price is a whole number of ticks of ``10**-price_decimals``, a size one
    of lots of ``10**-size_decimals``, at least ``min_lots`` of them.
    """

    symbols: tuple[str, ...]
    currencies: tuple[str, ...]
    base: npt.NDArray[np.int32]
    quote: npt.NDArray[np.int32]
    value: npt.NDArray[np.float64]
    rank: npt.NDArray[np.int32]
    price_decimals: npt.NDArray[np.int32]
    size_decimals: npt.NDArray[np.int32]
    min_lots: npt.NDArray[np.int64]

    @property
    def pairs(self) -> dict[str, tuple[str, str]]:
        """Base and quote of each symbol."""
        names = np.array(self.currencies, object)
        pairs = zip(names[self.base], names[self.quote], strict=True)
        return dict(zip(self.symbols, pairs, strict=True))

    def document(self) -> dict[str, object]:
        """The list as the answer of KuCoin's ``/api/v2/symbols``."""
        return {"code": "200000", "data": [self._entry(i) for i in range(len(self.symbols))]}

    def _entry(self, i: int) -> dict[str, object]:
        base, quote = self.currencies[self.base[i]], self.currencies[self.quote[i]]
        size_decimals = int(self.size_decimals[i])
        min_size_decimals = size_decimals - len(str(self.min_lots[i])) + 1
        min_funds = _step(_MIN_FUNDS_DECIMALS[quote])
        return {
            "symbol": self.symbols[i],
            "name": self.symbols[i],
            "baseCurrency": base,
            "quoteCurrency": quote,
            "feeCurrency": quote,
            "market": _MARKET_NAME.get(quote, "ALTS"),
            "baseMinSize": _step(min_size_decimals),
            "quoteMinSize": min_funds,
            "baseMaxSize": "10000000000",
            "quoteMaxSize": "99999999",
            "baseIncrement": _step(size_decimals),
            "quoteIncrement": _step(_FUNDS_DECIMALS[quote]),
            "priceIncrement": _step(int(self.price_decimals[i])),
            "priceLimitRate": "0.1",
            "minFunds": min_funds,
            "isMarginEnabled": bool(self.rank[i] < 30),
            "enableTrading": True,
            "feeCategory": 1 if self.rank[i] < 250 else 2,
            "makerFeeCoefficient": "1.00",
            "takerFeeCoefficient": "1.00",
            "st": False,
            "callauctionIsEnabled": False,
        }


def make_listing(n_symbols: int, seed: int) -> Listing:
    """List ``n_symbols``; a longer list of the same seed contains the shorter.

    Raises:
        ConfigError: not 3 to 1,300 symbols.
    """
    if not SYMBOLS_MIN <= n_symbols <= SYMBOLS_MAX:
        raise ConfigError(
            f"a list of {n_symbols} symbols cannot be made; ask for {SYMBOLS_MIN} to {SYMBOLS_MAX}"
        )
    rng = np.random.Generator(np.random.PCG64(seed))
    ranked: dict[tuple[str, str], int] = {}
    values = dict(_HUB_VALUES)
    for base, quote, rank, value in _pairs(rng):
        values[base] = value
        ranked[base, quote] = rank
        if len(ranked) == n_symbols:
            break
    pairs = sorted(ranked, key="-".join)
    currencies = tuple(sorted({currency for pair in pairs for currency in pair}))
    number = {currency: i for i, currency in enumerate(currencies)}
    steps = np.array([_decimals(base, quote, values) for base, quote in pairs])
    return Listing(
        symbols=tuple("-".join(pair) for pair in pairs),
        currencies=currencies,
        base=np.array([number[base] for base, _ in pairs], np.int32),
        quote=np.array([number[quote] for _, quote in pairs], np.int32),
        value=np.array([values[currency] for currency in currencies]),
        rank=np.array([ranked[pair] for pair in pairs], np.int32),
        price_decimals=steps[:, 0].astype(np.int32),
        size_decimals=steps[:, 1].astype(np.int32),
        min_lots=10 ** (steps[:, 1] - steps[:, 2]).astype(np.int64),
    )


def _pairs(rng: np.random.Generator) -> Iterator[tuple[str, str, int, float]]:
    """Base, quote, rank and the base's value, the most important symbols first, without end."""
    for base, quote in _CORE:
        yield base, quote, 0, _HUB_VALUES[base]
    for rank, (coin, value) in enumerate(_coins(rng), start=1):
        if rank == _COINS_FIRST:
            for base, quote in _SECOND_HUBS:
                yield base, quote, 0, _HUB_VALUES[base]
        chances = {
            "USDT": 1.0,
            "BTC": 0.30 + 0.65 / (1 + rank / 60),
            "ETH": 0.10 + 0.55 / (1 + rank / 40),
            "USDC": 0.02 + 0.40 / (1 + rank / 15),
            "KCS": 0.03 + 0.30 / (1 + rank / 20),
        }
        drawn = rng.random(len(chances))
        for draw, (quote, chance) in zip(drawn, chances.items(), strict=True):
            if draw < chance and value / _HUB_VALUES[quote] >= _SMALLEST_PRICE:
                yield coin, quote, rank, value


def _coins(rng: np.random.Generator) -> Iterator[tuple[str, float]]:
    """Coins and their values by falling rank: known names, then made-up ones."""
    yield from _COIN_VALUES.items()
    known = {*_HUB_VALUES, *_COIN_VALUES}
    while True:
        letters = rng.integers(0, 26, 5)[: 3 + int(rng.random() < 0.5)]
        name = "".join(chr(ord("A") + letter) for letter in letters)
        value = exponential(9.0 * rng.random() - 6.0)
        if name not in known:
            known.add(name)
            yield name, round(value, 6)


def _decimals(base: str, quote: str, values: dict[str, float]) -> tuple[int, int, int]:
    """Decimals of the price, of the size and of the least size.

    A tick is at most 0.04 bps of the price among USDT and the majors, 2 bps in
    other USDT symbols, 6 bps elsewhere; a lot is worth at most 5 cents, the
    least order about a dollar.
    """
    share = 6e-4
    if quote in ("USDT", "USDC"):
        share = 4e-6 if base in ("BTC", "ETH") else 2e-4
    price = values[base] / values[quote]
    size = min(max(decimals_of_step(0.05 / values[base]), 2), 8)
    least = min(decimals_of_step(1.0 / values[base]), size)
    return decimals_of_step(price * share), size, least


def _step(decimals: int) -> str:
    """10**-decimals as a decimal text."""
    return "0." + "0" * (decimals - 1) + "1" if decimals > 0 else "1" + "0" * -decimals
