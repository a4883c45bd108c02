"""A session and a backtest of the same books agree fill for fill: the live path, whole."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import date
from itertools import pairwise

import pytest

from arb_pipelines.backtest.kernel import run_kernel
from arb_pipelines.backtest.universe import scenario_of
from arb_pipelines.research.agreement import compare
from arb_pipelines.research.differing import What
from arb_pipelines.research.exchange_books import generated_books
from arb_pipelines.research.lock_step import play
from arb_pipelines.research.replaying import columns, replay, with_measured_delays
from arb_pipelines.research.told import TRADED
from arb_pipelines.settings import Settings
from arb_pipelines.trading.parameters import Strategy
from tests.e2e.exchange_process import ExchangeProcess, running_exchange, settings_of

SYMBOLS, SEED, STATES = 12, 7, 900
#: Fees are 30 bps a cycle: what loses less than 34 is traded, so that much happens.
STRATEGY = Strategy.model_validate(
    {
        "name": "lock-step",
        "exchange": "kucoin",
        "universe": {"start": ["USDT"]},
        "min_profit_bps": -34.0,
        "max_slippage_bps": 480.0,  # the venue's price protection is 500
        "capital_allocation": {"mode": "fixed_fraction", "fraction": 0.3},
        "balances": {"USDT": 9_000.0},
        "slots": 3,
        "cool_down_ms": 2.0,
        "max_age_ms": 60_000.0,
        "session": {"books": "depth50", "depth": 20},
    }
)


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeProcess]:
    """An exchange whose market moves when it is told to."""
    home = tmp_path_factory.mktemp("exchange")
    market = ("--symbols", str(SYMBOLS), "--seed", str(SEED), "--speed", "0")
    with running_exchange(home, *market, "--balance", "USDT=10000") as process:
        yield process


def test_a_session_and_a_backtest_agree_on_a_thousand_signals(
    exchange: ExchangeProcess, home: Settings
) -> None:
    """The same signals, decisions, orders and fills; and both engines give the same bytes."""
    states = generated_books(SYMBOLS, SEED).states
    played = asyncio.run(play(settings_of(exchange, home), STRATEGY, states, count=STATES))
    scenario = scenario_of(STRATEGY, played.markets, date(2026, 1, 5), max_cycles=10_000)
    backtest, outcome = replay(scenario, played.books, played.told)
    agreement = compare(played.told, backtest, scenario, played.books)
    assert agreement.first is None, str(agreement.first)
    assert agreement.counts[What.SIGNAL].equal >= 1_000
    assert agreement.counts[What.FILL].equal >= 1_000
    assert all(c.session == c.backtest == c.equal for c in agreement.counts.values())
    keys = [[(s.ts, s.cycle) for s in told.signals] for told in (played.told, backtest)]
    assert keys[0] == keys[1], "the signals of one book come in another order"
    decided = {signal.decided for signal in played.told.signals}
    assert {TRADED, "triangle", "symbol"} <= decided
    measured = with_measured_delays(scenario, played.told)
    kernel = run_kernel(measured, [columns(scenario.cycles.symbols, played.books)])
    assert kernel.trades.tobytes() == outcome.trades.tobytes()
    assert kernel.legs.tobytes() == outcome.legs.tobytes()
    assert all(a.ts_recv < b.ts_recv for a, b in pairwise(played.books))
