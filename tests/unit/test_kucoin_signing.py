"""KuCoin's signatures against hashlib, ccxt, and the rule that keys are never shown."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json

import ccxt
from pydantic import SecretStr

from arb_pipelines.venues.kucoin.signing import Credentials, Signer

KEY, SECRET, PASSPHRASE = "5c2db93503aa674c74a31734", "f03a5284-5c39-4aaa-9b20", "Abc!123"
CREDENTIALS = Credentials(SecretStr(KEY), SecretStr(SECRET), SecretStr(PASSPHRASE))


def base64_hmac(text: str) -> str:
    """The venue's formula, written out."""
    digest = hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


def test_headers_are_the_formula_written_out():
    """A request with a body is signed over time, method, path with query, and body."""
    body = b'{"clientOid":"a","symbol":"BTC-USDT"}'
    headers = Signer(CREDENTIALS).headers(1547015186532, "POST", "/api/v1/hf/orders?x=1,2", body)
    signed = '1547015186532POST/api/v1/hf/orders?x=1,2{"clientOid":"a","symbol":"BTC-USDT"}'
    assert headers["KC-API-SIGN"] == base64_hmac(signed)
    assert headers["KC-API-PASSPHRASE"] == base64_hmac(PASSPHRASE)
    assert headers["KC-API-TIMESTAMP"] == "1547015186532"
    assert headers["KC-API-KEY-VERSION"] == "2"


def test_headers_are_those_of_ccxt():
    """ccxt, given the same time and key, sends the same headers."""
    exchange = ccxt.kucoin({"apiKey": KEY, "secret": SECRET, "password": PASSPHRASE})
    exchange.nonce = lambda: 1700000000123
    order = {"clientOid": "a1", "symbol": "BTC-USDT", "side": "buy", "type": "market", "funds": "5"}
    for method, path, params in (
        ("POST", "hf/orders", order),
        ("GET", "hf/fills", {"symbol": "BTC-USDT", "orderId": "77"}),
    ):
        theirs = exchange.sign(path, "private", method, params)
        target = theirs["url"].partition("kucoin.com")[2]
        body = (theirs["body"] or "").encode()
        ours = Signer(CREDENTIALS).headers(1700000000123, method, target, body)
        for name in ("SIGN", "PASSPHRASE", "TIMESTAMP", "KEY-VERSION"):
            assert ours[f"KC-API-{name}"] == theirs["headers"][f"KC-API-{name}"]
        assert method == "GET" or json.loads(body) == order


def test_a_connection_is_signed_over_key_and_time():
    """The query of an order-entry connection carries the signature, percent-encoded."""
    from urllib.parse import parse_qs

    query = parse_qs(Signer(CREDENTIALS).connection_query(1700000000123))
    assert query["sign"] == [base64_hmac(f"{KEY}1700000000123")]
    assert query["passphrase"] == [base64_hmac(PASSPHRASE)]


def test_nothing_shows_the_keys():
    """Neither credentials nor signer print what they hold."""
    shown = f"{CREDENTIALS!r} {CREDENTIALS} {Signer(CREDENTIALS)!r}"
    assert not any(secret in shown for secret in (KEY, SECRET, PASSPHRASE))
