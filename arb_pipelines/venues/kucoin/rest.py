"""KuCoin by REST: connections kept warm, every call signed, counted and timed.

Nothing here sends anything twice. A question that failed may be asked again by whoever
asked it; an order that failed may not (``replies`` says which is which). Questions go by a
general HTTP library, which repeats a GET once by itself on a kept connection that the
server had closed; what acts at the venue goes by ``http_lines``, which is quicker and
repeats nothing.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import quote

import aiohttp
import msgspec
import yarl

from arb_pipelines.clock import NS_PER_MS, NS_PER_S, now_ns
from arb_pipelines.errors import ConfigError, Fatal, OutcomeUnknown, Transient
from arb_pipelines.venues.addresses import is_loopback
from arb_pipelines.venues.guarded_http import expect_secrecy, guarded_http, why
from arb_pipelines.venues.http_lines import Answer, AnswerLost, HttpLines, NotSent
from arb_pipelines.venues.kucoin import limits
from arb_pipelines.venues.kucoin.limits import Budget, Pool, quota_of
from arb_pipelines.venues.kucoin.replies import data_of
from arb_pipelines.venues.kucoin.signing import Signer

_MOST_CONNECTIONS = 16
#: The request did not leave: no connection could be had.
_NOT_SENT = (
    aiohttp.ClientConnectorError,
    aiohttp.ConnectionTimeoutError,
    aiohttp.InvalidURL,
)


@dataclass(frozen=True, slots=True)
class Call:
    """One kind of request. ``acts``: it may change something at the venue.

    ``reserve`` points of its pool are left to others, so that market data never
    keeps an order from leaving.
    """

    method: str
    path: str
    pool: Pool
    weight: int
    signed: bool = True
    acts: bool = False
    reserve: int = 0


TIMESTAMP = Call("GET", "/api/v1/timestamp", Pool.PUBLIC, 3, signed=False)
BULLET_PUBLIC = Call("POST", "/api/v1/bullet-public", Pool.PUBLIC, 10, signed=False)
BULLET_PRIVATE = Call("POST", "/api/v1/bullet-private", Pool.PUBLIC, 10)
FULL_BOOK = Call("GET", "/api/v3/market/orderbook/level2", Pool.SPOT, 3, reserve=400)
ORDER = Call("POST", "/api/v1/hf/orders", Pool.SPOT, 1, acts=True)
ORDER_TEST = Call("POST", "/api/v1/hf/orders/test", Pool.SPOT, 1)
CANCEL = Call("DELETE", "/api/v1/hf/orders/client-order/{}", Pool.SPOT, 1, acts=True)
LOOK_UP = Call("GET", "/api/v1/hf/orders/client-order/{}", Pool.SPOT, 2)
FILLS = Call("GET", "/api/v1/hf/fills", Pool.SPOT, 2)
PAST_FILLS = Call("GET", "/api/v1/hf/fills", Pool.SPOT, 2, reserve=400)
PAST_ORDERS = Call("GET", "/api/v1/hf/orders/done", Pool.SPOT, 2, reserve=400)
PAST_ORDER = Call("GET", "/api/v1/hf/orders/{}", Pool.SPOT, 2, reserve=400)
OPEN_SYMBOLS = Call("GET", "/api/v1/hf/orders/active/symbols", Pool.SPOT, 2)
OPEN_ORDERS = Call("GET", "/api/v1/hf/orders/active", Pool.SPOT, 2)
ACCOUNTS = Call("GET", "/api/v1/accounts", Pool.MANAGEMENT, 5)
API_KEY = Call("GET", "/api/v1/user/api-key", Pool.MANAGEMENT, 20)
BOOK_20 = Call("GET", "/api/v1/market/orderbook/level2_20", Pool.PUBLIC, 2, signed=False)
BOOK_100 = Call("GET", "/api/v1/market/orderbook/level2_100", Pool.PUBLIC, 2, signed=False)
ALL_TICKERS = Call("GET", "/api/v1/market/allTickers", Pool.PUBLIC, 15, signed=False)
SYMBOLS = Call("GET", "/api/v2/symbols", Pool.PUBLIC, 4, signed=False)
STATUS = Call("GET", "/api/v1/status", Pool.PUBLIC, 3, signed=False)
BASE_FEE = Call("GET", "/api/v1/base-fee", Pool.SPOT, 3)
TRADE_FEES = Call("GET", "/api/v1/trade-fees", Pool.SPOT, 3, reserve=400)


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds until a connection, and a call, is given up."""

    connect_s: float = 3.0
    total_s: float = 5.0


