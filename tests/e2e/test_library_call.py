"""``execute_cycle`` with ccxt's own kucoin class, against the local exchange."""

from __future__ import annotations

import asyncio
import json
import runpy
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import ccxt.async_support
import pytest

from arb_pipelines import CycleResult, execute_cycle
from arb_pipelines.clock import now_ns
from arb_pipelines.errors import ConfigError, Fatal
from arb_pipelines.lake.store import Lake
from arb_pipelines.research.library import call as library
from arb_pipelines.research.sessions import SessionRequest, recover_only
from arb_pipelines.settings import load_settings
from tests.e2e.exchange_process import ExchangeProcess, running_exchange, settings_of
from tests.e2e.library_at_exchange import (
    AMOUNT,
    LOSING,
    PROFITABLE,
    added,
    call,
    ccxt_client,
    changed,
    explained,
    keys_of,
    kill_at_second_order,
    run,
    run_while,
    show,
    show_books,
    strike,
)
from tests.e2e.session_process import free_balances, strategy_file, until

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeProcess]:
    """An exchange whose market stands still until it is told to move."""
    arguments = ("--symbols", "10", "--speed", "0", "--balance", "USDT=100000")
    with running_exchange(tmp_path_factory.mktemp("exchange"), *arguments) as process:
        yield process


