"""The SMA cross: its parameters, its decisions, and what a run of it says."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from arb_pipelines.backtest.bars.arrays import NS_PER_HOUR, BarArrays, bar_arrays
from arb_pipelines.backtest.bars.execution import BarExecution
from arb_pipelines.backtest.bars.sma_cross import round_trips, run_sma_cross
from arb_pipelines.backtest.commission import BpsCommission
from arb_pipelines.errors import ConfigError
from arb_pipelines.market.graph import BUY, SELL
from arb_pipelines.trading.events import Cancelled, OrderFill, OrderSignal
from arb_pipelines.trading.sma_cross import SmaCross, SmaCrossStrategy
from tests.fakes.bar_worlds import SYMBOL, bar


def bars_of(closes: list[float], volume: float = 1_000.0) -> BarArrays:
    """Make hourly bars that open at the close before and reach no further."""
    opens = [closes[0], *closes[:-1]]
    frame = pl.DataFrame(
        {
            "symbol": [SYMBOL] * len(closes),
            "ts_open": [number * NS_PER_HOUR for number in range(len(closes))],
            "open": opens,
            "high": np.maximum(opens, closes),
            "low": np.minimum(opens, closes),
            "close": closes,
            "volume": [volume] * len(closes),
        }
    )
    return bar_arrays(frame, SYMBOL)


def test_a_run_one_can_follow() -> None:
    """Crosses up at 12, buys at the next open, crosses down at 9, sells at the next open."""
    closes = [10.0, 10.0, 10.0, 12.0, 13.0, 13.0, 9.0, 8.0]
    outcome = run_sma_cross(
        bars_of(closes),
        SmaCross(fast=1, slow=3, size=2.0),
        BarExecution(commission=BpsCommission(bps=100)),
        cash=100.0,
    )
    assert outcome.fills["ts"].tolist() == [4 * NS_PER_HOUR, 7 * NS_PER_HOUR]
    assert outcome.fills["side"].tolist() == [BUY, SELL]
    assert outcome.price.tolist() == [12.0, 9.0]
    assert outcome.fills["fee"] == pytest.approx([0.24, 0.18])
    assert outcome.equity == pytest.approx([100] * 4 + [101.76, 101.76, 93.76, 93.58])
    assert (outcome.fees, outcome.final_value) == (pytest.approx(0.42), pytest.approx(93.58))
    (trip,) = round_trips(outcome)
    assert trip.item() == (
        *(4 * NS_PER_HOUR, 7 * NS_PER_HOUR),
        *(2.0, 12.0, 9.0),
        *(pytest.approx(0.42), pytest.approx(-6.42)),
    )


def test_position_is_closed_at_the_last_close() -> None:
    """Equity's last value is before the closing, the final value after its fee."""
    outcome = run_sma_cross(
        bars_of([10.0, 10.0, 10.0, 12.0, 13.0]),
        SmaCross(fast=1, slow=3, size=2.0),
        BarExecution(commission=BpsCommission(bps=100)),
        cash=100.0,
    )
    assert outcome.fills["ts"].tolist() == [4 * NS_PER_HOUR, 5 * NS_PER_HOUR]
    assert outcome.price.tolist() == [12.0, 13.0]
    assert outcome.equity[-1] == pytest.approx(101.76)
    assert outcome.final_value == pytest.approx(101.5)


def test_fraction_spends_its_share_fee_included() -> None:
    """With the fee kept back, all of the cash buys, and no more than that."""
    outcome = run_sma_cross(
        bars_of([10.0, 10.0, 10.0, 12.0, 12.0]),
        SmaCross(fast=1, slow=3, fraction=1.0, fee_reserve_bps=10.0),
        BarExecution(commission=BpsCommission(bps=10)),
        cash=1_000.0,
    )
    bought = outcome.fills[0]
    assert bought["funds"] + bought["fee"] == pytest.approx(1_000.0)
    assert outcome.rejected == 0


