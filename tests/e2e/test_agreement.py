"""A session and a backtest of the same books agree fill for fill: the live path, whole."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from itertools import pairwise
from pathlib import Path

import pytest

from arb_pipelines.backtest.kernel import run_kernel
from arb_pipelines.backtest.universe import scenario_of
from arb_pipelines.errors import ConfigError
from arb_pipelines.research.agreement import compare, trade_again
from arb_pipelines.research.agreement_reasons import Why
from arb_pipelines.research.differing import What
from arb_pipelines.research.exchange_books import generated_books
from arb_pipelines.research.lock_step import play
from arb_pipelines.research.replaying import columns, replay, with_measured_delays
from arb_pipelines.research.told import TRADED
from arb_pipelines.research.watched_session import observe
from arb_pipelines.settings import Settings
from arb_pipelines.trading.events import Ending
from arb_pipelines.trading.parameters import Strategy
from tests.e2e.exchange_process import (
    ExchangeProcess,
    environment_of,
    running_exchange,
    settings_of,
)

SYMBOLS, SEED, STATES = 12, 7, 900
BALANCE = "USDT=10000,BTC=1,ETH=10"
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


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[ExchangeProcess]:
    """An exchange whose market moves when it is told to, and at which nobody has traded yet."""
    market = ("--symbols", str(SYMBOLS), "--seed", str(SEED), "--speed", "0")
    with running_exchange(tmp_path, *market, "--balance", BALANCE) as process:
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


def test_legs_sent_at_once_agree_too(exchange: ExchangeProcess, home: Settings) -> None:
    """With BTC and ETH in hand all legs of their cycles leave together, and fill as modelled."""
    held = {"USDT": 6_000.0, "BTC": 0.2, "ETH": 4.0}
    parallel = STRATEGY.session.model_copy(update={"legs": "parallel"})
    strategy = STRATEGY.model_copy(update={"session": parallel, "balances": held})
    states = generated_books(SYMBOLS, SEED).states
    played = asyncio.run(play(settings_of(exchange, home), strategy, states, count=100))
    agreement = trade_again(strategy, played, max_cycles=10_000)
    assert agreement.first is None, str(agreement.first)
    at_once = [
        signal
        for signal in played.told.executions()
        if len({order.ts_decided for order in signal.orders}) == 1
    ]
    assert len(at_once) > 5


def test_the_command_says_that_nothing_differs(
    exchange: ExchangeProcess, home: Settings, tmp_path: Path
) -> None:
    """In lock step, from where the exchange stands, as one JSON document."""
    file = tmp_path / "lock-step.yaml"
    elsewhere = STRATEGY.model_copy(update={"exchange": "demo"})
    file.write_text(elsewhere.model_dump_json(exclude_defaults=True))
    market = ("--symbols", str(SYMBOLS), "--seed", str(SEED))
    command = (sys.executable, "-m", "arb_pipelines.cli", "agreement", "--strategy", str(file))
    command += ("--venue", "kucoin")
    ran = subprocess.run(
        (*command, "--states", "60", *market, "--json"),
        env=os.environ | environment_of(exchange),
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    said = json.loads(ran.stdout)
    assert said["complete"]
    assert said["counts"]["signal"]["equal"] > 0
    assert said["differences"] == []


def test_a_refusal_of_the_venue_is_where_they_part(
    exchange: ExchangeProcess, home: Settings
) -> None:
    """One order is refused: the report names its signal and the venue's word, then what follows."""
    fault = {"kind": "reject", "match": "ETH-BTC", "code": "400100", "msg": "not now", "skip": 5}
    exchange.operate("POST", "/faults", fault | {"count": 1})
    states = generated_books(SYMBOLS, SEED).states
    played = asyncio.run(play(settings_of(exchange, home), STRATEGY, states, count=100))
    first, *later = trade_again(STRATEGY, played, max_cycles=10_000).differences
    assert (first.what, first.why) == (What.FILL, Why.REFUSED), str(first)
    assert "not now" in first.detail
    refused = played.told.signals[first.signal]
    assert [order.ending for order in refused.orders][first.order] is Ending.REJECTED
    assert {difference.why for difference in later} <= {Why.FOLLOWS, Why.MOMENT}


def test_where_books_and_orders_race_each_difference_has_a_reason(
    home: Settings, tmp_path: Path
) -> None:
    """A session that trades freely: what does not agree is named, and the first is explained."""
    market = ("--symbols", str(SYMBOLS), "--seed", str(SEED), "--speed", "3")
    with running_exchange(tmp_path, *market, "--balance", BALANCE) as exchange:
        observed = asyncio.run(observe(settings_of(exchange, home), STRATEGY, seconds=5.0))
    agreement = trade_again(STRATEGY, observed, max_cycles=10_000)
    signals = agreement.counts[What.SIGNAL]
    assert signals.session == len(observed.told.signals) > 0
    assert signals.equal > 0
    assert sum(agreement.reasons().values()) == len(agreement.differences)
    if agreement.first is not None:
        assert agreement.first.why not in (Why.UNEXPLAINED, Why.FOLLOWS), str(agreement.first)


def test_only_an_exchange_of_this_machine_is_traded_at(home: Settings) -> None:
    """The comparison sends orders that are meant, so nowhere else."""
    with pytest.raises(ConfigError, match="ARB_KUCOIN_URL"):
        asyncio.run(observe(home, STRATEGY, seconds=0.1))


def test_lock_step_needs_whole_books(home: Settings) -> None:
    """Increments tell of a change that the recorded states do not name one by one."""
    rules = STRATEGY.session.model_copy(update={"books": "level2"})
    strategy = STRATEGY.model_copy(update={"session": rules})
    with pytest.raises(ConfigError, match="level2 does not send whole books"):
        asyncio.run(play(home, strategy, iter(()), count=1))