@pytest.fixture
def exchange(
    running: ExchangeProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> ExchangeProcess:
    """The exchange with the triangle's books, and a home of the test's own."""
    monkeypatch.setenv("ARB_HOME", str(tmp_path / "home"))
    running.operate("DELETE", "/faults")
    show_books(running)
    return running


@pytest.mark.parametrize("orders", ["market", "ioc"])
def test_a_profitable_cycle(exchange: ExchangeProcess, orders: str) -> None:
    """Three legs, a profit, and a result that is what the balances say to the last unit."""
    before = free_balances(exchange)
    result = run(exchange, PROFITABLE, Decimal(AMOUNT), orders=orders)
    assert (result.status, result.outcome) == ("completed", "filled")
    assert [fill.leg for fill in result.fills] == [0, 1, 2]
    assert result.profit > 4
    assert changed(exchange, before) == explained(result)


def test_a_losing_cycle_is_carried_out_as_asked(exchange: ExchangeProcess) -> None:
    """Legs with sides, and a loss: whether it is worth it was the caller's to say."""
    before = free_balances(exchange)
    result = run(exchange, LOSING, 100)
    assert (result.status, result.start) == ("completed", "USDT")
    assert [(fill.symbol, fill.side) for fill in result.fills] == [
        ("ETH-USDT", "buy"),
        ("ETH-BTC", "sell"),
        ("BTC-USDT", "sell"),
    ]
    assert result.profit < 0
    assert changed(exchange, before) == explained(result)


def halt(exchange: ExchangeProcess, symbol: str) -> None:
    """Suspend a symbol."""
    exchange.operate("POST", f"/symbols/{symbol}/halt")


def test_a_leg_that_fails_brings_the_cycle_home(exchange: ExchangeProcess) -> None:
    """What the first leg bought is sold for the start currency, and the result says why."""
    before = free_balances(exchange)
    result = run_while(exchange, lambda: halt(exchange, "ETH-BTC"))
    assert (result.status, result.outcome) == ("failed", "panic_sold")
    assert [(fill.leg, fill.symbol) for fill in result.fills] == [
        (0, "BTC-USDT"),
        (None, "BTC-USDT"),
    ]
    assert "ETH-BTC" in result.why
    assert -1 < result.profit < 0
    assert changed(exchange, before) == explained(result)


def test_a_leg_that_would_slip_beyond_the_bound_is_not_sent(exchange: ExchangeProcess) -> None:
    """Immediate-or-cancel legs look at the book of their own moment."""

    def thin_out() -> None:
        show(exchange, "ETH-BTC", [["0.0499", "60"]], [["0.05", "0.001"], ["0.051", "60"]])

    before = free_balances(exchange)
    result = run_while(exchange, thin_out, orders="ioc")
    assert (result.status, result.outcome) == ("failed", "panic_sold")
    assert result.why == "ETH-BTC: 0.051 is 200.0 bps from the best price, and 50 is the bound"
    assert changed(exchange, before) == explained(result)


def test_what_nobody_takes_is_held_until_a_call_that_finds_a_way(exchange: ExchangeProcess) -> None:
    """The books around BTC are empty for one call, and back for the next."""

    def empty() -> None:
        for symbol in ("ETH-BTC", "SOL-BTC", "XRP-BTC"):
            show(exchange, symbol, [], [])
        show(exchange, "BTC-USDT", [], [["50000", "3"]])

    before = free_balances(exchange)
    result = run_while(exchange, empty)
    assert (result.status, result.outcome, set(result.left)) == ("held", None, {"BTC"})
    assert changed(exchange, before) == explained(result)
    show_books(exchange)
    after = run(exchange, PROFITABLE, AMOUNT)
    (recovered,) = after.recovered
    assert (recovered.cycle, recovered.outcome) == (result.cycle, "panic_sold")
    assert changed(exchange, before) == added(explained(after), recovered.changes)


def test_what_a_failed_leg_left_stays_if_the_caller_says_so(exchange: ExchangeProcess) -> None:
    """Without a panic sell the result names what is in hand."""
    before = free_balances(exchange)
    exchange.operate("POST", "/faults", {"kind": "reject", "match": "ETH-BTC buy", "count": 9})
    result = run(exchange, PROFITABLE, AMOUNT, panic_sell=False)
    assert (result.status, result.outcome) == ("failed", "residual")
    assert set(result.left) == {"BTC"}
    assert changed(exchange, before) == explained(result)


def test_a_first_leg_that_is_refused_is_nothing(exchange: ExchangeProcess) -> None:
    """More than the account has: the exchange says no, and nothing is in hand."""
    before = free_balances(exchange)
    result = run(exchange, PROFITABLE, "101000", max_slippage_bps=0)
    assert (result.status, result.outcome, result.fills) == ("failed", "nothing", ())
    assert "Insufficient" in result.why
    assert not changed(exchange, before)


def test_what_no_book_takes_within_the_bound_is_not_begun(exchange: ExchangeProcess) -> None:
    """A halted symbol, or a leg that needs worse levels than allowed: refused, with the reason."""
    halt(exchange, "ETH-BTC")
    result = run(exchange, PROFITABLE, AMOUNT)
    assert (result.status, result.cycle) == ("refused", None)
    assert result.why == "ETH-BTC does not trade now"
    show_books(exchange)
    show(exchange, "BTC-USDT", [["49990", "3"]], [["50000", "0.001"], ["50500", "3"]])
    result = run(exchange, PROFITABLE, AMOUNT)
    assert result.status == "refused"
    assert result.why == "BTC-USDT: 50500 is 100.0 bps from the best price, and 50 is the bound"


async def traces(exchange: ExchangeProcess) -> list[str]:
    """All orders and executions that the exchange knows of the triangle."""
    async with ccxt_client(*keys_of(exchange)) as client:
        client.options |= {"hf": True, "uta": False}
        client.options["fetchMarkets"] = {"types": ["spot"], "fetchTickersFees": False}
        lists = [
            await ask(symbol)
            for symbol in ("BTC/USDT", "ETH/BTC", "ETH/USDT")
            for ask in (
                client.fetch_open_orders,
                client.fetch_closed_orders,
                client.fetch_my_trades,
            )
        ]
        return [entry["id"] for entries in lists for entry in entries]


@pytest.mark.parametrize("orders", [pytest.param("market", marks=pytest.mark.each_time), "ioc"])
def test_a_dry_run_places_nothing(exchange: ExchangeProcess, orders: str) -> None:
    """The exchange knows of no order; the result is what a real call then comes to."""
    before, known = free_balances(exchange), asyncio.run(traces(exchange))
    tried = run(exchange, PROFITABLE, AMOUNT, True, orders=orders)
    assert asyncio.run(traces(exchange)) == known
    assert not changed(exchange, before)
    assert (tried.status, tried.cycle) == ("simulated", None)
    placed = run(exchange, PROFITABLE, AMOUNT, orders=orders)
    assert (tried.profit, tried.left) == (placed.profit, placed.left)


def test_an_exchange_elsewhere_needs_both_switches(
    exchange: ExchangeProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On paper by default; live is refused without the environment's word, and placed with it."""
    monkeypatch.setattr(library, "is_local", lambda exchange: False)
    before = free_balances(exchange)
    assert run(exchange, PROFITABLE, AMOUNT).status == "simulated"
    with pytest.raises(ConfigError, match="ARB_ALLOW_LIVE"):
        run(exchange, PROFITABLE, AMOUNT, mode="live")
    monkeypatch.setenv("ARB_ALLOW_LIVE", "yes")
    assert run(exchange, PROFITABLE, AMOUNT).status == "simulated"
    assert run(exchange, PROFITABLE, AMOUNT, True, mode="live").status == "simulated"
    assert not changed(exchange, before)
    assert run(exchange, PROFITABLE, AMOUNT, mode="live").status == "completed"


def test_a_killed_call_is_recovered_by_the_next(exchange: ExchangeProcess) -> None:
    """Killed while its second order is on its way; the next call ends it, then does its own."""
    before = free_balances(exchange)
    kill_at_second_order(exchange)
    result = run(exchange, PROFITABLE, AMOUNT)
    assert result.status == "completed"
    (recovered,) = result.recovered
    assert recovered.state in ("completed", "failed")
    assert changed(exchange, before) == added(explained(result), recovered.changes)


def test_a_key_that_is_turned_away_on_the_way_is_told(exchange: ExchangeProcess) -> None:
    """An error, not a result; the next call finds the cycle where it stopped."""
    before = free_balances(exchange)
    fault = {"kind": "reject", "match": "ETH-BTC buy", "code": "400003", "msg": "no such key"}
    exchange.operate("POST", "/faults", fault)
    with pytest.raises(Fatal, match="no such key"):
        run(exchange, PROFITABLE, AMOUNT)
    result = run(exchange, PROFITABLE, AMOUNT)
    (recovered,) = result.recovered
    assert recovered.state in ("completed", "failed")
    assert changed(exchange, before) == added(explained(result), recovered.changes)


def test_a_cancelled_call_is_recovered_by_the_next(exchange: ExchangeProcess) -> None:
    """Whoever gives up waiting leaves the cycle to the state, and the account free."""
    before = free_balances(exchange)
    strike(exchange, kind="delay", ms=1500, skip=1)

    async def give_up() -> None:
        calling = asyncio.create_task(call(exchange, PROFITABLE, AMOUNT))
        await asyncio.to_thread(until, lambda: not exchange.operate("GET", "/faults"), "order")
        calling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await calling

    asyncio.run(give_up())
    result = run(exchange, PROFITABLE, AMOUNT, True)
    assert result.recovered == ()  # a dry run touches nothing
    result = run(exchange, PROFITABLE, AMOUNT)
    (recovered,) = result.recovered
    assert recovered.state in ("completed", "failed")
    assert changed(exchange, before) == added(explained(result), recovered.changes)


def test_a_session_recovers_what_a_killed_call_left(
    exchange: ExchangeProcess, tmp_path: Path
) -> None:
    """By KuCoin's own client: the account is the same, and so is its state."""
    before = free_balances(exchange)
    kill_at_second_order(exchange)
    lake = Lake(settings_of(exchange, load_settings()))
    file = strategy_file(tmp_path, "broad")
    request = SessionRequest("broad-kucoin-20260105T000000Z", file, None, None, 1.0, now_ns())
    (recovered,) = recover_only(lake, [request]).cycles
    assert recovered.session == "execute-cycle"
    assert recovered.state in ("completed", "failed")
    assert changed(exchange, before) == recovered.changes


def test_two_calls_on_one_account_are_not_made_at_once(exchange: ExchangeProcess) -> None:
    """The second is told who trades; so would a session be."""

    async def both() -> list[CycleResult | BaseException]:
        calls = [call(exchange, PROFITABLE, AMOUNT) for _ in range(2)]
        return await asyncio.gather(*calls, return_exceptions=True)

    refused, done = sorted(asyncio.run(both()), key=lambda end: isinstance(end, CycleResult))
    assert isinstance(done, CycleResult)
    assert done.status == "completed"
    assert isinstance(refused, ConfigError)
    assert "is traded by session execute-cycle" in str(refused)


def test_the_exchange_object_is_left_as_it_was(exchange: ExchangeProcess, tmp_path: Path) -> None:
    """It serves its owner on: open, with its own numbers; a temporary state leaves no file."""

    async def body() -> None:
        async with ccxt_client(*keys_of(exchange), ccxt.async_support.kucoin) as client:
            options = client.deep_extend(client.options)
            result = await execute_cycle(client, PROFITABLE, AMOUNT, state="temporary")
            assert result.status == "completed"
            assert (client.options, client.number, client.markets) == (options, float, None)
            assert await client.fetch_time()

    asyncio.run(body())
    assert not list(tmp_path.rglob("*.sqlite"))


@pytest.mark.parametrize(
    ("cycle", "amount", "said"),
    [
        (PROFITABLE, 100.0, "100.0 is a float; write it as text or Decimal"),
        (["USDT", "BTC", "PEPE"], "100", "no spot market leads from BTC to PEPE"),
        ([("PEPE/USDT", "buy"), *LOSING[1:]], "100", "no spot market PEPE/USDT"),
    ],
)
def test_what_cannot_be_carried_out_is_refused_by_name(
    exchange: ExchangeProcess, cycle: Any, amount: Any, said: str
) -> None:
    """Nothing has left when a caller hears of it."""
    before = free_balances(exchange)
    with pytest.raises(ConfigError, match=said):
        run(exchange, cycle, amount)
    assert not changed(exchange, before)


def test_the_example_of_the_page_runs_as_written(
    exchange: ExchangeProcess,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Against an exchange whose line of JSON is in a file, as the page says."""
    page = (Path(__file__).parents[2] / "docs" / "library.md").read_text()
    (tmp_path / "one_cycle.py").write_text(page.split("```python\n")[1].split("```")[0])
    ready = dict(zip(("rest", "key", "secret", "passphrase"), keys_of(exchange), strict=True))
    (tmp_path / "exchange.json").write_text(json.dumps(ready))
    monkeypatch.chdir(tmp_path)
    runpy.run_path("one_cycle.py", run_name="__main__")
    tried, placed, *fills = capsys.readouterr().out.splitlines()
    assert tried.startswith("simulated: ")
    assert placed.startswith("completed (filled): ")
    assert len(fills) == 3
