"""Connecting to KuCoin for a session: clock, key, markets, fees, certificate."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestServer
from pydantic import SecretStr

from arb_pipelines.clock import NS_PER_MS, NS_PER_S, now_ns
from arb_pipelines.errors import ConfigError, Transient
from arb_pipelines.exchange.server.tls import self_signed
from arb_pipelines.settings import Settings, load_settings
from arb_pipelines.venues.kucoin.connection import open_kucoin
from tests.fakes.kucoin_server import (
    KEY,
    PASSPHRASE,
    SECRET,
    FakeKucoin,
    fake_kucoin,
    on_loop,
    until,
)


def listed(symbol: str, **changed: Any) -> dict[str, Any]:
    """An entry of the list of symbols."""
    base, _, quote = symbol.partition("-")
    entry = {
        "symbol": symbol,
        "baseCurrency": base,
        "quoteCurrency": quote,
        "baseMinSize": "0.001",
        "quoteMinSize": "0.1",
        "baseMaxSize": "1000",
        "baseIncrement": "0.001",
        "quoteIncrement": "0.01",
        "priceIncrement": "0.1",
        "minFunds": "0.1",
        "enableTrading": True,
        "takerFeeCoefficient": "1.00",
        "makerFeeCoefficient": "1.00",
    }
    return entry | changed


def settings_of(fake: FakeKucoin, **changed: Any) -> Settings:
    """Settings of the account that the fake knows."""
    fake.now_ms = fake.now_ms if fake.now_ms() else lambda: now_ns() // NS_PER_MS
    keys = {
        "kucoin_url": fake.url,
        "kucoin_key": SecretStr(KEY),
        "kucoin_secret": SecretStr(SECRET),
        "kucoin_passphrase": SecretStr(PASSPHRASE),
    }
    return load_settings(**(keys | changed))


@on_loop
async def test_each_market_has_the_fees_that_the_account_pays() -> None:
    """Exact by symbol; a symbol whose orders go by another name is left out."""
    async with fake_kucoin() as fake:
        names = [f"C{number}-USDT" for number in range(23)]
        renamed = listed("BCHSV-USDT", baseCurrency="BSV")
        fake.listed = [*map(listed, names), renamed]
        fake.own_fees = {name: f"0.00{number + 1:02d}" for number, name in enumerate(names)}
        async with open_kucoin(settings_of(fake)) as connection:
            assert connection.fees == {name: Decimal(fee) for name, fee in fake.own_fees.items()}
            markets = {market.symbol: market for market in connection.markets}
            assert list(markets) == names
            assert markets["C22-USDT"].taker_fee_bps == pytest.approx(23.0)
            assert markets["C22-USDT"].maker_fee_bps == 0.0
            assert connection.local
            assert connection.account_id == f"local-{fake.url.rpartition(':')[2]}-42"
            assert connection.can_withdraw is False
        assert fake.bad_signatures == 0


@on_loop
async def test_a_start_waits_for_the_next_window_of_the_venues_limits() -> None:
    """Starts in a row, after crashes, spend what an address may ask: the next one still begins."""
    async with fake_kucoin() as fake:
        fake.listed, fake.own_fees = [listed("C0-USDT")], {"C0-USDT": "0.001"}
        fake.too_many = ["/api/v1/timestamp", "/api/v1/user/api-key", "/api/v2/symbols"]
        async with open_kucoin(settings_of(fake)) as connection:
            assert [market.symbol for market in connection.markets] == ["C0-USDT"]
        assert not fake.too_many


@on_loop
async def test_where_the_budget_ends_base_rates_and_coefficients_tell_the_fees() -> None:
    """Those that were told stand; no order was ever at stake."""
    async with fake_kucoin() as fake:
        names = [f"C{number}-USDT" for number in range(95)]
        fake.listed = [listed(name, takerFeeCoefficient="2.5") for name in names]
        fake.own_fees = dict.fromkeys(names, "0.0007")
        fake.most_fee_requests = 8
        async with open_kucoin(settings_of(fake)) as connection:
            assert connection.fees["C0-USDT"] == Decimal("0.0007")
            assert connection.fees["C94-USDT"] == Decimal("0.00250")


@on_loop
async def test_a_symbol_whose_fee_is_not_told_keeps_no_session_from_beginning() -> None:
    """A halted one is not asked for; for one that is refused the base rate stands in."""
    async with fake_kucoin() as fake:
        names = [f"C{number}-USDT" for number in range(12)]
        halted = listed("OLD-USDT", enableTrading=False)
        fake.listed = [halted, *map(listed, names)]
        fake.own_fees = dict.fromkeys(names[:-1], "0.0007")
        async with open_kucoin(settings_of(fake)) as connection:
            assert connection.fees["C0-USDT"] == Decimal("0.0007")
            assert connection.fees["C11-USDT"] == Decimal("0.001")
            assert "OLD-USDT" not in connection.fees
            markets = {market.symbol: market for market in connection.markets}
            assert markets["OLD-USDT"].taker_fee_bps is None


@on_loop
async def test_a_clock_that_is_off_is_corrected() -> None:
    """Signatures carry the venue's time, to within the way there and back."""
    async with fake_kucoin() as fake:
        fake.now_ms = lambda: now_ns() // NS_PER_MS - 3_600_000
        async with open_kucoin(settings_of(fake)) as connection:
            off = connection.clock.skew_ns / NS_PER_S
            assert off == pytest.approx(-3600, abs=1)
            assert connection.clock.now_ns() == pytest.approx(now_ns() - 3600 * NS_PER_S, abs=1e9)


