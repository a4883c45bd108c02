"""What the scanner refuses, and halts that come while it runs."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from arb_pipelines.errors import ConfigError, DataError
from arb_pipelines.lake.books import Tops
from arb_pipelines.market.cycles import find_cycles
from arb_pipelines.market.fees import FeeFactors, fee_factors
from arb_pipelines.market.opportunities import find_opportunities
from arb_pipelines.market.scanner import Scanner
from arb_pipelines.market.symbols import Market

MARKETS = [
    Market("v", f"{base}-{quote}", base, quote, base + quote)
    for base, quote in (("BTC", "USDT"), ("ETH", "BTC"), ("ETH", "USDT"))
]
CYCLES = find_cycles(MARKETS, start=None)
FEES: FeeFactors = fee_factors(MARKETS, CYCLES.symbols, 0.0)
TOPS = Tops(
    CYCLES.symbols,
    np.array([0, 1, 2], np.int32),
    np.array([1, 2, 3], np.int64),
    *(np.ones(3) for _ in range(4)),
)


def test_a_halted_symbol_is_silent_until_its_next_update() -> None:
    """A halt takes effect at once; resuming waits for a book that is not from before it."""
    scanner = Scanner(CYCLES, FEES, max_age_ns=None)
    for symbol in range(3):
        cycle, product = scanner.update(symbol, 1, 1.0, 1.0, 1.001, 1.0)
    assert (cycle, product) != (-1, 0.0)
    scanner.halt(0)
    assert scanner.update(1, 2, 1.0, 1.0, 1.001, 1.0) == (-1, 0.0)
    assert scanner.update(0, 3, 1.0, 1.0, 1.001, 1.0) == (-1, 0.0)
    scanner.resume(0)
    assert scanner.update(1, 4, 1.0, 1.0, 1.001, 1.0) == (-1, 0.0)
    assert scanner.update(0, 5, 1.0, 1.0, 1.001, 1.0) == (cycle, product)


def test_time_does_not_run_backwards() -> None:
    """An update stamped before the latest counts as the latest, so that nothing grows younger."""
    scanner = Scanner(CYCLES, FEES, max_age_ns=10)
    for symbol, ts in ((0, 0), (1, 11), (2, 5)):
        assert scanner.update(symbol, ts, 1.0, 1.0, 1.001, 1.0) == (-1, 0.0)
    assert scanner.update(0, 5, 1.0, 1.0, 1.001, 1.0)[0] >= 0


def test_a_negative_staleness_limit_is_refused() -> None:
    """No book could be younger."""
    with pytest.raises(ConfigError, match="negative"):
        Scanner(CYCLES, FEES, max_age_ns=-1)


def test_tops_of_other_symbols_are_refused() -> None:
    """Indices of another list would silently price the wrong symbols."""
    other = dataclasses.replace(TOPS, symbols=("A-B", "C-D", "E-F"))
    with pytest.raises(DataError, match="other symbols"):
        Scanner(CYCLES, FEES, max_age_ns=None).update_all(other)


def test_a_day_whose_time_runs_backwards_is_refused() -> None:
    """Ages would be wrong: the first such row is named."""
    tops = dataclasses.replace(TOPS, ts_recv=np.array([1, 3, 2], np.int64))
    with pytest.raises(DataError, match="row 2: time runs backwards"):
        find_opportunities(CYCLES, FEES, tops, max_age_ns=None, ts_end=10)
