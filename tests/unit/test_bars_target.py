"""A study's trials on bars: one run cut into days, that adds up and looks at no later bar."""

from __future__ import annotations

import pickle
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest

from arb_pipelines.backtest.bars.arrays import BarArrays
from arb_pipelines.backtest.bars.execution import BarExecution
from arb_pipelines.backtest.bars.sma_cross import round_trips, run_sma_cross
from arb_pipelines.backtest.commission import BpsCommission
from arb_pipelines.clock import day_of
from arb_pipelines.errors import ConfigError
from arb_pipelines.optimize.targets.bars import BarsTarget
from arb_pipelines.optimize.targets.fields import UnknownParameter
from arb_pipelines.optimize.targets.settings import BarsSettings
from arb_pipelines.trading.sma_cross import SmaCross
from tests.fakes.bar_worlds import SYMBOL, random_bars

PARAMS = {"fast": 3, "slow": 9, "execution.slippage.bps": 2.0}
COMMISSION = {"model": "bps", "bps": 4.0}


def _target(*bars: BarArrays) -> BarsTarget:
    settings = BarsSettings.model_validate(
        {
            "kind": "bars",
            "strategy": "sma_cross",
            "venue": "demo",
            "symbols": [one.symbol for one in bars],
            "fixed": {"fraction": 0.5},
            "balance": 1_000.0,
            "execution": {"commission": COMMISSION},
        }
    )
    return BarsTarget(settings, bars, blocks=6)


def _days(bars: BarArrays) -> list[str]:
    first, last = day_of(int(bars.ts_open[0])), day_of(int(bars.ts_open[-1]) + bars.interval_ns)
    return [str(first + timedelta(n)) for n in range((last - first).days + 1)]


def test_the_days_add_up_to_the_run() -> None:
    """Profits sum to what the whole run earns, trades and wins to its round trips."""
    bars = random_bars(1, 400)
    target = _target(bars)
    days = [target.evaluate(PARAMS, day) for day in _days(bars)]
    execution = BarExecution.model_validate(
        {"commission": COMMISSION, "slippage": {"model": "bps", "bps": 2.0}}
    )
    whole = run_sma_cross(bars, SmaCross(3, 9, fraction=0.5), execution, cash=1_000.0)
    trips = round_trips(whole)
    assert len(trips) > 10
    assert sum(day.profit for day in days) == pytest.approx(whole.final_value - 1_000.0)
    assert sum(day.trades for day in days) == len(trips)
    assert sum(day.wins for day in days) == (trips["profit"] > 0).sum()
    for before, after in pairwise(days):
        assert after.balance == pytest.approx(before.balance + before.profit)
    for day in days:
        assert len(day.returns) == 6
        assert sum(day.returns) * day.balance == pytest.approx(day.profit, abs=1e-9)


def test_symbols_add_up() -> None:
    """Each symbol has a balance of its own; what they are worth is the sum."""
    one, two = random_bars(1, 300), replace(random_bars(2, 300), symbol="BTC-USDT")
    both = _target(one, two)
    for day in _days(one):
        alone = [_target(bars).evaluate(PARAMS, day) for bars in (one, two)]
        found = both.evaluate(PARAMS, day)
        assert found.balance == pytest.approx(sum(each.balance for each in alone))
        assert found.profit == pytest.approx(sum(each.profit for each in alone))
        assert found.trades == sum(each.trades for each in alone)


def test_later_bars_change_no_earlier_day() -> None:
    """A day's result is the same whether the days after it are known or not."""
    bars = random_bars(3, 400)
    cut = 250
    names = ("ts_open", "open", "high", "low", "close", "volume")
    known = replace(bars, **{name: getattr(bars, name)[:cut] for name in names})
    ended = str(day_of(int(known.ts_open[-1])))  # the day in which the shorter run closes
    for day in _days(bars):
        if day < ended:
            assert _target(known).evaluate(PARAMS, day) == _target(bars).evaluate(PARAMS, day)


def test_equal_arguments_give_equal_results_in_any_order_and_process() -> None:
    """Whatever was evaluated before, and after a journey to another process."""
    bars = random_bars(4, 300)
    target, days = _target(bars), _days(bars)
    first = [target.evaluate(PARAMS, day) for day in days]
    other = PARAMS | {"slow": 20}
    travelled = pickle.loads(pickle.dumps(target))
    assert travelled.digest == target.digest
    for day, expected in reversed(list(zip(days, first, strict=True))):
        assert travelled.evaluate(other, day).balance > 0
        assert travelled.evaluate(PARAMS, day) == expected
    with pytest.raises(ValueError, match="read-only"):
        travelled.bars[0].close[0] = 1.0


def test_the_digest_follows_data_and_settings() -> None:
    """Other bars, blocks or costs are another target."""
    one, two = random_bars(1, 50), random_bars(2, 50)
    target = _target(one)
    assert target.digest == _target(one).digest
    costly = target.settings.model_copy(
        update={"execution": BarExecution(commission=BpsCommission(bps=5.0))}
    )
    others = {_target(two).digest, replace(target, blocks=5).digest}
    assert len(others | {replace(target, settings=costly).digest, target.digest}) == 4


def test_parameters_are_of_the_strategy_or_of_the_execution() -> None:
    """A wrong name is told from a wrong value."""
    target = _target(random_bars(1, 50))
    target.check(PARAMS)
    for name, words in (("fats", "did you mean fast"), ("execution.slip", "execution.slip")):
        with pytest.raises(UnknownParameter, match=words):
            target.check(PARAMS | {name: 1})
    for params, words in (
        (PARAMS | {"fast": 9}, "1 <= fast < slow"),
        ({"fast": 3}, "slow: choose it by a parameter"),
        (PARAMS | {"execution.volume_share": 2.0}, "volume_share"),
    ):
        with pytest.raises(ConfigError, match=words):
            target.check(params)
    assert target.bars[0].symbol == SYMBOL
