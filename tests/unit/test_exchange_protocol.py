"""What of the local exchange's protocol needs no server: signatures, quotas, tokens, faults."""

from __future__ import annotations

import base64
import hashlib
import hmac
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arb_pipelines.clock import NS_PER_S
from arb_pipelines.errors import ConfigError
from arb_pipelines.exchange.engine.orders import OrderType, Side, TimeInForce
from arb_pipelines.exchange.server.answers import Refusal
from arb_pipelines.exchange.server.faults import Fault, Faults, Kind
from arb_pipelines.exchange.server.requests import parse_order
from arb_pipelines.exchange.server.signing import Credentials, Keyring
from arb_pipelines.exchange.server.texts import number, text
from arb_pipelines.exchange.server.tokens import LIFE_NS, Tokens
from arb_pipelines.exchange.server.topics import parse_topic
from arb_pipelines.exchange.server.weights import WINDOW_NS, Pool, Quotas
from arb_pipelines.research.exchange import parse_account, parse_balances

NOW_NS = 1_700_000_000 * NS_PER_S
NOW_MS = str(NOW_NS // 1_000_000)
OWNER = Credentials("key", "secret", "phrase", "local", permissions=("General",))
KEYRING = Keyring({"key": OWNER})


def b64(payload: str) -> str:
    """HMAC-SHA256 with the owner's secret, apart from the code under test."""
    return base64.b64encode(hmac.new(b"secret", payload.encode(), hashlib.sha256).digest()).decode()


def headers(signed_path: str, **changed: str) -> dict[str, str]:
    """Headers of a GET whose signature covers ``signed_path``."""
    given = {
        "KC-API-KEY": "key",
        "KC-API-SIGN": b64(f"{NOW_MS}GET{signed_path}"),
        "KC-API-TIMESTAMP": NOW_MS,
        "KC-API-PASSPHRASE": b64("phrase"),
        "KC-API-KEY-VERSION": "2",
    }
    return given | {name.replace("_", "-"): value for name, value in changed.items()}


@pytest.mark.parametrize(
    "signed", ["/api/v1/trade-fees?symbols=A,B", "/api/v1/trade-fees?symbols=A%2CB"]
)
def test_signature_covers_the_query_raw_or_encoded(signed: str) -> None:
    """A list's comma may be signed raw though it is sent encoded."""
    sent = "/api/v1/trade-fees?symbols=A%2CB"
    assert KEYRING.check_request(headers(signed), "GET", sent, b"", NOW_NS) is OWNER


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"KC_API_SIGN": ""}, "400001"),
        ({"KC_API_TIMESTAMP": str(int(NOW_MS) - 5_001)}, "400002"),
        ({"KC_API_TIMESTAMP": "now"}, "400002"),
        ({"KC_API_KEY": "other"}, "400003"),
        ({"KC_API_PASSPHRASE": "phrase"}, "400004"),
        ({"KC_API_SIGN": b64("something else")}, "400005"),
    ],
)
def test_requests_refused_with_the_venues_codes(changed: dict[str, str], code: str) -> None:
    """Each thing that can be wrong with the headers has its own code."""
    with pytest.raises(Refusal) as refused:
        KEYRING.check_request(headers("/p", **changed), "GET", "/p", b"", NOW_NS)
    assert refused.value.code == code


def test_permission_that_the_key_lacks() -> None:
    """A key without the permission of trading is told so."""
    with pytest.raises(Refusal) as refused:
        KEYRING.check_request(headers("/p"), "GET", "/p", b"", NOW_NS, permission="Spot")
    assert refused.value.code == "400007"


@given(st.lists(st.tuples(st.integers(0, WINDOW_NS), st.integers(1, 700)), max_size=40))
def test_no_window_spends_more_than_its_limit(requests: list[tuple[int, int]]) -> None:
    """Weights let through in one window never exceed the limit, and what is left is told."""
    now = 0
    quotas = Quotas(lambda: now)
    spent, start = 0, 0
    for wait, weight in requests:
        now += wait
        if not spent or now - start >= WINDOW_NS:
            spent, start = 0, now
        answer = quotas.spend(Pool.PUBLIC, "127.0.0.1", weight)
        spent += weight if answer.allowed else 0
        assert spent <= answer.limit == 2000
        assert answer.remaining == answer.limit - spent
        assert answer.allowed or answer.remaining < weight