@pytest.mark.parametrize(
    ("permission", "withdraws"),
    [
        ("General", False),
        ("General,Spot,InnerTransfer", False),
        ("General,Spot,Transfer", True),
        ("General, Withdrawal", True),
        ("FlexTransfers", True),
    ],
)
def test_a_key_by_which_money_can_leave_is_known(permission: str, withdraws: bool) -> None:
    """By any of the venue's words for it; moving money within the account is no such thing."""

    @on_loop
    async def body() -> None:
        async with fake_kucoin() as fake:
            fake.permission = permission
            async with open_kucoin(settings_of(fake)) as connection:
                assert connection.can_withdraw is withdraws

    body()


@pytest.mark.parametrize("missing", ["kucoin_url", "kucoin_key", "kucoin_passphrase"])
def test_nothing_has_a_default(missing: str) -> None:
    """What is not set is named, and nothing is asked of anybody."""

    @on_loop
    async def body() -> None:
        async with fake_kucoin() as fake:
            settings = settings_of(fake, **{missing: None})
            with pytest.raises(ConfigError, match=f"ARB_{missing.upper()}"):
                async with open_kucoin(settings):
                    pass
            assert fake.requests == []

    body()


@on_loop
async def test_an_address_elsewhere_for_orders_makes_a_venue_no_local_one() -> None:
    """Both have to be on this machine, whichever way the orders go."""
    async with fake_kucoin() as fake:
        for address, local in (("wss://example.com/v1", False), ("ws://127.0.0.1:9/x", True)):
            async with open_kucoin(settings_of(fake, kucoin_entry_url=address)) as connection:
                assert connection.local is local


@on_loop
async def test_the_connection_comes_into_service_and_says_so() -> None:
    """Account and order entry by WebSocket; both ways are the same for all who ask."""
    async with (
        fake_kucoin() as fake,
        open_kucoin(settings_of(fake)) as connection,
        asyncio.TaskGroup() as tasks,
    ):
        assert connection.health() == {"account": "not connected"}
        serving = tasks.create_task(connection.run())
        await connection.ready()
        assert connection.entry("rest") is connection.entry("rest")
        assert connection.entry("socket") is connection.entry("socket")
        await connection.ready()
        assert connection.health() == {"account": None, "order_entry": None}
        assert connection.room()
        await fake.cut()
        await until(lambda: "not connected" in connection.health().values())
        await connection.ready()
        serving.cancel()


