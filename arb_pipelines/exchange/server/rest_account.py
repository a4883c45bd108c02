"""Endpoints of an account: balances, fees, the key itself."""

from __future__ import annotations

from arb_pipelines.exchange.engine.refusals import unknown_symbol
from arb_pipelines.exchange.server.answers import BAD_PARAMETER, Refusal
from arb_pipelines.exchange.server.documents import account_document, account_id
from arb_pipelines.exchange.server.routes import Call, Route
from arb_pipelines.exchange.server.texts import text
from arb_pipelines.exchange.server.venue import Venue
from arb_pipelines.exchange.server.weights import Pool

#: What an order can spend lies in one account of each currency. Clients of the
#: high-frequency API ask for it as ``trade_hf``, others as ``trade``.
_TYPES = ("trade", "trade_hf")
_TRADE_FEES_MAX = 10


def _accounts(venue: Venue, call: Call) -> object:
    kind = call.request.query.get("type") or _TYPES[0]
    if kind not in _TYPES:
        return []
    wanted = call.request.query.get("currency")
    return [
        account_document(call.user, currency, balance, kind)
        for currency, balance in sorted(venue.exchange.balances(call.user).items())
        if wanted in (None, "", currency)
    ]


def _account(venue: Venue, call: Call) -> object:
    for currency, balance in venue.exchange.balances(call.user).items():
        if account_id(call.user, currency) == call.path("account"):
            return account_document(call.user, currency, balance, _TYPES[0])
    raise Refusal(BAD_PARAMETER, "account not exist")


def _opened(_venue: Venue, _call: Call) -> object:
    return True


def _api_key(venue: Venue, call: Call) -> object:
    owner = venue.keyring.owner(call.key or "")
    return {
        "remark": "local exchange",
        "apiKey": owner.key,
        "apiVersion": 3,
        "permission": ",".join(owner.permissions),
        "ipWhitelist": "",
        "createdAt": 0,
        "uid": 1,
        "isMaster": True,
    }


def _base_fee(venue: Venue, _call: Call) -> object:
    fees = venue.exchange.fees()
    return {"takerFeeRate": text(fees.taker), "makerFeeRate": text(fees.maker)}


def _trade_fees(venue: Venue, call: Call) -> object:
    symbols = call.query("symbols").split(",")
    if len(symbols) > _TRADE_FEES_MAX:
        raise Refusal(BAD_PARAMETER, f"symbols: {_TRADE_FEES_MAX} at most.")
    fees = venue.exchange.fees()
    rates = []
    for symbol in symbols:
        if (listed := venue.symbols.get(symbol)) is None:
            raise unknown_symbol(symbol)
        rates.append(
            {
                "symbol": symbol,
                "takerFeeRate": text(fees.taker_rate(listed)),
                "makerFeeRate": text(fees.maker_rate(listed)),
            }
        )
    return rates


ROUTES = [
    Route("GET", "/api/v1/accounts", 5, _accounts, Pool.MANAGEMENT),
    Route("GET", "/api/v1/accounts/{account}", 5, _account, Pool.MANAGEMENT),
    Route("GET", "/api/v1/user/api-key", 20, _api_key, Pool.MANAGEMENT),
    Route("GET", "/api/v1/hf/accounts/opened", 30, _opened),
    Route("GET", "/api/v1/base-fee", 3, _base_fee),
    Route("GET", "/api/v1/trade-fees", 3, _trade_fees),
]
