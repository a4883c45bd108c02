"""Every REST endpoint of the local exchange costs what it costs at KuCoin, in the same pool.

The table is a copy of the venue's own specification (``x-api-rate-limit-weight``,
``x-api-rate-limit-pool`` and ``x-api-permission`` of the OpenAPI files of its official SDK,
and https://www.kucoin.com/docs-new/rate-limit), made apart from the code: a number that is
changed on one side alone is found here.
"""

from __future__ import annotations

import pytest

from arb_pipelines.exchange.server import rest_account, rest_public, rest_spot
from arb_pipelines.exchange.server.routes import Route
from arb_pipelines.exchange.server.weights import DEFAULT_LIMITS, WINDOW_NS

ROUTES: list[Route] = [*rest_spot.ROUTES, *rest_account.ROUTES, *rest_public.ROUTES]

#: Method, path with its variables as ``{}``, weight, pool, permission (``-`` for none).
#: The specification counts ``bullet-private`` in the pool of SPOT; here, and in our client, it
#: is one of PUBLIC. It does not list the symbols of margin, which weigh 3 to ccxt.
VENUE = """
GET    /api/v1/timestamp                        3  public     -
GET    /api/v1/status                           3  public     -
GET    /api/v3/currencies                       3  public     -
GET    /api/v3/currencies/{}                    3  public     -
GET    /api/v2/symbols                          4  public     -
GET    /api/v2/symbols/{}                       4  public     -
GET    /api/v1/market/allTickers               15  public     -
GET    /api/v1/market/orderbook/level1          2  public     -
GET    /api/v1/market/orderbook/level2_20       2  public     -
GET    /api/v1/market/orderbook/level2_100      2  public     -
POST   /api/v1/bullet-public                   10  public     -
POST   /api/v1/bullet-private                  10  public     General
GET    /api/v3/market/orderbook/level2          3  spot       General
GET    /api/v3/margin/symbols                   3  spot       General
GET    /api/v1/isolated/symbols                 3  spot       General
GET    /api/v1/base-fee                         3  spot       General
GET    /api/v1/trade-fees                       3  spot       General
GET    /api/v1/hf/accounts/opened              30  spot       General
GET    /api/v1/accounts                         5  management General
GET    /api/v1/accounts/{}                      5  management General
GET    /api/v1/user/api-key                    20  management General
POST   /api/v1/hf/orders                        1  spot       Spot
POST   /api/v1/hf/orders/sync                   1  spot       Spot
POST   /api/v1/hf/orders/test                   1  spot       Spot
POST   /api/v1/hf/orders/multi                  1  spot       Spot
POST   /api/v1/hf/orders/multi/sync             1  spot       Spot
POST   /api/v1/hf/orders/alter                  1  spot       Spot
DELETE /api/v1/hf/orders                        2  spot       Spot
DELETE /api/v1/hf/orders/{}                     1  spot       Spot
DELETE /api/v1/hf/orders/sync/{}                1  spot       Spot
DELETE /api/v1/hf/orders/client-order/{}        1  spot       Spot
DELETE /api/v1/hf/orders/sync/client-order/{}   1  spot       Spot
DELETE /api/v1/hf/orders/cancel/{}              2  spot       Spot
DELETE /api/v1/hf/orders/cancelAll             30  spot       Spot
GET    /api/v1/hf/orders/active                 2  spot       General
GET    /api/v1/hf/orders/active/page            2  spot       General
GET    /api/v1/hf/orders/active/symbols         2  spot       Spot
GET    /api/v1/hf/orders/done                   2  spot       General
GET    /api/v1/hf/orders/client-order/{}        2  spot       General
GET    /api/v1/hf/orders/{}                     2  spot       General
GET    /api/v1/hf/fills                         2  spot       General
"""
ROWS = {(method, path): rest for method, path, *rest in map(str.split, VENUE.split("\n")[1:-1])}


def name_of(route: Route) -> tuple[str, str]:
    """Method and path, the path's variables without names."""
    parts = route.path.split("/")
    return route.method, "/".join("{}" if part.startswith("{") else part for part in parts)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.target)
def test_an_endpoint_costs_what_the_venue_says(route: Route) -> None:
    """Weight, pool, and the permission that its key must have."""
    said = [str(route.weight), str(route.pool), route.permission or "-"]
    assert said == ROWS[name_of(route)]


def test_the_table_has_every_endpoint_once() -> None:
    """None is served that the table lacks, and none twice, where the first would win."""
    served = [name_of(route) for route in ROUTES]
    assert len(served) == len({*served})
    assert {*served} == {*ROWS}


def test_a_pool_holds_what_an_account_without_level_may_spend() -> None:
    """4000 points of SPOT and 2000 of each other pool, in 30 seconds."""
    assert {str(pool): most for pool, most in DEFAULT_LIMITS.items()} == {
        "public": 2000,
        "spot": 4000,
        "management": 2000,
    }
    assert WINDOW_NS == 30 * 10**9