@on_loop
async def test_a_venue_that_does_not_answer_is_an_error_of_one_line() -> None:
    """No session begins, and nothing hangs."""
    with pytest.raises(Transient):
        async with open_kucoin(
            load_settings(
                kucoin_url="http://127.0.0.1:9",
                kucoin_key=SecretStr("k"),
                kucoin_secret=SecretStr("s"),
                kucoin_passphrase=SecretStr("p"),
            )
        ):
            pass


def test_a_certificate_that_is_none_is_refused(tmp_path: Path) -> None:
    """By the name of its setting."""
    nonsense = tmp_path / "nonsense.pem"
    nonsense.write_text("nonsense")

    @on_loop
    async def body() -> None:
        async with fake_kucoin() as fake:
            for path in (nonsense, tmp_path / "missing.pem"):
                with pytest.raises(ConfigError, match="ARB_KUCOIN_CERTIFICATE"):
                    async with open_kucoin(settings_of(fake, kucoin_certificate=path)):
                        pass

    body()


def test_a_certificate_of_its_own_is_trusted_where_it_is_named(tmp_path: Path) -> None:
    """And is not without; https and wss alike."""
    certificate = self_signed()
    pem = tmp_path / "exchange.pem"
    pem.write_text(certificate.pem)

    @on_loop
    async def body() -> None:
        fake = FakeKucoin()
        server = TestServer(fake.app(), host="127.0.0.1", scheme="https")
        await server.start_server(ssl=certificate.context)
        fake.url = f"https://127.0.0.1:{server.port}"
        try:
            with pytest.raises(Transient):
                async with open_kucoin(settings_of(fake)):
                    pass
            async with (
                open_kucoin(settings_of(fake, kucoin_certificate=pem)) as connection,
                asyncio.TaskGroup() as tasks,
            ):
                serving = tasks.create_task(connection.run())
                await connection.ready()
                serving.cancel()
        finally:
            await fake.cut()
            await server.close()

    body()


@on_loop
async def test_a_book_and_all_best_prices_are_had_with_one_question_each() -> None:
    """By the cheapest call that has the depth; where nobody offers, the price is 0."""
    async with fake_kucoin() as fake:
        fake.listed, fake.own_fees = [listed("BTC-USDT")], {"BTC-USDT": "0.001"}
        fake.book = lambda symbol: {
            "time": 1550653727731,
            "sequence": "3262786978",
            "bids": [["6500.12", "0.45"], ["6500.11", "0.5"], ["6500", "1"]],
            "asks": [["6500.16", "0.575"]],
        }
        fake.tickers = [
            {"symbol": "BTC-USDT", "buy": "6500.12", "sell": "6500.16", "last": "6500.1"},
            {"symbol": "OLD-USDT", "buy": None, "sell": "3"},
        ]
        async with open_kucoin(settings_of(fake)) as connection:
            fake.requests.clear()
            book = await connection.snapshot("BTC-USDT", 2)
            assert (book.bid_px.tolist(), book.bid_sz.tolist()) == ([6500.12, 6500.11], [0.45, 0.5])
            assert (book.ask_px.tolist(), book.ask_sz.tolist()) == ([6500.16], [0.575])
            assert book.ts_event == 1550653727731 * NS_PER_MS
            await connection.snapshot("BTC-USDT", 100)
            await connection.snapshot("BTC-USDT", 101)
            assert await connection.tops() == {"BTC-USDT": (6500.12, 6500.16), "OLD-USDT": (0, 3)}
            assert [path.partition("?")[0].rpartition("/")[2] for _, path in fake.requests] == [
                "level2_20", "level2_100", "level2", "allTickers",
            ]  # fmt: skip