def test_tokens_live_a_day_and_are_used_again() -> None:
    """A token opens what it was issued for until 24 hours have passed, or all are expired."""
    now = NOW_NS
    tokens = Tokens(lambda: now)
    token, public = tokens.issue("local"), tokens.issue(None)
    now += LIFE_NS - 1
    for _ in range(2):
        grant = tokens.grant_of(token)
        assert grant is not None
        assert grant.user == "local"
    assert tokens.grant_of("unknown") is None
    now += 1
    assert tokens.grant_of(token) is tokens.grant_of(public) is None


def test_faults_strike_what_they_match_as_often_as_they_say() -> None:
    """A fault lets ``skip`` pass, strikes ``count`` times, and is gone."""
    faults = Faults()
    faults.arm(Fault(kind=Kind.DROP_AFTER, match="POST", count=2, skip=1))
    assert faults.strike(Kind.DROP_AFTER, "GET /x") is None
    assert faults.strike(Kind.DROP_BEFORE, "POST /x") is None
    struck = [faults.strike(Kind.DROP_AFTER, "POST /x") is not None for _ in range(5)]
    assert struck == [False, True, True, False, False]
    assert faults.armed == ()


def test_topics_may_have_blanks() -> None:
    """cryptofeed writes a blank after the colon."""
    name, symbols = parse_topic("/market/level2: BTC-USDT,ETH-BTC")
    assert (name, symbols) == ("/market/level2", ("BTC-USDT", "ETH-BTC"))


def test_order_as_the_official_sdk_sends_it() -> None:
    """A market order's idle limit fields are ignored."""
    order = parse_order(
        {
            "clientOid": "a1",
            "side": "buy",
            "symbol": "BTC-USDT",
            "type": "market",
            "funds": "10",
            "timeInForce": "GTC",
            "postOnly": False,
            "hidden": False,
            "iceberg": False,
            "cancelAfter": -1,
        }
    )
    assert (order.side, order.type, order.funds) == (Side.BUY, OrderType.MARKET, Decimal(10))
    assert (order.size, order.price, order.cancel_after_s) == (None, None, None)
    assert order.time_in_force is TimeInForce.GTC


@pytest.mark.parametrize(
    "changed",
    [{"side": "hold"}, {"size": "-1"}, {"size": "1e3"}, {"price": "NaN"}, {"timeInForce": "DAY"}],
)
def test_orders_that_cannot_be_read(changed: dict[str, str]) -> None:
    """A field that makes no sense is named in the refusal."""
    good = {"symbol": "BTC-USDT", "side": "buy", "type": "limit", "price": "1", "size": "1"}
    with pytest.raises(Refusal, match=next(iter(changed))):
        parse_order(good | changed)


@given(st.decimals(0, 10**15, places=18))
def test_numbers_survive_writing_and_reading(value: Decimal) -> None:
    """A decimal is written in full, without idle zeros, and reads back the same."""
    written = text(value)
    assert number(written, "size") == value
    assert "E" not in written
    assert "." not in written or not written.endswith(("0", "."))


def test_account_and_balances_of_the_command_line() -> None:
    """The command's account and balance options are read, or refused by name."""
    owner = parse_account("k:s:p")
    assert (owner.key, owner.secret, owner.passphrase) == ("k", "s", "p")
    assert parse_balances("USDT=10.5, BTC=1") == {"USDT": Decimal("10.5"), "BTC": Decimal(1)}
    for wrong in ("USDT", "USDT=", "=1", "USDT=-1", "USDT=x", "USDT=NaN"):
        with pytest.raises(ConfigError, match="--balance"):
            parse_balances(wrong)
    with pytest.raises(ConfigError, match="--account"):
        parse_account("k:s")