class Rest:
    """Calls KuCoin at ``base_url``, which has to be named: there is no default venue.

    An async context manager that owns its connections. ``monotonic_ns`` times the rate
    budget, ``wall_ns`` stamps signatures. Without a ``signer`` just public calls work.
    ``trust`` says which certificates are good, where not those of the system.
    """

    def __init__(
        self,
        base_url: str,
        signer: Signer | None,
        *,
        timeouts: Timeouts = Timeouts(),
        trust: ssl.SSLContext | None = None,
        quotas: Mapping[Pool, int] = limits.DEFAULT_LIMITS,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
        wall_ns: Callable[[], int] = now_ns,
    ) -> None:
        if not base_url.startswith(("http://", "https://")):
            raise ConfigError(
                "give KuCoin's address, or a local exchange's, from http:// or https:// on",
                source="ARB_KUCOIN_URL",
            )
        expect_secrecy(base_url, "ARB_KUCOIN_URL")
        self._base_url = base_url.rstrip("/")
        self._signer = signer
        self._timeouts, self._trust = timeouts, trust
        self._budgets = {pool: Budget(points) for pool, points in quotas.items()}
        self._monotonic_ns, self._wall_ns = monotonic_ns, wall_ns
        self._session: aiohttp.ClientSession | None = None
        self._lines = HttpLines(
            base_url, connect_s=timeouts.connect_s, total_s=timeouts.total_s, trust=trust
        )

    async def __aenter__(self) -> Self:
        self._session = guarded_http(
            local=is_loopback(self._base_url),
            timeout=aiohttp.ClientTimeout(
                total=self._timeouts.total_s, connect=self._timeouts.connect_s
            ),
            trust=self._trust or True,
            most=_MOST_CONNECTIONS,
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._lines.close()
        if self._session is not None:
            await self._session.close()
            self._session = None

    @property
    def session(self) -> aiohttp.ClientSession:
        """The open session, which streams share."""
        if self._session is None:
            raise RuntimeError("enter the KuCoin client (async with) before using it")
        return self._session

    @property
    def signer(self) -> Signer:
        """Signs for the account.

        Raises:
            Fatal: no key was given.
        """
        if self._signer is None:
            raise Fatal(
                "needs a key: set ARB_KUCOIN_KEY, ARB_KUCOIN_SECRET and ARB_KUCOIN_PASSPHRASE"
            )
        return self._signer

    def timestamp_ms(self) -> int:
        """The wall clock as signatures carry it."""
        return self._wall_ns() // NS_PER_MS

    def left(self, pool: Pool) -> int:
        """Points of a pool that may still be taken."""
        return self._budgets[pool].left(self._monotonic_ns())

    def take(self, call: Call) -> None:
        """Take the points of a call from its pool.

        Raises:
            Transient: there are too few left in this window; nothing was sent.
        """
        budget, now = self._budgets[call.pool], self._monotonic_ns()
        if not budget.take(call.weight, now, reserve=call.reserve):
            raise Transient(
                f"{call.method} {call.path}: the rate budget {call.pool} is spent; not sent",
                retry_after_s=max(budget.wait_ns(now), NS_PER_MS) / NS_PER_S,
            )

    def settle(self, call: Call, quota: limits.Quota | None) -> None:
        """Tell the pool of a call what its answer said of the quota."""
        self._budgets[call.pool].settle(call.weight, quota, self._monotonic_ns())

    def prepare(
        self,
        call: Call,
        *,
        name: str = "",
        query: Mapping[str, str] | None = None,
        body: Mapping[str, str | bool] | None = None,
    ) -> tuple[str, str, Mapping[str, str], bytes]:
        """Make a request, signed as of now: its path, target (percent-encoded), headers, body."""
        path, asked = call.path.format(name), "&".join(f"{k}={v}" for k, v in (query or {}).items())
        payload = msgspec.json.encode(body) if body is not None else b""
        headers: Mapping[str, str] = {}
        if call.signed:
            target = f"{path}?{asked}" if asked else path
            headers = self.signer.headers(self.timestamp_ms(), call.method, target, payload)
        safe = f"{quote(path)}?{quote(asked, safe='=&,')}" if asked else quote(path)
        return path, safe, headers, payload

    async def call(
        self,
        call: Call,
        *,
        name: str = "",
        query: Mapping[str, str] | None = None,
        body: Mapping[str, str | bool] | None = None,
    ) -> msgspec.Raw:
        """Send a request once; give the ``data`` of its answer. ``name`` fills the path.

        Raises:
            Transient: not sent, or a question without an answer; nothing happened.
            Rejected, Fatal, ProtocolViolation: as ``replies.data_of``.
            OutcomeUnknown: it acts, it left, and what became of it is not known.
        """
        path, target, headers, payload = self.prepare(call, name=name, query=query, body=body)
        what = f"{call.method} {path}"
        self.take(call)
        send = self._act if call.acts else self._ask
        quota = None
        try:
            answer = await send(what, call.method, target, headers, payload)
            quota = quota_of(answer.headers)
        finally:
            self.settle(call, quota)
        return data_of(answer.status, answer.body, quota, acts=call.acts, what=what)

    async def _ask(
        self, what: str, method: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> Answer:
        url = yarl.URL(f"{self._base_url}{target}", encoded=True)
        try:
            async with self.session.request(
                method, url, data=body or None, headers=headers, allow_redirects=False
            ) as response:
                return Answer(response.status, response.headers, await response.read())
        except _NOT_SENT as error:
            raise Transient(f"{what}: no connection ({why(error)}); not sent") from None
        except (aiohttp.ClientError, TimeoutError) as error:  # its text may hold keys
            raise Transient(f"{what}: {type(error).__name__}") from None

    async def _act(
        self, what: str, method: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> Answer:
        try:
            return await self._lines.request(method, target, headers, body)
        except NotSent as error:
            raise Transient(f"{what}: no connection ({error}); not sent") from None
        except AnswerLost as error:
            raise OutcomeUnknown(
                f"{what}: {error} after it left; look it up, never send it again"
            ) from None

    async def warm_up(self, connections: int = 2) -> None:
        """Open connections before they are needed.

        Raises:
            VenueError: the venue does not answer.
        """
        await asyncio.gather(*(self.call(TIMESTAMP) for _ in range(connections)))
        try:
            await self._lines.warm_up(connections)
        except NotSent as error:
            raise Transient(f"{self._base_url}: no connection ({error})") from None