def test_order_beyond_the_cash_is_counted() -> None:
    """Without a reserve for the fee nothing is bought, and the outcome says why."""
    outcome = run_sma_cross(
        bars_of([10.0, 10.0, 10.0, 12.0, 12.0]),
        SmaCross(fast=1, slow=3, fraction=1.0),
        BarExecution(commission=BpsCommission(bps=10)),
        cash=1_000.0,
    )
    assert (len(outcome.fills), outcome.rejected, outcome.final_value) == (0, 1, 1_000.0)
    assert len(round_trips(outcome)) == 0


def test_still_closes_cross_nothing() -> None:
    """While closes stand still for long nothing is traded: moving sums do not drift."""
    closes = [0.1, 0.7, 0.3, *[0.3] * 500, 0.1, *[0.3] * 500]
    outcome = run_sma_cross(bars_of(closes), SmaCross(fast=7, slow=31, size=1.0), cash=10.0)
    # the 0.1 leaves the fast window first; what was bought then is sold at the very end
    assert (outcome.fills["ts"] // NS_PER_HOUR).tolist() == [511, len(closes)]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"fast": 5, "slow": 5, "size": 1.0}, "1 <= fast < slow"),
        ({"fast": 0, "slow": 5, "size": 1.0}, "1 <= fast < slow"),
        ({"fast": 1, "slow": 5}, "give fraction or size"),
        ({"fast": 1, "slow": 5, "size": 1.0, "fraction": 0.5}, "give fraction or size"),
        ({"fast": 1, "slow": 5, "fraction": 1.1}, "fraction 1.1"),
        ({"fast": 1, "slow": 5, "size": 0.0}, "size 0.0"),
        ({"fast": 1, "slow": 5, "size": float("nan")}, "size nan"),
        ({"fast": 1, "slow": 5, "size": 1.0, "fee_reserve_bps": -1}, "fee_reserve_bps -1"),
    ],
)
def test_parameters_are_checked(given: dict[str, Any], told: str) -> None:
    """Each value out of range is refused by name."""
    with pytest.raises(ConfigError, match=told):
        SmaCross(**given)


def _signals(strategy: SmaCrossStrategy, closes: list[float], first: int = 0) -> list[OrderSignal]:
    bars = [bar(first + n, (px, px, px, px)) for n, px in enumerate(closes)]
    return [signal for each in bars for signal in strategy.on_market(each)]


def _fill(side: int, size: float, *, final: bool = True) -> OrderFill:
    spent, received = (size * 10, size) if side == BUY else (size, size * 10)
    return OrderFill("a", 0, SYMBOL, side, size, size * 10, spent, received, 0.0, "USDT", final)


def test_strategy_waits_for_its_order() -> None:
    """A cross that comes while an order is open is acted on when it has ended."""
    strategy = SmaCrossStrategy(SmaCross(fast=1, slow=2, size=5.0), SYMBOL, 1_000.0)
    (buy,) = _signals(strategy, [10.0, 10.0, 11.0])
    assert (buy.side, buy.size, buy.funds) == (BUY, 5.0, None)
    strategy.on_broker(_fill(BUY, 3.0, final=False))
    assert _signals(strategy, [9.0], first=3) == []
    strategy.on_broker(_fill(BUY, 2.0))
    (sell,) = _signals(strategy, [8.0], first=4)
    assert (sell.side, sell.size) == (SELL, 5.0)


def test_strategy_gives_up_what_was_cancelled_until_the_next_cross() -> None:
    """A rejected buy is not sent again while nothing crosses."""
    strategy = SmaCrossStrategy(SmaCross(fast=1, slow=2, fraction=0.5), SYMBOL, 1_000.0)
    (buy,) = _signals(strategy, [10.0, 10.0, 11.0])
    assert (buy.size, buy.funds) == (None, 500.0)
    strategy.on_broker(Cancelled("a", 0, "would spend too much"))
    assert _signals(strategy, [12.0, 13.0, 13.0], first=3) == []
    assert len(_signals(strategy, [14.0], first=6)) == 1


def test_strategy_minds_its_own_symbol() -> None:
    """Bars of another symbol and books change nothing."""
    strategy = SmaCrossStrategy(SmaCross(fast=1, slow=2, size=5.0), "BTC-USDT", 1_000.0)
    assert _signals(strategy, [10.0, 10.0, 11.0]) == []
