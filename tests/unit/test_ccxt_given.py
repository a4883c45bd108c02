"""A client of our own around an exchange object of ccxt that somebody else made."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import ccxt
import ccxt.async_support
import ccxt.pro
import pytest

from arb_pipelines import execute_cycle
from arb_pipelines.errors import ConfigError, InvariantBroken
from arb_pipelines.venues.ccxt_any.given import around, client_like, expect_async, is_local

HERE = "http://127.0.0.1:8420"


def given(**changed: Any) -> Any:
    """An exchange object as a user makes it."""
    keys = {"apiKey": "key", "secret": "hush", "password": "phrase"}
    return ccxt.pro.kucoin(keys | changed)


def test_an_exchange_is_local_if_all_of_its_addresses_are() -> None:
    """One that is elsewhere is enough to need both switches."""
    exchange = given()
    assert not is_local(exchange)
    exchange.urls["api"]["public"] = exchange.urls["api"]["private"] = HERE
    assert not is_local(exchange)
    exchange.urls["api"] = {"public": HERE, "private": HERE}
    assert is_local(exchange)
    exchange.urls["api"] = {}
    assert not is_local(exchange)


def test_our_client_has_its_key_addresses_and_budget_and_our_care() -> None:
    """Exact numbers and no retries, whatever the object has; the object stays as it was."""
    exchange = given(httpsProxy="http://proxy:8080", options={"maxRetriesOnFailure": 3, "own": 1})
    before = exchange.deep_extend(exchange.options)
    client = client_like(exchange)
    assert (client.apiKey, client.secret, client.password) == ("key", "hush", "phrase")
    assert client.urls == exchange.urls
    assert client.httpsProxy == "http://proxy:8080"
    assert client.throttler is exchange.throttler
    assert client.number is Decimal
    assert (client.options["maxRetriesOnFailure"], client.options["own"]) == (0, 1)
    assert (exchange.options, exchange.number) == (before, float)


def test_a_client_of_a_local_exchange_goes_nowhere_else() -> None:
    """Not through a proxy either, which is another machine."""

    async def body() -> None:
        exchange = given(httpsProxy="http://proxy:8080")
        exchange.urls["api"] = {"public": HERE, "private": HERE}
        client = client_like(exchange)
        assert client.httpsProxy is None
        try:
            with pytest.raises(InvariantBroken, match=r"would go to api\.kucoin\.com"):
                await client.fetch("https://api.kucoin.com/api/v1/orders", "POST")
        finally:
            await client.close()

    asyncio.run(body())


def test_a_subclass_of_a_user_stays_his_class() -> None:
    """What he changed about it holds for our client, too."""

    class Mine(ccxt.async_support.kucoin):  # type: ignore[misc]
        def describe(self) -> Any:
            return self.deep_extend(super().describe(), {"rateLimit": 77})

    assert client_like(Mine({"apiKey": "key"})).rateLimit == 77


@pytest.mark.parametrize(
    ("exchange", "said"),
    [
        (ccxt.kucoin(), r"ccxt\.kucoin is synchronous; give a ccxt\.pro\.kucoin"),
        ("kucoin", "a str is no exchange object of ccxt"),
    ],
)
def test_what_cannot_be_awaited_is_refused(exchange: Any, said: str) -> None:
    """With what to give in its place."""
    with pytest.raises(ConfigError, match=said):
        expect_async(exchange)
    with pytest.raises(ConfigError, match=said):
        asyncio.run(execute_cycle(exchange, ["USDT", "BTC", "ETH"], "1"))


@pytest.mark.parametrize(
    ("changed", "said"),
    [({"apiKey": ""}, "has no apiKey"), ({"address": "http://10.0.0.1"}, "not encrypted")],
)
def test_an_exchange_that_nothing_may_be_sent_to_is_refused(
    changed: dict[str, str], said: str
) -> None:
    """Without a key, or with one that would travel in the open."""
    exchange = given(**{"apiKey": "key"} | changed)
    if "address" in changed:
        exchange.urls["api"] = {"public": changed["address"], "private": HERE}

    async def body() -> None:
        async with around(exchange):
            pytest.fail("it was connected to")

    with pytest.raises(ConfigError, match=said):
        asyncio.run(body())


def test_live_needs_the_environment_before_anything_is_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An exchange elsewhere is not even called."""
    monkeypatch.delenv("ARB_ALLOW_LIVE", raising=False)
    with pytest.raises(ConfigError, match="ARB_ALLOW_LIVE"):
        asyncio.run(execute_cycle(given(), ["USDT", "BTC", "ETH"], "1", mode="live"))
