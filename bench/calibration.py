"""How like recorded markets the generated one is: `python -m bench.calibration [FOLDER]`.

Prints the table of docs/generator.md. FOLDER holds the recordings (a KuCoin
snapshot of 608 quoted symbols, a Binance triangle of depth-5 books); without it
only the generated market is measured. Not a benchmark: nothing is timed.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from arb_pipelines.generator.write import market_arrays
from arb_pipelines.market.cycles import CycleSet, find_cycles
from arb_pipelines.market.inference import infer_market

Floats = npt.NDArray[np.float64]

#: Three legs at 10 bps each.
FEES_BPS = 30.0
PERCENTILES = (10, 50, 90, 95, 99)
TRIANGLE = ("BTC-USDT", "ETH-BTC", "ETH-USDT")


@dataclass(frozen=True)
class Figures:
    """What is compared; edges and spreads in bps.

    ``edges`` are of each directed triangle of the snapshots, ``triangle_edges``
    of the better direction of BTC, ETH and USDT after each update of its books,
    ``spreads`` by quote currency.
    """

    edges: Floats
    triangle_edges: Floats
    spreads: Mapping[str, Floats]


def generated(seed: int, *, n_symbols: int = 608, snapshots: int = 20) -> Figures:
    """Measure a generated market: six minutes of a large list, half an hour of a triangle."""
    n = n_symbols * 2 * 60 * 6
    markets, symbol, _, bid, _, ask, _ = market_arrays(n_symbols, n, seed)
    names = [market.symbol for market in markets]
    cycles = find_cycles(markets, start=None)
    places = np.array([names.index(name) for name in cycles.symbols])
    edges = []
    for end in np.linspace(n // 3, n, snapshots).astype(int):
        last = np.full(n_symbols, -1)
        last[symbol[:end]] = np.arange(end)
        edges.append(directed_edges(cycles, bid[last][places], ask[last][places]))
    return Figures(
        np.concatenate(edges),
        _generated_triangle(seed),
        spreads_by_quote([market.quote for market in markets], bid[last], ask[last]),
    )


def recorded(folder: Path) -> Figures:
    """Measure the recordings."""
    quotes = pl.read_parquet(folder / "kucoin_l1_20220228" / "tickers.parquet")
    inferred = [
        infer_market("kucoin", f"{base}-{quote}", base, quote)
        for base, quote in quotes.select("base", "quote").iter_rows()
    ]
    markets = [market for market in inferred if market is not None]
    names = [market.symbol for market in markets]
    cycles = find_cycles(markets, start=None)
    places = np.array([names.index(name) for name in cycles.symbols])
    bid, ask = quotes["bid"].to_numpy(), quotes["ask"].to_numpy()
    return Figures(
        directed_edges(cycles, bid[places], ask[places]),
        _recorded_triangle(folder / "binance_triangle_depth5_20250831" / "depth5.parquet"),
        spreads_by_quote([market.quote for market in markets], bid, ask),
    )


def directed_edges(cycles: CycleSet, bid: Floats, ask: Floats) -> Floats:
    """Gross edge of every cycle on one state of all books, bps."""
    rates = np.where(cycles.leg_side == 0, 1 / ask[cycles.leg_symbol], bid[cycles.leg_symbol])
    edges: Floats = (rates.prod(axis=1) - 1) * 1e4
    return edges


def spreads_by_quote(quotes: list[str], bid: Floats, ask: Floats) -> dict[str, Floats]:
    """Spreads in bps of the mid, by quote currency."""
    spread = (ask - bid) / (ask + bid) * 2e4
    of = np.array(quotes)
    return {quote: spread[of == quote] for quote in ("USDT", "BTC", "ETH")}


def triangle_edges(symbol: list[str], bid: Floats, ask: Floats) -> Floats:
    """Edge of the better direction after each update, once all three books are known."""
    books: dict[str, tuple[float, float]] = {}
    edges = []
    for name, best_bid, best_ask in zip(symbol, bid.tolist(), ask.tolist(), strict=True):
        books[name] = (best_bid, best_ask)
        if len(books) == len(TRIANGLE):
            btc, cross, eth = (books[leg] for leg in TRIANGLE)
            edges.append(max(eth[0] / (btc[1] * cross[1]), btc[0] * cross[0] / eth[1]))
    return (np.array(edges) - 1) * 1e4


def _generated_triangle(seed: int) -> Floats:
    markets, symbol, _, bid, _, ask, _ = market_arrays(3, 3 * 8 * 1800, seed, rate=8.0)
    return triangle_edges([markets[i].symbol for i in symbol], bid, ask)


def _recorded_triangle(path: Path) -> Floats:
    books = pl.read_parquet(path)
    names = dict(zip(("BTCUSDT", "ETHBTC", "ETHUSDT"), TRIANGLE, strict=True))
    symbol = [names[name] for name in books["symbol"]]
    return triangle_edges(symbol, books["bid_px_1"].to_numpy(), books["ask_px_1"].to_numpy())


def rows(figures: Figures) -> dict[str, str]:
    """The lines of the table."""
    of_all, of_three = figures.edges, figures.triangle_edges
    made = {
        "directed triangles, raw above 1": f"{(of_all > 0).mean():.2%}",
        "directed triangles, above 1 net of 10 bps a leg": f"{(of_all > FEES_BPS).mean():.2%}",
        "their edges, p10/50/90/95/99, bps": _shown(of_all),
        "greatest such edge, bps": f"{of_all.max():.1f}",
        "BTC-ETH-USDT, better direction raw above 1": f"{(of_three > 0).mean():.1%}",
        "its edges, same percentiles, bps": _shown(of_three),
        "its greatest edge, bps": f"{of_three.max():.1f}",
    }
    for quote, spreads in figures.spreads.items():
        quantiles = " / ".join(f"{q:.0f}" for q in np.percentile(spreads, (10, 50, 90)))
        made[f"spread of {quote} symbols, p10/50/90, bps"] = quantiles
    return made


def _shown(edges: Floats) -> str:
    return " / ".join(f"{q:.1f}" for q in np.percentile(edges, PERCENTILES))


def main() -> None:
    """Print the comparison as a Markdown table."""
    columns = {f"generated, seed {seed}": rows(generated(seed)) for seed in (7, 8)}
    if len(sys.argv) > 1:
        columns["recorded"] = rows(recorded(Path(sys.argv[1])))
    print("| | " + " | ".join(columns) + " |\n" + "| --- " * (len(columns) + 1) + "|")
    for name in next(iter(columns.values())):
        print(f"| {name} | " + " | ".join(column[name] for column in columns.values()) + " |")


if __name__ == "__main__":
    main()
