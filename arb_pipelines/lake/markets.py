"""The markets of a venue on a day: into the lake and out of it.

A list is stored for the day it was taken; a later day without one of its own
uses the newest list before it. Parsing a venue's JSON belongs in ``venues``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal

import polars as pl

from arb_pipelines.lake.schemas import MARKETS
from arb_pipelines.lake.store import Lake
from arb_pipelines.lake.transaction import Transaction
from arb_pipelines.market.symbols import FeeSide, Market, Status

_FIELDS = tuple(name for name in MARKETS.names if name not in ("day", "list_day"))


def markets_frame(
    venue: str, day: date, markets: Iterable[Market], *, list_day: date
) -> pl.DataFrame:
    """Rows of ``markets`` for the partition (``venue``, ``day``), by symbol.

    ``list_day`` is the day of the list they came from: ``day`` itself, or an
    earlier one when a list is carried forward.
    """
    ordered = sorted(markets, key=lambda market: market.symbol)
    columns: dict[str, object] = {
        name: [getattr(market, name) for market in ordered] for name in _FIELDS
    }
    return MARKETS.frame(
        columns
        | {
            "fee_side": [market.fee_side.value for market in ordered],
            "status": [market.status.value for market in ordered],
            "venue": [venue] * len(ordered),
            "day": [day] * len(ordered),
            "list_day": [list_day] * len(ordered),
        }
    )


def store_markets(
    lake: Lake, venue: str, day: date, markets: Sequence[Market], *, list_day: date
) -> int:
    """Replace the markets of (``venue``, ``day``) in one transaction; return how many there are."""
    frame = markets_frame(venue, day, markets, list_day=list_day)

    def replace(transaction: Transaction) -> int:
        return transaction.replace(MARKETS, {"venue": venue, "day": day}, frame)

    return lake.commit(replace)


def load_markets(
    lake: Lake, venue: str, day: date, *, snapshot: int | None = None
) -> tuple[Market, ...]:
    """Markets of ``venue`` as valid on ``day``, by symbol.

    The day's own partition, else the newest one before it, else nothing.
    """
    rows = lake.query(
        "SELECT * FROM markets WHERE venue = ? AND day = "
        "(SELECT max(day) FROM markets WHERE venue = ? AND day <= ?) ORDER BY symbol",
        [venue, venue, day],
        snapshot=snapshot,
    )
    return tuple(_market(row) for row in rows.select(_FIELDS).iter_rows(named=True))


def _market(row: dict[str, object]) -> Market:
    fields = {
        name: _plain(value) if isinstance(value, Decimal) else value for name, value in row.items()
    }
    fields |= {"fee_side": FeeSide(str(row["fee_side"])), "status": Status(str(row["status"]))}
    return Market(**fields)  # type: ignore[arg-type]


def _plain(number: Decimal) -> Decimal:
    # The column pads to 18 decimals. Left on, those zeros would use up the 28
    # digits of the default decimal context in the products of the order path.
    shortest = number.normalize()
    return shortest if shortest.as_tuple().exponent <= 0 else shortest.quantize(Decimal(1))  # type: ignore[operator]
