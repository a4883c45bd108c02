"""The decision between paper and money, and what it asks of a key."""

from __future__ import annotations

from itertools import product

import pytest

from arb_pipelines.errors import ConfigError
from arb_pipelines.execution.switches import Permission, check_key, permission
from arb_pipelines.trading.session_rules import TradingMode
from arb_pipelines.venues.addresses import account_name, is_loopback

PAPER, LIVE = TradingMode.PAPER, TradingMode.LIVE

#: (local, the strategy says, asked for, environment allows) -> (mode, orders reach the market)
TABLE = {
    (False, PAPER, None, False): (PAPER, False),
    (False, PAPER, None, True): (PAPER, False),
    (False, PAPER, PAPER, False): (PAPER, False),
    (False, PAPER, PAPER, True): (PAPER, False),
    (False, PAPER, LIVE, False): None,
    (False, PAPER, LIVE, True): None,
    (False, LIVE, None, False): (PAPER, False),
    (False, LIVE, None, True): (LIVE, True),
    (False, LIVE, PAPER, False): (PAPER, False),
    (False, LIVE, PAPER, True): (PAPER, False),
    (False, LIVE, LIVE, False): None,
    (False, LIVE, LIVE, True): (LIVE, True),
    (True, PAPER, None, False): (PAPER, True),
    (True, PAPER, None, True): (PAPER, True),
    (True, PAPER, PAPER, False): (PAPER, True),
    (True, PAPER, PAPER, True): (PAPER, True),
    (True, PAPER, LIVE, False): None,
    (True, PAPER, LIVE, True): None,
    (True, LIVE, None, False): (PAPER, True),
    (True, LIVE, None, True): (LIVE, True),
    (True, LIVE, PAPER, False): (PAPER, True),
    (True, LIVE, PAPER, True): (PAPER, True),
    (True, LIVE, LIVE, False): None,
    (True, LIVE, LIVE, True): (LIVE, True),
}


def test_the_table_has_every_case() -> None:
    """No combination of switches is left to chance."""
    assert set(TABLE) == set(
        product((False, True), (PAPER, LIVE), (None, PAPER, LIVE), (False, True))
    )


@pytest.mark.parametrize("case", TABLE)
def test_permission(case: tuple[bool, TradingMode, TradingMode | None, bool]) -> None:
    """As the table says; what is refused names the switch that is missing."""
    local, strategy, asked, allowed = case
    expected = TABLE[case]
    if expected is None:
        missing = "mode: live" if strategy is PAPER else "ARB_ALLOW_LIVE"
        with pytest.raises(ConfigError, match=missing):
            permission(local=local, strategy=strategy, asked=asked, allowed=allowed)
    else:
        decided = permission(local=local, strategy=strategy, asked=asked, allowed=allowed)
        assert decided == Permission(*expected)


def test_a_dry_run_places_nothing_whatever_the_switches() -> None:
    """Not even at an exchange of this machine."""
    for local, strategy, asked, allowed in TABLE:
        if TABLE[local, strategy, asked, allowed] is not None:
            decided = permission(
                local=local, strategy=strategy, asked=asked, allowed=allowed, dry_run=True
            )
            assert decided == Permission(PAPER, places_orders=False)


def test_no_order_reaches_a_real_market_without_both_switches() -> None:
    """Said once more without the table: the rule that does not bend."""
    for (local, strategy, _, allowed), decided in TABLE.items():
        if decided is not None and decided[1] and not local:
            assert strategy is LIVE
            assert allowed


def test_live_wants_a_key_that_cannot_withdraw() -> None:
    """Paper does not mind, and a venue that does not tell is believed."""
    with pytest.raises(ConfigError, match="withdraw"):
        check_key(Permission(LIVE, True), True)
    check_key(Permission(LIVE, True), False)
    check_key(Permission(LIVE, True), None)
    check_key(Permission(PAPER, True), True)


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("http://127.0.0.1:8420", True),
        ("https://127.9.9.9", True),
        ("http://localhost:1", True),
        ("ws://[::1]:80/v1/private", True),
        ("https://api.kucoin.com", False),
        ("http://127.0.0.1.example.com", False),
        ("http://localhost.example.com", False),
        ("http://user@10.0.0.1", False),
        ("http://127.0.0.1@api.kucoin.com", False),
        ("http://0.0.0.0:80", False),
        ("nonsense", False),
    ],
)
def test_loopback_is_known_by_the_host_alone(url: str, local: bool) -> None:
    """Names that merely look like this machine are not."""
    assert is_loopback(url) is local


def test_an_account_has_one_name_however_its_address_is_written() -> None:
    """One lock an account: neither capitals, nor a port, nor a user in the address part it."""
    elsewhere = ["https://api.kucoin.com", "https://API.KUCOIN.COM:443/", "https://u:pw@10.0.0.1"]
    named = {account_name("kucoin", url, "42", local=False) for url in elsewhere}
    assert named == {"kucoin-42"}
    here = ["http://127.0.0.1:8420", "http://localhost:8420/", "http://u:pw@[::1]:8420"]
    assert {account_name("kucoin", url, "42", local=True) for url in here} == {"local-8420-42"}
    assert account_name("kucoin", "https://localhost", "42", local=True) == "local-443-42"
